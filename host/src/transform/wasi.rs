//! WASI in name only, for plugins in languages whose runtime asks for it whether it is needed or not.
//!
//! A component that imports something cannot be instantiated without it. So each function of WASI that a component asks
//! for is there, and there is nothing behind it:
//!
//! | asked for | found |
//! |---|---|
//! | arguments, environment, folders, terminals | none |
//! | the standard input | at its end |
//! | the standard output and error | take everything, and keep nothing |
//! | `wasi:random/insecure-seed` | zero: WASI lets it be the same for ever, and hash tables start with it |
//! | clocks, random numbers, files, sockets, the exit, anything else | the call traps, and the record is refused with its name |
//!
//! So a plugin remains what it would be without: the same record becomes the same bytes. This is no implementation of
//! WASI, and never will be one.

use super::limits::MemoryLimit;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentType, Lift, Linker, LinkerInstance, Lower, Resource, ResourceType};

/// What a transform grants its plugin beside computing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wasi {
    /// Nothing: a plugin that imports anything is refused.
    #[default]
    None,
    /// WASI in name only.
    Stub,
}

/// A plugin called what nobody has.
#[derive(Debug, thiserror::Error)]
#[error("called {0}, and the stub of WASI has neither clocks nor random numbers, files, sockets or an exit")]
pub(super) struct NotGranted(String);

/// Stands for whatever is a resource in WASI: it is handed out, handed back, and nothing.
struct Nothing;

/// What a stream says when it does not go on (`wasi:io/streams`).
#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    Failed(Resource<Nothing>),
    #[component(name = "closed")]
    Closed,
}

type Written = Result<(), StreamError>;

/// So many bytes a standard output says it takes at a time.
const WRITE_BYTES: u64 = 4096;

/// Whether an import is a part of WASI.
pub(super) fn is_wasi(import: &str) -> bool {
    import.starts_with("wasi:")
}

/// Defines every part of WASI that this component imports.
pub(super) fn define(linker: &mut Linker<MemoryLimit>, component: &Component) -> wasmtime::Result<()> {
    let engine = linker.engine().clone();
    for (import, item) in component.component_type().imports(&engine).filter(|(import, _)| is_wasi(import)) {
        let ComponentItem::ComponentInstance(interface) = item.ty else { continue };
        let mut instance = linker.instance(import)?;
        for (name, item) in interface.exports(&engine) {
            match item.ty {
                ComponentItem::ComponentFunc(_) => function(&mut instance, import, name)?,
                ComponentItem::Resource(_) => {
                    instance.resource(name, ResourceType::host::<Nothing>(), |_, _| Ok(()))?;
                }
                // Types come with the functions that use them.
                _ => {}
            }
        }
    }
    Ok(())
}

fn function(instance: &mut LinkerInstance<'_, MemoryLimit>, import: &str, name: &str) -> wasmtime::Result<()> {
    let interface = import.split_once('@').map_or(import, |(interface, _version)| interface);
    let nothing = || Resource::<Nothing>::new_own(0);
    match (interface, name) {
        ("wasi:cli/environment", "get-environment") => {
            instance.func_wrap(name, |_, ()| Ok((Vec::<(String, String)>::new(),)))
        }
        ("wasi:cli/environment", "get-arguments") => instance.func_wrap(name, |_, ()| Ok((Vec::<String>::new(),))),
        ("wasi:cli/environment", "initial-cwd") => instance.func_wrap(name, |_, ()| Ok((None::<String>,))),
        ("wasi:filesystem/preopens", "get-directories") => {
            instance.func_wrap(name, |_, ()| Ok((Vec::<(Resource<Nothing>, String)>::new(),)))
        }
        ("wasi:cli/terminal-stdin" | "wasi:cli/terminal-stdout" | "wasi:cli/terminal-stderr", _) => {
            instance.func_wrap(name, |_, ()| Ok((None::<Resource<Nothing>>,)))
        }
        ("wasi:cli/stdin", "get-stdin") | ("wasi:cli/stdout", "get-stdout") | ("wasi:cli/stderr", "get-stderr") => {
            instance.func_wrap(name, move |_, ()| Ok((nothing(),)))
        }
        ("wasi:random/insecure-seed", "insecure-seed") => instance.func_wrap(name, |_, ()| Ok(((0_u64, 0_u64),))),
        ("wasi:io/streams", "[method]input-stream.read" | "[method]input-stream.blocking-read") => instance
            .func_wrap(name, |_, (_, _): (Resource<Nothing>, u64)| {
                Ok((Err::<Vec<u8>, StreamError>(StreamError::Closed),))
            }),
        ("wasi:io/streams", "[method]output-stream.check-write") => {
            instance.func_wrap(name, |_, (_,): (Resource<Nothing>,)| Ok((Ok::<u64, StreamError>(WRITE_BYTES),)))
        }
        ("wasi:io/streams", "[method]output-stream.write" | "[method]output-stream.blocking-write-and-flush") => {
            instance.func_wrap(name, |_, (_, _): (Resource<Nothing>, Vec<u8>)| Ok((Written::Ok(()),)))
        }
        ("wasi:io/streams", "[method]output-stream.flush" | "[method]output-stream.blocking-flush") => {
            instance.func_wrap(name, |_, (_,): (Resource<Nothing>,)| Ok((Written::Ok(()),)))
        }
        ("wasi:io/streams", "[method]input-stream.subscribe" | "[method]output-stream.subscribe") => {
            instance.func_wrap(name, move |_, (_,): (Resource<Nothing>,)| Ok((nothing(),)))
        }
        // Who waits for a stream need not: there is nothing else to wait for.
        ("wasi:io/poll", "[method]pollable.ready") => {
            instance.func_wrap(name, |_, (_,): (Resource<Nothing>,)| Ok((true,)))
        }
        ("wasi:io/poll", "[method]pollable.block") => instance.func_wrap(name, |_, (_,): (Resource<Nothing>,)| Ok(())),
        ("wasi:io/poll", "poll") => instance.func_wrap(name, |_, (waited_for,): (Vec<Resource<Nothing>>,)| {
            Ok(((0_u32..).zip(waited_for).map(|(index, _)| index).collect::<Vec<u32>>(),))
        }),
        _ => {
            let called = format!("{interface}#{name}");
            instance.func_new(name, move |_, _, _, _| Err(NotGranted(called.clone()).into()))
        }
    }
}

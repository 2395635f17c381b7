//! A guest with the whole of Rust's standard library, which imports WASI whether it needs it or not. A record `{"id":
//! "7", "do": "clock"}` has it reach for something; without `do` it becomes a span that says what it found around it.
//!
//! Its target is one that not every toolchain has a standard library for, so the component is kept beside its source:
//!
//! ```sh
//! rustup target add wasm32-wasip2
//! cd tests/guests
//! cargo build --release --package wants-wasi --target wasm32-wasip2 --target-dir ../../target/guests
//! cp ../../target/guests/wasm32-wasip2/release/wants_wasi.wasm wants-wasi/wants-wasi.wasm
//! ```

use exports::callspan::transform::plugin::{
    Attribute, AttributeDefinition, Description, Diagnostic, Guest, Input, Outcome, Rejection, Span, SpanKind,
    SpanStatus, Trace, Value,
};
use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

wit_bindgen::generate!({ path: "../../../wit", world: "transform" });

struct WantsWasi;

impl Guest for WantsWasi {
    fn describe() -> Description {
        Description {
            name: "wants-wasi".into(),
            version: "0.1.0".into(),
            schema_url: None,
            attributes: vec![definition("service.name"), definition("wants.found")],
            span_names: vec!["work".into()],
            events: Vec::new(),
            metrics: Vec::new(),
            options_schema: r#"{"type":"object"}"#.into(),
            extensions: Vec::new(),
        }
    }

    fn configure(_: String) -> Result<(), Vec<Diagnostic>> {
        Ok(())
    }

    fn transform(batch: Vec<Input>) -> Vec<Outcome> {
        batch.iter().map(|input| outcome(&input.body)).collect()
    }
}

fn outcome(body: &[u8]) -> Outcome {
    let record: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    match record["id"].as_str() {
        Some(id) => Outcome::Trace(trace(id, reach_for(record["do"].as_str().unwrap_or_default()))),
        None => Outcome::Rejected(Rejection {
            class: "incomplete".into(),
            code: "no_id".into(),
            path: None,
            message: "there is no id".into(),
        }),
    }
}

/// What came of it.
fn reach_for(what: &str) -> String {
    match what {
        "clock" => format!("{:?}", SystemTime::now()),
        "steady-clock" => format!("{:?}", Instant::now()),
        "sleep" => {
            std::thread::sleep(Duration::from_millis(1));
            "slept".into()
        }
        "random" => format!("{:?}", getrandom::u64()),
        "file" => format!("{:?}", std::fs::read("/etc/hostname").map_err(|error| error.kind())),
        "folder" => format!("{:?}", std::fs::read_dir("/").map(|_| ()).map_err(|error| error.kind())),
        "connect" => format!("{:?}", std::net::TcpStream::connect("127.0.0.1:1").map(|_| ())),
        "exit" => std::process::exit(0),
        _ => around(),
    }
}

/// All that can be had without being refused.
fn around() -> String {
    println!("to the standard output");
    eprintln!("to the standard error");
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line).unwrap_or(usize::MAX);
    let hashed: HashMap<u32, u32> = (0..8).map(|number| (number, number)).collect();
    format!(
        "{} variables, {} arguments, {read} bytes of input, in order {:?}",
        std::env::vars().count(),
        std::env::args().count(),
        hashed.into_keys().collect::<Vec<_>>()
    )
}

fn trace(id: &str, found: String) -> Trace {
    let text = |key, value: &str| Attribute { key, value: Value::Text(value.into()) };
    Trace {
        key: format!("wants-wasi/{id}"),
        revision: 0,
        resources: vec![vec![text(0, "wants-wasi")]],
        spans: vec![Span {
            key: "work".into(),
            parent: None,
            resource: 0,
            name: 0,
            kind: SpanKind::Internal,
            start_unix_nano: 1_700_000_000_000_000_000,
            end_unix_nano: 1_700_000_001_000_000_000,
            status: SpanStatus::Unset,
            attributes: vec![text(1, &found)],
            events: Vec::new(),
            links: Vec::new(),
        }],
    }
}

fn definition(key: &str) -> AttributeDefinition {
    AttributeDefinition {
        key: key.into(),
        value_type: "text".into(),
        sensitivity: "none".into(),
        brief: "Says what was found.".into(),
        examples: Vec::new(),
    }
}

export!(WantsWasi);

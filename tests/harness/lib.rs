//! What end-to-end tests are told with: the real program, real peers, and guests that misbehave on command.
//!
//! ```no_run
//! use callspan_tests::{Decoder, Protocol, Service, records};
//!
//! let Some(backend) = Decoder::start() else { return };
//! let service = Service::new().export_to(backend.endpoint(Protocol::Grpc)).start();
//! assert_eq!(service.push(records::SEED).status, 200);
//! assert_eq!(backend.take_export().spans.len(), 2);
//! ```
//!
//! Everything started here is a process of its own, on a port of its own, and is killed when it goes out of scope.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a harness fails the test it is used by, on the spot"
)]

mod accounts;
mod binary;
mod certificates;
mod child;
mod command;
mod curl;
mod decoder;
mod hosts;
mod http;
mod issuer;
mod line;
mod load;
mod logs;
mod memory;
mod outbox;
mod peers;
mod rotel;
mod seed;
mod service;
mod span;
mod strace;
mod usual_address;
mod wait;

pub mod documents;
pub mod guests;
pub mod openapi;
pub mod records;
pub mod schema;
pub mod yaml;

pub use binary::callspan as binary;
pub use certificates::Authority;
pub use command::{Callspan, Finished, Running, mapped};
pub use curl::Curl;
pub use decoder::{Cue, Decoder, Export};
pub use hosts::Hosts;
pub use http::{Connection, Reply, Request};
pub use issuer::{Issuer, KeyServer, signed_with_secret};
pub use line::{Fault, Line};
pub use load::Load;
pub use logs::{Application, Logging, LogsAnswer, send_logs};
pub use outbox::{Outbox, assert_kept};
pub use peers::{Endpoint, Protocol, program};
pub use rotel::Rotel;
pub use rustix::process::Signal;
pub use seed::{cycles, seed};
pub use service::{Builder, Service};
pub use span::{Attributes, Event, Link, Span, attribute, only, sorted};
pub use strace::Strace;
pub use usual_address::UsualAddress;
pub use wait::wait_until;

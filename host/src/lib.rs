//! callspan turns contact-centre call records into OpenTelemetry traces.
//!
//! ```text
//!   pushes, OTLP logs,                                       OTLP gRPC / HTTP,
//!       files, stdin                                          files, console
//! sender ──────────▶ intake ──▶ queue ──▶ delivery ──────────────▶ export ──────▶ backend
//!    ◀── answer ────────┘       ▲  │         │   ▲
//!        once it is synced      │  │  records│   │spans
//!                     settled ──┘  ▼         ▼   │
//!                        dead letters,     transform (component)
//!                             history
//! ```
//!
//! Records go one way. Each source of the `intake` appends them to the `queue` and waits until they are stored. For
//! each way from a transform to a sink there is a `delivery`, the one loop, which takes records out, has `transform` map
//! them, has `export` send the traces, and settles every record. No stage knows its neighbours but through the queue's
//! and the spans' types: `service` builds what the `config` plans, and joins it. `admin` shows how it is.
//!
//! Each module may use what stands to its right, never what stands to its left:
//!
//! ```text
//! main → args, commands → service, shutdown → config → admin, delivery, intake → export → transform → queue → connections, openapi, record, secret, setting_file, span, telemetry, tls, watched
//! ```

pub mod admin;
pub mod args;
pub mod commands;
pub mod config;
pub mod connections;
pub mod delivery;
pub mod export;
pub mod intake;
pub mod openapi;
pub mod queue;
pub mod record;
pub mod secret;
pub mod service;
pub mod setting_file;
pub mod shutdown;
pub mod span;
pub mod telemetry;
pub mod tls;
pub mod transform;
pub mod watched;

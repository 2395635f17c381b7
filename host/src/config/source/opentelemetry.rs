//! The source `opentelemetry`: log records over OTLP.

use super::keepalive::Keepalive;
use super::limits::Limits;
use super::tls::Tls;
use crate::config::decode::{Options, Table};
use crate::config::path::At;
use crate::config::plan::{ListenerPlan, SourcePlan};
use crate::config::planning::Planning;
use crate::config::value::Listen;
use crate::intake::opentelemetry::Settings;
use schemars::JsonSchema;

/// Takes OTLP log records whose body is a call record as the vendor pushed it. At least one of `grpc` and `http` is
/// needed; neither has a default, since the usual ports belong to the backend that traces are sent to.
#[derive(Default, JsonSchema)]
#[schemars(default, deny_unknown_fields, extend("anyOf" = [{ "required": ["grpc"] }, { "required": ["http"] }]))]
pub(in crate::config) struct Opentelemetry {
    /// Takes OTLP over gRPC.
    grpc: Option<Receiver>,
    /// Takes OTLP over HTTP, as protocol buffers or JSON, at `/v1/logs`.
    http: Option<Receiver>,
    /// How much is taken from a sender, and for how long.
    limits: Limits<4_194_304>,
    /// For how long connections are kept.
    keepalive: Keepalive,
}

/// One of the protocols of OTLP.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Receiver {
    /// The address and port to listen on.
    address: Listen,
    /// How connections are secured; they are not, if this is left out.
    tls: Option<Tls>,
}

impl Options for Opentelemetry {
    fn read(table: &mut Table<'_, '_>) -> Self {
        Opentelemetry {
            grpc: table.take("grpc", None),
            http: table.take("http", None),
            limits: table.take("limits", Limits::default()),
            keepalive: table.take("keepalive", Keepalive::default()),
        }
    }
}

impl Options for Receiver {
    fn read(table: &mut Table<'_, '_>) -> Self {
        Receiver {
            address: table.required("address", "an address and a port like 127.0.0.1:4327"),
            tls: table.take("tls", None),
        }
    }
}

impl Receiver {
    fn plan(self, at: At<'_>, planning: &mut Planning<'_, '_>) -> ListenerPlan {
        let tls = self.tls.and_then(|tls| tls.plan(at.key("tls"), planning)).map(Box::new);
        ListenerPlan { address: self.address.0, tls }
    }
}

impl Opentelemetry {
    pub(super) fn plan(self, at: At<'_>, planning: &mut Planning<'_, '_>) -> SourcePlan {
        let report = &mut *planning.report;
        let is_missing = self.grpc.is_none() && self.http.is_none();
        if is_missing && report.is_good(at.key("grpc")) && report.is_good(at.key("http")) && report.checks_environment {
            report.add(at, "nothing to listen on; set `grpc.address`, `http.address` or both");
        }
        let bodies_bytes_max = self.limits.bodies_bytes_max(at.key("limits"), report);
        SourcePlan::Opentelemetry {
            grpc: self.grpc.map(|receiver| receiver.plan(at.key("grpc"), planning)),
            http: self.http.map(|receiver| receiver.plan(at.key("http"), planning)),
            connections: self.limits.connections(&self.keepalive),
            settings: Settings {
                body_bytes_max: self.limits.body_bytes_max.size(),
                expanded_bytes_max: self.limits.expanded_bytes_max(),
                body_records_max: self.limits.body_records_max.size(),
                bodies_bytes_max,
                body_timeout: self.limits.body_timeout_secs.seconds(),
                answer_timeout: self.limits.answer_timeout_secs.seconds(),
            },
        }
    }
}

//! OTLP over gRPC.

use super::Append;
use super::answer::Trouble;
use super::intake::Intake;
use super::receiver::came_from;
use crate::export::encoded_status;
use crate::intake::body;
use crate::intake::body_room::Claim;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode};
use axum::middleware::Next;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::LogsService;
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use prost::Message;
use std::sync::Arc;
use std::time::Instant;
use tonic::{Code, Status};

/// How the messages of a request are compressed, if they are.
const ENCODING: &str = "grpc-encoding";

#[tonic::async_trait]
impl<Q: Append> LogsService for Intake<Q> {
    async fn export(
        &self,
        request: tonic::Request<ExportLogsServiceRequest>,
    ) -> Result<tonic::Response<ExportLogsServiceResponse>, Status> {
        let request = request.into_inner();
        // How many bytes came over the wire, only the framework knows; this is what they were inflated to.
        self.counters.received_bytes.add(request.encoded_len() as u64);
        let scopes = request.resource_logs.into_iter().flat_map(|resource| resource.scope_logs);
        let records = scopes.flat_map(|scope| scope.log_records);
        let answer = self.take(records.map(|record| record.body).collect()).await;
        answer
            .map(|partial_success| tonic::Response::new(ExportLogsServiceResponse { partial_success }))
            .map_err(status)
    }
}

pub(super) fn status(trouble: Trouble) -> Status {
    let code = match trouble {
        Trouble::Postponed(postponed) if postponed.status() == StatusCode::TOO_MANY_REQUESTS => Code::ResourceExhausted,
        Trouble::Postponed(_) => Code::Unavailable,
        Trouble::TooManyRecords { .. } => Code::InvalidArgument,
    };
    let message = trouble.to_string();
    let details = encoded_status(code.into(), &message, trouble.retry_after());
    Status::with_details(code, message, details.into())
}

/// Sees to every call, also to those that are refused before they can be read, and to those that never come to an end.
pub(super) async fn watch<Q: Append>(
    State(intake): State<Arc<Intake<Q>>>,
    request: Request,
    next: Next,
) -> Response<Body> {
    let begun = Instant::now();
    let patience = intake.settings.body_timeout.saturating_add(intake.settings.answer_timeout);
    let mut response =
        match intake.body_room.admit(&*intake.queue, came_from(request.extensions()), claim(&intake, &request)) {
            Ok(_place) => {
                let response = tokio::time::timeout(patience, next.run(request)).await;
                response
                    .unwrap_or_else(|_| Status::deadline_exceeded("the request took too long to arrive").into_http())
            }
            Err(postponed) => status(postponed.into()).into_http(),
        };
    let mut code = told(&response);
    // So the framework refuses a message that is too large. OTLP has it sent again, and so for ever; not so what is
    // exhausted and says not when to come again.
    if code == Code::OutOfRange {
        let limit = intake.settings.expanded_bytes_max;
        code = Code::ResourceExhausted;
        response = Status::new(code, format!("the request is larger than {limit} bytes")).into_http();
    }
    let name = name(code);
    intake.counters.requests(&name).add(1);
    intake.counters.answered_after(begun.elapsed());
    if code != Code::Ok {
        intake.note_refused(&name, i32::from(code).into());
    }
    response
}

/// The framework reads and inflates a request by itself, and holds both to the same limit: both are taken at once.
fn claim<Q>(intake: &Intake<Q>, request: &Request) -> Claim {
    let expanded_bytes_max = intake.settings.expanded_bytes_max;
    let mut claim = body::claim(request.body(), expanded_bytes_max);
    if request.headers().contains_key(ENCODING) {
        claim.at_most = claim.at_most.saturating_add(expanded_bytes_max as u64);
    }
    claim
}

/// Success is told in a trailer, everything else in a header.
fn told(response: &Response<Body>) -> Code {
    Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code())
}

/// The name of a code as the specification spells it, in lower case: `resource_exhausted`.
fn name(code: Code) -> String {
    let mut name = String::new();
    for character in format!("{code:?}").chars() {
        if character.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(character.to_ascii_lowercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_the_name_of_the_specification() {
        assert_eq!([Code::Ok, Code::ResourceExhausted].map(name), ["ok", "resource_exhausted"]);
    }
}

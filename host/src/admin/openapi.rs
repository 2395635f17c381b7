//! What this listener answers, by the OpenAPI specification.

use super::{Admin, Readiness, alive, no_such_part, not_shown, readiness, unwritten};
use crate::connections::{ConnectionLimits, Excess, plain_refusal};
use crate::openapi::{Answer, Description, responses};
use crate::telemetry::{Health, Metrics, State};
use axum::response::Response;
use serde_json::{Value, json};

/// Its paths, with all that is answered there.
///
/// # Errors
/// When there can be no metrics.
pub fn describe() -> anyhow::Result<Description> {
    let mut description = Description::default();
    let schema = description.schema::<Readiness<'_>>("Readiness");
    let admin = Admin { metrics: Metrics::new()?, health: Health::default() };
    let (ready, unready) = (readiness(&[state(None)]), readiness(&[state(Some("no connection to the backend"))]));
    let answers = |ready: Response, unready: Response| {
        vec![
            Answer::new(ready, "ready", "the service can do its work", schema.clone()),
            Answer::new(unready, "not_ready", "a part of it cannot, and says why", schema.clone()),
        ]
    };
    let words = |response: Response, name: &str, summary: &str| Answer::new(response, name, summary, text());
    let metrics = vec![
        words(admin.exposition(), "metrics", "the metrics, in Prometheus' text format"),
        words(unwritten(), "unwritten", "the metrics cannot be written"),
    ];
    let mut of_part = answers(readiness(&[state(None)]), readiness(&[state(Some("no connection to the backend"))]));
    of_part.push(words(no_such_part(), "unknown_part", "there is no such part"));
    for (path, name, summary, answers) in [
        ("/livez", "livez", "Whether the process answers.", vec![words(alive(), "alive", "it does")]),
        ("/readyz", "readyz", "Whether the service can do its work now.", answers(ready, unready)),
        ("/readyz/{kind}/{name}", "readyzOfPart", "Whether one part of it can.", of_part),
        ("/metrics", "metrics", "What has happened so far.", metrics),
    ] {
        description.paths.insert(path.to_owned(), item(path, name, summary, answers));
    }
    Ok(description)
}

fn item(path: &str, name: &str, summary: &str, mut answers: Vec<Answer>) -> Value {
    answers.push(Answer::new(not_shown(), "method_not_allowed", "this listener only shows", text()));
    let limits = ConnectionLimits::default();
    answers.extend(
        Excess::all(&limits)
            .map(|excess| Answer::new(plain_refusal(excess), excess.code(), &excess.to_string(), text())),
    );
    let operation = |prefix: &str| json!({ "operationId": format!("{prefix}{name}"), "summary": summary, "responses": responses(&answers) });
    let parameters: Vec<Value> = path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    json!({ "parameters": parameters, "get": operation("get_"), "head": operation("head_") })
}

fn state(trouble: Option<&str>) -> State {
    State { part: "sink/backend".to_owned(), trouble: trouble.map(str::to_owned), remark: None }
}

fn text() -> Value {
    json!({ "type": "string" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_is_described_as_it_answers() {
        let document = describe().expect("there are metrics").document("a", "1", "b");
        let paths: Vec<_> = document["paths"].as_object().into_iter().flat_map(|paths| paths.keys()).collect();
        assert_eq!(paths, ["/livez", "/metrics", "/readyz", "/readyz/{kind}/{name}"]);
        let responses = &document["paths"]["/readyz"]["get"]["responses"];
        let unready = &responses["503"]["content"]["application/json"]["examples"]["not_ready"]["value"];
        assert_eq!(unready["parts"][0]["reason"], "no connection to the backend");
        assert_eq!(responses["405"]["headers"]["Allow"]["required"], true);
        assert!(document["components"]["schemas"]["Readiness"]["properties"]["parts"].is_object());
    }
}

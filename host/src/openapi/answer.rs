//! Answers, as they are given, become the responses of an operation.

use axum::body::{Body, to_bytes};
use axum::http::header::{self, CONTENT_TYPE, HeaderName};
use axum::http::{Response, StatusCode};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// One of the answers that an operation has.
#[derive(Clone, Debug)]
pub struct Answer {
    status: StatusCode,
    /// Tells it from others of its status.
    name: String,
    /// When it is given.
    summary: String,
    headers: Vec<HeaderName>,
    content_type: Option<String>,
    schema: Value,
    example: Value,
}

impl Answer {
    /// What this response stands for. Its body is of this schema.
    #[must_use]
    pub fn new(response: Response<Body>, name: &str, summary: &str, schema: Value) -> Self {
        let (head, body) = response.into_parts();
        let text = text(body);
        Self {
            status: head.status,
            name: name.to_owned(),
            summary: summary.to_owned(),
            headers: head.headers.keys().filter(|name| *name != CONTENT_TYPE).cloned().collect(),
            content_type: head.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).map(str::to_owned),
            schema,
            example: serde_json::from_str(&text).unwrap_or(Value::String(text)),
        }
    }
}

/// The responses of an operation, by status.
#[must_use]
pub fn responses(answers: &[Answer]) -> Value {
    let mut by_status = BTreeMap::<u16, Vec<&Answer>>::new();
    for answer in answers {
        by_status.entry(answer.status.as_u16()).or_default().push(answer);
    }
    let responses = by_status.into_iter().map(|(status, answers)| (status.to_string(), response(&answers)));
    Value::Object(responses.collect())
}

fn response(answers: &[&Answer]) -> Value {
    let summaries: Vec<_> = answers.iter().map(|answer| format!("`{}`: {}", answer.name, answer.summary)).collect();
    let mut content = Map::new();
    for answer in answers {
        let Some(kind) = &answer.content_type else { continue };
        let of_kind = || answers.iter().filter(|other| other.content_type.as_ref() == Some(kind));
        let mut schemas: Vec<&Value> = of_kind().map(|answer| &answer.schema).collect();
        schemas.dedup();
        let schema = if let [only] = schemas.as_slice() { (*only).clone() } else { json!({ "anyOf": schemas }) };
        let examples: Map<_, _> =
            of_kind().map(|answer| (answer.name.clone(), json!({ "value": answer.example }))).collect();
        content.insert(kind.clone(), json!({ "schema": schema, "examples": examples }));
    }
    json!({ "description": summaries.join("; or "), "headers": headers(answers), "content": content })
}

/// A header that each of them has is always there.
fn headers(answers: &[&Answer]) -> Map<String, Value> {
    let all = answers.iter().flat_map(|answer| &answer.headers);
    all.map(|name| {
        let is_required = answers.iter().all(|answer| answer.headers.contains(name));
        let schema = if *name == header::RETRY_AFTER {
            json!({ "type": "integer", "minimum": 1 })
        } else {
            json!({ "type": "string" })
        };
        let header = json!({ "description": meaning(name), "required": is_required, "schema": schema });
        (spelled(name), header)
    })
    .collect()
}

fn meaning(name: &HeaderName) -> &'static str {
    match *name {
        header::RETRY_AFTER => "When to come again, in seconds.",
        header::WWW_AUTHENTICATE => "A way to show who one is; there may be several.",
        header::ALLOW => "The methods that are served.",
        header::ACCEPT_ENCODING => "The content encodings that are known.",
        header::CACHE_CONTROL | header::PRAGMA => "Nobody is to keep the answer.",
        _ => "",
    }
}

/// `Retry-After`, as people write it.
fn spelled(name: &HeaderName) -> String {
    if *name == header::WWW_AUTHENTICATE {
        return "WWW-Authenticate".to_owned();
    }
    let words = name.as_str().split('-').map(|word| {
        let (first, rest) = word.split_at_checked(1).unwrap_or_default();
        first.to_ascii_uppercase() + rest
    });
    words.collect::<Vec<_>>().join("-")
}

/// What stands in a body that is all there.
fn text(body: Body) -> String {
    let whole = pin!(to_bytes(body, usize::MAX));
    match whole.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
        Poll::Ready(Err(_)) | Poll::Pending => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, name: &str, headers: &[(&str, &str)], schema: Value) -> Answer {
        let mut response = Response::builder().status(status).header("content-type", "application/json");
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let response = response.body(Body::from(r#"{"a":1}"#)).expect("a response");
        Answer::new(response, name, "it is so", schema)
    }

    #[test]
    fn answers_of_one_status_are_one_response() {
        let described = responses(&[
            answer(503, "full", &[("retry-after", "1"), ("allow", "GET")], json!({ "const": 1 })),
            answer(503, "slow", &[("retry-after", "5")], json!({ "const": 2 })),
            answer(200, "ok", &[], json!({ "const": 3 })),
        ]);
        assert_eq!(described.as_object().map(Map::len), Some(2));
        let response = &described["503"];
        assert_eq!(response["description"], "`full`: it is so; or `slow`: it is so");
        assert_eq!(response["headers"]["Retry-After"]["required"], true);
        assert_eq!(response["headers"]["Allow"]["required"], false);
        let content = &response["content"]["application/json"];
        assert_eq!(content["schema"], json!({ "anyOf": [{ "const": 1 }, { "const": 2 }] }));
        assert_eq!(content["examples"]["slow"]["value"], json!({ "a": 1 }));
        assert_eq!(described["200"]["content"]["application/json"]["schema"], json!({ "const": 3 }));
    }
}

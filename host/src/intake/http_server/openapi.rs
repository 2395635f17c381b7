//! What is answered to pushes and to requests for tokens, by the OpenAPI specification. Everything that can be refused is
//! refused here once, so that status, headers and body are those of the service.

use super::Settings;
use super::auth::{TokenAnswer, TokenError, openapi as auth};
use super::refusal::Refusal;
use super::reply::{Content, Reply};
use crate::connections::{ConnectionLimits, Excess};
use crate::intake::body::{BodyError, ENCODINGS};
use crate::intake::postponed::{Postponed, Why};
use crate::intake::store::RETRY_AFTER;
use crate::openapi::{Answer, Description, responses};
use serde_json::{Map, Value, json};

const RECORD: &str = include_str!("../../../../examples/records/05-self-service.json");

/// What a source with these settings answers. With a queue in memory a push waits for the sinks, and hears what they say.
#[must_use]
pub fn describe(settings: &Settings, connections: &ConnectionLimits, waits_for_sinks: bool) -> Description {
    let mut description = Description::default();
    let answers = Answers::new(settings, connections, &mut description);
    let security = auth::describe(&settings.auth, &mut description);
    let push = push(settings, security, responses(&answers.of_pushes(waits_for_sinks)), &mut description);
    let (mut path, mut parameters) = (settings.path.clone(), Vec::new());
    if settings.auth.path_secret.is_some() {
        path = format!("{}/{{path_secret}}", path.trim_end_matches('/'));
        parameters.push(auth::path_secret());
    }
    let item = json!({ "parameters": parameters, settings.method.as_str().to_ascii_lowercase(): push });
    description.paths.insert(path, item);
    if let Some(oauth2) = settings.auth.oauth2() {
        let token = auth::token_request(responses(&answers.of_token_requests()));
        description.paths.insert(oauth2.token_path.clone(), json!({ "post": token }));
    }
    description
}

fn push(settings: &Settings, security: Vec<Value>, responses: Value, description: &mut Description) -> Value {
    let record = description.add_schema(
        "Record",
        json!({
            "description": "A call record. Which members it has is for the mapping to say, and the vendor adds to them.",
            "type": "object",
            "properties": { "SessionId": { "description": "Tells the call from others." } },
            "additionalProperties": true,
        }),
    );
    let example: Value = serde_json::from_str(RECORD).unwrap_or_default();
    let (bytes_max, records_max) = (settings.body_bytes_max, settings.body_records_max);
    let prefix = if settings.strict_path { "" } else { " What stands behind the path and a slash does not matter." };
    let about = format!(
        "A body is a record, an array of records, a line for each record or one record right behind the other, of at most \
         {bytes_max} bytes as it comes and {} inflated, with at most {records_max} records. What it is, is told by the body, whatever its content type. \
         If anything is to be sent again, then the whole body: what is stored twice becomes the same trace.{prefix}",
        settings.expanded_bytes_max
    );
    let parameter = |name: &str, place: &str, about: &str, schema: Value| json!({ "name": name, "in": place, "required": false, "description": about, "schema": schema });
    let encodings: Vec<&str> = ENCODINGS.split(", ").collect();
    json!({
        "operationId": "pushRecords",
        "summary": "Push call records.",
        "description": about,
        "parameters": [
            parameter(
                "action",
                "query",
                "What the push is about: `cdr`; `record` and `voicemail` are answered and not stored; any other is stored.",
                json!({ "type": "string", "examples": ["cdr"] }),
            ),
            parameter("version", "query", "Of the record's format. Any is taken.", json!({ "type": "string", "examples": ["1"] })),
            parameter("Content-Encoding", "header", "How the body is compressed.", json!({ "enum": encodings })),
            parameter(
                "X-TCCC-PUSH-UUID",
                "header",
                "What the vendor calls the push: the same for every time that it tries.",
                json!({ "type": "string" }),
            ),
        ],
        "requestBody": {
            "required": true,
            "content": {
                "application/json": {
                    "schema": { "anyOf": [record, { "type": "array", "items": record, "minItems": 1, "maxItems": records_max }] },
                    "example": example,
                },
                "application/x-ndjson": { "schema": { "type": "string", "description": "A record on each line." } },
            },
        },
        "security": security,
        "responses": responses,
    })
}

/// Gives answers to be described.
struct Answers<'s> {
    settings: &'s Settings,
    connections: &'s ConnectionLimits,
    ok: Value,
    error: Value,
    granted: Value,
    refused: Value,
}

impl<'s> Answers<'s> {
    fn new(settings: &'s Settings, connections: &'s ConnectionLimits, description: &mut Description) -> Self {
        let ok = json!({
            "type": "object",
            "required": ["ErrCode", "ErrMsg"],
            "properties": { "ErrCode": { "const": 0 }, "ErrMsg": { "const": "ok" } },
        });
        let has_tokens = settings.auth.oauth2().is_some();
        let (granted, refused) = if has_tokens { TokenAnswer::schemas(description) } else { Default::default() };
        Self {
            settings,
            connections,
            ok: description.add_schema("Ok", ok),
            error: description.schema::<Content>("Error"),
            granted,
            refused,
        }
    }

    fn of_pushes(&self, waits_for_sinks: bool) -> Vec<Answer> {
        let Settings { auth, method, body_records_max, .. } = self.settings;
        let path = auth.path_secret.is_none().then(|| self.settings.path.clone());
        let own = [
            Refusal::OtherPath { path },
            Refusal::OtherMethod { method: method.clone() },
            Refusal::TooManyRecords { limit: *body_records_max },
            Refusal::NoRecord,
        ];
        let refusals = own.into_iter().chain(self.of_any_request()).chain(auth::refusals(auth));
        let ok = Answer::new(Reply::Ok.into_response(), "ok", "all is well", self.ok.clone());
        let of_records = Reply::each_to_records(waits_for_sinks);
        std::iter::once(ok)
            .chain(of_records.into_iter().chain(refusals.map(|it| Reply::refused(&it))).map(|it| self.told(it)))
            .collect()
    }

    fn of_token_requests(&self) -> Vec<Answer> {
        let granted = TokenAnswer::Granted { access_token: "a.b.c".to_owned(), expires_in: 3600 };
        let answers = std::iter::once(granted).chain(TokenError::ALL.map(TokenAnswer::Refused)).map(|answer| {
            let (name, schema) = match answer.code() {
                None => ("token", self.granted.clone()),
                Some(code) => (code, with(&self.refused, [("error", code.into())])),
            };
            let summary = answer.summary();
            Answer::new(answer.into_response(), name, &summary, schema)
        });
        let of_addresses = auth::refusals(&self.settings.auth)
            .into_iter()
            .filter(|refusal| matches!(refusal, Refusal::LockedOut { .. } | Refusal::Forbidden { .. }));
        let refusals = std::iter::once(Refusal::OtherTokenMethod).chain(self.of_any_request()).chain(of_addresses);
        answers.chain(refusals.map(|refusal| self.told(Reply::refused(&refusal)))).collect()
    }

    fn of_any_request(&self) -> impl Iterator<Item = Refusal> {
        let bodies = BodyError::all(self.settings.body_bytes_max).map(Refusal::Body);
        let postponed = Why::OF_REQUESTS.map(|why| Postponed { why, retry_after: RETRY_AFTER }.into());
        // Too many requests are said as what they are: a reason to come again.
        let heads = Excess::all(self.connections).into_iter().filter(|excess| *excess != Excess::ManyRequests);
        heads.map(Refusal::Excess).chain(bodies).chain(postponed)
    }

    fn told(&self, reply: Reply) -> Answer {
        let (code, message) = (reply.code().unwrap_or_default(), reply.message().to_owned());
        let schema = with(&self.error, [("ErrCode", reply.status().as_u16().into()), ("code", code.into())]);
        Answer::new(reply.into_response(), code, &message, schema)
    }
}

/// A schema whose members have these values.
fn with<const N: usize>(schema: &Value, members: [(&str, Value); N]) -> Value {
    let members: Map<_, _> =
        members.into_iter().map(|(name, value)| (name.to_owned(), json!({ "const": value }))).collect();
    json!({ "allOf": [schema, { "properties": members }] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::http_server::auth::AuthSettings;
    use std::collections::BTreeSet;

    fn described(auth: AuthSettings, waits_for_sinks: bool) -> Value {
        let settings = Settings { auth, path: "/calls".to_owned(), ..Settings::default() };
        describe(&settings, &ConnectionLimits::default(), waits_for_sinks).document("a", "1", "b")
    }

    /// Of a response, all codes that it may have.
    fn codes(response: &Value) -> BTreeSet<String> {
        let examples = response["content"]["application/json"]["examples"].as_object();
        examples.into_iter().flat_map(|examples| examples.keys().cloned()).collect()
    }

    /// Whoever adds a refusal has to number it here, and then to describe it.
    fn number(refusal: &Refusal) -> usize {
        match refusal {
            Refusal::OtherPath { .. } => 0,
            Refusal::OtherMethod { .. } => 1,
            Refusal::TooManyRecords { .. } => 2,
            Refusal::NoRecord => 3,
            Refusal::OtherTokenMethod => 4,
            Refusal::Unauthorized { .. } => 5,
            Refusal::Forbidden { .. } => 6,
            Refusal::LockedOut { .. } => 7,
            Refusal::Undecided => 8,
            Refusal::Excess(Excess::LongUri { .. }) => 9,
            Refusal::Excess(Excess::ManyHeaders { .. }) => 10,
            Refusal::Excess(Excess::LongHeaders { .. }) => 11,
            Refusal::Excess(Excess::ManyRequests) => unreachable!("it is postponed"),
            Refusal::Body(BodyError::UnknownEncoding) => 13,
            Refusal::Body(BodyError::TooLarge { .. }) => 14,
            Refusal::Body(BodyError::BrokenOff) => 15,
            Refusal::Body(BodyError::BrokenEncoding) => 16,
            Refusal::Body(BodyError::Slow) => 17,
            Refusal::Postponed(postponed) | Refusal::Body(BodyError::Postponed(postponed)) => match postponed.why {
                Why::ShareTaken => 12,
                Why::NoRoom => 18,
                Why::ManyRequests => 19,
                // The answers to records have these.
                Why::QueueFull | Why::NotStored => 20,
            },
        }
    }

    #[test]
    fn nothing_is_refused_that_is_not_described() {
        let settings = Settings::default();
        let limits = ConnectionLimits::default();
        let answers = Answers::new(&settings, &limits, &mut Description::default());
        let mut numbers: BTreeSet<usize> = answers.of_any_request().map(|refusal| number(&refusal)).collect();
        // The first five stand in `of_pushes` and `of_token_requests`.
        numbers.extend(0..=4);
        let everything = auth::tests::everything();
        numbers.extend(auth::refusals(&everything).iter().map(number));
        assert_eq!(numbers, (0..=19).collect());
    }

    #[test]
    fn an_open_source_asks_nobody_and_has_no_tokens() {
        let document = described(AuthSettings::default(), false);
        let responses = &document["paths"]["/calls"]["post"]["responses"];
        let statuses: Vec<_> = responses.as_object().into_iter().flat_map(|it| it.keys()).map(String::as_str).collect();
        assert_eq!(statuses, ["200", "400", "404", "405", "408", "413", "414", "415", "429", "431", "503"]);
        assert_eq!(responses["405"]["headers"]["Allow"]["required"], true);
        assert_eq!(
            responses["413"]["content"]["application/json"]["examples"]["body_too_large"]["value"]["ErrCode"],
            413
        );
        assert_eq!(document["paths"].as_object().map(|paths| paths.len()), Some(1));
        assert_eq!(document["paths"]["/calls"]["post"]["security"], json!([]));
        let waiting = described(AuthSettings::default(), true);
        let codes = codes(&waiting["paths"]["/calls"]["post"]["responses"]["422"]);
        assert_eq!(codes, BTreeSet::from(["records_refused".to_owned()]));
    }

    #[test]
    fn every_way_in_is_described_with_what_it_answers() {
        let document = described(auth::tests::everything(), false);
        let item = &document["paths"]["/calls/{path_secret}"];
        let push = &item["post"];
        assert_eq!(item["parameters"][0]["name"], "path_secret");
        let security: Vec<_> = push["security"].as_array().into_iter().flatten().filter_map(Value::as_object).collect();
        assert_eq!(security.len(), 4, "{security:?}");
        assert!(security[3].len() == 2, "a signature and its time: {security:?}");
        for names in security.iter().flat_map(|requirement| requirement.keys()) {
            assert!(document["components"]["securitySchemes"][names].is_object(), "{names}");
        }
        let responses = &push["responses"];
        assert_eq!(responses["401"]["headers"]["WWW-Authenticate"]["required"], true);
        assert_eq!(responses["429"]["headers"]["Retry-After"]["required"], true);
        assert!(codes(&responses["503"]).contains("credentials_not_checked"));
        let token = &document["paths"]["/oauth/token"]["post"]["responses"];
        assert_eq!(token["200"]["headers"]["Cache-Control"]["required"], true);
        assert!(
            codes(&token["400"])
                .is_superset(&BTreeSet::from(["invalid_scope".to_owned(), "broken_encoding".to_owned()]))
        );
    }
}

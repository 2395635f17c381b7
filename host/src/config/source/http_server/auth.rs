//! The option `auth` of the source `http_server`: one way to show who one is, or a list of several.

mod basic;
mod hmac;
mod jwt;
mod oauth2;
mod rotating;

use crate::config::decode::{Decode, Table};
use crate::config::document::{Node, Value};
use crate::config::path::At;
use crate::config::problem::Report;
use crate::config::value::word;
use crate::intake::http_server::auth::Way;
use basic::Basic;
use hmac::Hmac;
use jwt::Jwt;
use oauth2::Oauth2;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::json;
use std::borrow::Cow;

pub(super) use rotating::Secrets;

/// A table as in Vector's configuration, or a list of such tables. A list, since each way is complete in itself: users,
/// issuers and relays come and go one by one, and whoever meets one of them is let in.
#[derive(Default)]
pub(super) struct Auth {
    ways: Vec<Strategy>,
    is_list: bool,
}

enum Strategy {
    None,
    Basic(Basic),
    Oauth2(Oauth2),
    Jwt(Jwt),
    Hmac(Hmac),
}

const STRATEGIES: [(&str, &str); 5] = [
    ("none", "Everybody is let in."),
    ("basic", "A user with HTTP Basic authentication (RFC 7617)."),
    ("oauth2", "Clients fetch a token here, with their id and secret, and push with it (RFC 6749, section 4.4)."),
    ("jwt", "Tokens of an issuer elsewhere (RFC 7519), shown as bearer tokens."),
    ("hmac", "Relays sign time and body with a secret: HMAC-SHA256(secret, timestamp + \".\" + body), in hexadecimal."),
];

impl Decode for Auth {
    fn decode(node: &Node, at: At<'_>, report: &mut Report<'_>) -> Option<Self> {
        match &node.value {
            Value::List(_) => Vec::decode(node, at, report).map(|ways| Auth { ways, is_list: true }),
            _ => Strategy::decode(node, at, report).map(|way| Auth { ways: vec![way], is_list: false }),
        }
    }
}

impl Decode for Strategy {
    fn decode(node: &Node, at: At<'_>, report: &mut Report<'_>) -> Option<Self> {
        let mut table = Table::open(node, at, report)?;
        let Some(name) = read_name(&mut table) else {
            // Whichever it was to be, a key that none of them has is wrong.
            table.learn(Basic::read);
            table.learn(Oauth2::read);
            table.learn(Jwt::read);
            table.learn(Hmac::read);
            table.finish();
            return None;
        };
        let way = match name {
            "basic" => Strategy::Basic(Basic::read(&mut table)),
            "oauth2" => Strategy::Oauth2(Oauth2::read(&mut table)),
            "jwt" => Strategy::Jwt(Jwt::read(&mut table)),
            "hmac" => Strategy::Hmac(Hmac::read(&mut table)),
            _ => Strategy::None,
        };
        table.finish();
        Some(way)
    }
}

fn read_name(table: &mut Table<'_, '_>) -> Option<&'static str> {
    let Some(strategy) = table.find("strategy") else {
        table.report.add(table.at.key("strategy"), "missing; expected none, basic, oauth2, jwt or hmac");
        return None;
    };
    word(strategy, table.at.key("strategy"), table.report, &STRATEGIES.map(|(name, _)| name))
}

impl Auth {
    /// The ways that can be used.
    pub(super) fn plan(self, path: &str, at: At<'_>, report: &mut Report<'_>) -> Vec<Way> {
        if self.ways.is_empty() && report.is_good(at) {
            report.add(at, "expected at least one way; leave it out, or say `strategy: none`, to let everybody in");
        }
        let (is_list, count) = (self.is_list, self.ways.len());
        let mut has_tokens = false;
        let mut ways = Vec::new();
        for (index, strategy) in self.ways.into_iter().enumerate() {
            let (whole, part) = (at, at.index(index));
            let at = if is_list { part } else { whole };
            match strategy {
                Strategy::None if count > 1 => {
                    report.add(at.key("strategy"), "`none` lets everybody in; leave it out, or all the others");
                }
                Strategy::None => {}
                Strategy::Basic(basic) => ways.extend(basic.plan(at, report).map(Way::Basic)),
                Strategy::Oauth2(_) if has_tokens => {
                    report.add(at.key("strategy"), "there is `oauth2` before; add its clients to that one");
                }
                Strategy::Oauth2(oauth2) => {
                    has_tokens = true;
                    ways.extend(oauth2.plan(path, at, report).map(Way::Oauth2));
                }
                Strategy::Jwt(jwt) => ways.extend(jwt.plan(at, report).map(Way::Jwt)),
                Strategy::Hmac(hmac) => ways.extend(hmac.plan(at, report).map(Way::Hmac)),
            }
        }
        ways
    }
}

impl JsonSchema for Auth {
    fn schema_name() -> Cow<'static, str> {
        "Auth".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let strategies: Vec<Schema> = STRATEGIES.iter().map(|(name, brief)| strategy(name, brief, generator)).collect();
        json_schema!({
            "anyOf": [
                { "oneOf": strategies },
                { "type": "array", "minItems": 1, "items": { "oneOf": strategies } },
            ]
        })
    }
}

/// The options of a strategy, and its name.
fn strategy(name: &str, brief: &str, generator: &mut SchemaGenerator) -> Schema {
    let mut schema = match name {
        "basic" => Basic::json_schema(generator),
        "oauth2" => Oauth2::json_schema(generator),
        "jwt" => Jwt::json_schema(generator),
        "hmac" => Hmac::json_schema(generator),
        _ => json_schema!({ "type": "object", "properties": {}, "additionalProperties": false }),
    };
    let object = schema.ensure_object();
    object.insert("title".to_owned(), json!(name));
    if let Some(properties) = object.entry("properties").or_insert_with(|| json!({})).as_object_mut() {
        properties.insert("strategy".to_owned(), json!({ "const": name, "description": brief }));
    }
    if let Some(required) = object.entry("required").or_insert_with(|| json!([])).as_array_mut() {
        required.insert(0, json!("strategy"));
    }
    schema
}

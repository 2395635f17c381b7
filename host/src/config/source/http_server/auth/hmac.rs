//! The strategy `hmac`.

use super::rotating::Secrets;
use crate::config::decode::{Decode, Table, mismatch, text};
use crate::config::document::Node;
use crate::config::path::At;
use crate::config::problem::Report;
use crate::config::value::Whole;
use crate::intake::http_server::auth::{HmacSettings, hmac_secret_problem};
use crate::secret::Secret;
use axum::http::HeaderName;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;
use std::path::PathBuf;

/// A relay that signs what it sends: HMAC-SHA256(secret, timestamp + "." + body) in hexadecimal digits, over the body as it
/// goes over the wire. The timestamp is in seconds since 1970.
#[derive(JsonSchema)]
#[schemars(default, deny_unknown_fields)]
pub(super) struct Hmac {
    /// The secret, at least 16 bytes. Either this or `secret_file` is needed.
    #[schemars(with = "Option<String>")]
    secret: Option<Secret>,
    /// A file that holds the secret.
    secret_file: Option<PathBuf>,
    /// The secret before, which is good as long as it stands here.
    #[schemars(with = "Option<String>")]
    previous_secret: Option<Secret>,
    /// A file that holds the secret before.
    previous_secret_file: Option<PathBuf>,
    /// The header that holds the code; `sha256=` may stand before it.
    signature_header: Header,
    /// The header that holds the timestamp.
    timestamp_header: Header,
    /// How many seconds the timestamp may be from now, before and after.
    max_age_secs: Whole<1, 3600>,
}

/// The name of a header.
#[derive(Clone)]
struct Header(HeaderName);

impl Decode for Header {
    fn decode(node: &Node, at: At<'_>, report: &mut Report<'_>) -> Option<Self> {
        const EXPECTED: &str = "the name of a header like X-Callspan-Signature";
        let name = text(node, at, report, EXPECTED)?.parse().ok();
        if name.is_none() {
            mismatch(node, at, report, EXPECTED);
        }
        name.map(Header)
    }
}

/// As every value that is wrong: one that nobody checks further.
impl Default for Header {
    fn default() -> Self {
        Header(HeaderName::from_static("x"))
    }
}

impl serde::Serialize for Header {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

impl JsonSchema for Header {
    fn schema_name() -> Cow<'static, str> {
        "Header".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}

impl Default for Hmac {
    fn default() -> Self {
        Hmac {
            secret: None,
            secret_file: None,
            previous_secret: None,
            previous_secret_file: None,
            signature_header: Header(HeaderName::from_static("x-callspan-signature")),
            timestamp_header: Header(HeaderName::from_static("x-callspan-timestamp")),
            max_age_secs: Whole(300),
        }
    }
}

impl Hmac {
    pub(super) fn read(table: &mut Table<'_, '_>) -> Self {
        let default = Self::default();
        Hmac {
            secret: table.take("secret", None),
            secret_file: table.take("secret_file", None),
            previous_secret: table.take("previous_secret", None),
            previous_secret_file: table.take("previous_secret_file", None),
            signature_header: table.take("signature_header", default.signature_header),
            timestamp_header: table.take("timestamp_header", default.timestamp_header),
            max_age_secs: table.take("max_age_secs", default.max_age_secs),
        }
    }

    /// None where something is wrong with it.
    pub(super) fn plan(self, at: At<'_>, report: &mut Report<'_>) -> Option<HmacSettings> {
        let (signature_header, timestamp_header) = (self.signature_header.0, self.timestamp_header.0);
        if signature_header == timestamp_header && report.is_good(at) {
            report.add(at.key("timestamp_header"), "the code stands in this header; the timestamp needs another one");
        }
        let secrets = Secrets {
            names: ["secret", "secret_file", "previous_secret", "previous_secret_file"],
            current: (self.secret, self.secret_file),
            previous: (self.previous_secret, self.previous_secret_file),
        };
        let secret = secrets.plan(true, hmac_secret_problem, at, report)?;
        Some(HmacSettings { secret, signature_header, timestamp_header, max_age: self.max_age_secs.seconds() })
    }
}

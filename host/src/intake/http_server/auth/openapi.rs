//! How senders show who they are and how they come by tokens, by the OpenAPI specification.

use super::settings::{AuthSettings, HmacSettings, JwtSettings, KeySource, Way};
use super::strategies::{INSUFFICIENT_SCOPE, challenge};
use super::tokens::SCOPE;
use crate::intake::http_server::refusal::Refusal;
use crate::openapi::Description;
use serde_json::{Value, json};

/// The scheme of requests for tokens.
const CLIENT: &str = "client";

/// Each way to push, by the schemes that it needs, which are described.
pub(in crate::intake::http_server) fn describe(settings: &AuthSettings, description: &mut Description) -> Vec<Value> {
    let mut add = |name: &str, scheme: Value| {
        let schemes = &mut description.security_schemes;
        // Several users are one way, several issuers are not.
        let count = schemes.keys().filter(|known| known.starts_with(name)).count();
        let is_known = schemes.values().any(|known| *known == scheme);
        let name = if count == 0 || is_known { name.to_owned() } else { format!("{name}_{}", count + 1) };
        schemes.insert(name.clone(), scheme);
        name
    };
    let mut ways: Vec<Value> = Vec::new();
    for way in &settings.ways {
        let way = match way {
            Way::Basic(_) => {
                let scheme =
                    json!({ "type": "http", "scheme": "basic", "description": "A user and a password (RFC 7617)." });
                json!({ add("basic", scheme): [] })
            }
            Way::Oauth2(oauth2) => {
                let scopes = json!({ SCOPE: "Push call records." });
                let client = "A client's id and secret, to fetch a token with.";
                let client = json!({ "type": "http", "scheme": "basic", "description": client });
                add(CLIENT, client);
                let flow = json!({ "clientCredentials": { "tokenUrl": oauth2.token_path, "scopes": scopes } });
                let about = "A token that is fetched here for a client's id and secret (RFC 6749, section 4.4).";
                json!({ add("oauth2", json!({ "type": "oauth2", "flows": flow, "description": about })): [SCOPE] })
            }
            Way::Jwt(jwt) => json!({ add("jwt", issued(jwt)): [] }),
            Way::Hmac(hmac) => {
                let [signature, timestamp] = signed(hmac);
                json!({ add("signature", signature): [], add("timestamp", timestamp): [] })
            }
        };
        if !ways.contains(&way) {
            ways.push(way);
        }
    }
    ways
}

fn issued(jwt: &JwtSettings) -> Value {
    let audience = jwt.audience.join(" or ");
    let scope = jwt.scope.as_ref().map(|scope| format!(" and the scope {scope}")).unwrap_or_default();
    let about = format!("A token of the issuer {} for {audience}{scope} (RFC 7519).", jwt.issuer);
    json!({ "type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": about })
}

fn signed(hmac: &HmacSettings) -> [Value; 2] {
    let header =
        |name: &str, about: String| json!({ "type": "apiKey", "in": "header", "name": name, "description": about });
    let (signature, timestamp) = (hmac.signature_header.as_str(), hmac.timestamp_header.as_str());
    [
        header(
            signature,
            format!("HMAC-SHA256(secret, {timestamp} \".\" body), in hexadecimal, of the body as it comes."),
        ),
        header(timestamp, format!("The time in seconds since 1970, {} from now at most.", hmac.max_age.as_secs())),
    ]
}

/// What a path ends in that holds a secret.
pub(in crate::intake::http_server) fn path_secret() -> Value {
    json!({
        "name": "path_secret",
        "in": "path",
        "required": true,
        "description": "The secret that the path ends in.",
        "schema": { "type": "string", "pattern": "^[A-Za-z0-9._~-]{16,}$" },
    })
}

/// Everything that is said to senders that are not let in.
pub(in crate::intake::http_server) fn refusals(settings: &AuthSettings) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    if !settings.ways.is_empty() {
        refusals.push(Refusal::Unauthorized { challenges: settings.ways.iter().map(challenge).collect() });
    }
    let issuers = || settings.ways.iter().filter_map(|way| if let Way::Jwt(jwt) = way { Some(jwt) } else { None });
    if issuers().any(|jwt| jwt.scope.is_some()) {
        refusals.push(Refusal::Forbidden { challenges: vec![INSUFFICIENT_SCOPE] });
    }
    if !settings.permit_origin.is_empty() {
        refusals.push(Refusal::Forbidden { challenges: Vec::new() });
    }
    if !settings.ways.is_empty() || settings.path_secret.is_some() {
        refusals.push(Refusal::LockedOut { remaining: settings.lockout.window });
    }
    if issuers().any(|jwt| matches!(jwt.keys, KeySource::Url { .. })) {
        refusals.push(Refusal::Undecided);
    }
    refusals
}

/// A request for a token, with these responses.
pub(in crate::intake::http_server) fn token_request(responses: Value) -> Value {
    let text = |about: &str| json!({ "type": "string", "description": about });
    let form = json!({
        "type": "object",
        "required": ["grant_type"],
        "properties": {
            "grant_type": { "const": "client_credentials" },
            "scope": { "const": SCOPE },
            "client_id": text("The client's id, unless it is shown with HTTP Basic."),
            "client_secret": text("The client's secret, unless it is shown with HTTP Basic."),
        },
    });
    json!({
        "operationId": "requestToken",
        "summary": "Fetch a token for pushes.",
        "description": "A client shows its id and secret with HTTP Basic or in the form, and never in both (RFC 6749, sections 2.3.1 and 4.4).",
        "requestBody": { "required": true, "content": { "application/x-www-form-urlencoded": { "schema": form } } },
        "security": [{ CLIENT: [] }, {}],
        "responses": responses,
    })
}

#[cfg(test)]
pub(in crate::intake::http_server) mod tests {
    use super::*;
    use crate::intake::http_server::auth::{BasicSettings, Oauth2Settings, Rotating};
    use crate::secret::{Secret, SecretSource};
    use axum::http::HeaderName;
    use jsonwebtoken::Algorithm;
    use std::time::Duration;

    /// Every way in, and all that holds beside them.
    pub(in crate::intake::http_server) fn everything() -> AuthSettings {
        let secret = |option| Rotating { option, current: SecretSource::Text(Secret::new("s")), previous: None };
        let basic = || Way::Basic(BasicSettings { username: "a".to_owned(), password: secret("password") });
        let oauth2 = Oauth2Settings {
            token_path: "/oauth/token".to_owned(),
            token_lifetime: Duration::from_secs(60),
            signing_key: None,
            clients: Vec::new(),
        };
        let url = KeySource::Url {
            url: "https://login.example.com/keys".parse().expect("a URL"),
            cooldown: Duration::ZERO,
            max_age: Duration::ZERO,
        };
        let jwt = JwtSettings {
            issuer: "https://login.example.com".to_owned(),
            audience: vec!["callspan".to_owned()],
            keys: url,
            algorithms: vec![Algorithm::ES256],
            scope: Some("push".to_owned()),
            leeway: Duration::ZERO,
        };
        let hmac = HmacSettings {
            secret: secret("secret"),
            signature_header: HeaderName::from_static("x-signature"),
            timestamp_header: HeaderName::from_static("x-timestamp"),
            max_age: Duration::from_secs(300),
        };
        AuthSettings {
            ways: vec![basic(), basic(), Way::Oauth2(oauth2), Way::Jwt(jwt), Way::Hmac(hmac)],
            path_secret: Some(secret("path_secret")),
            permit_origin: vec!["192.0.2.0/24".parse().expect("a network")],
            ..AuthSettings::default()
        }
    }

    #[test]
    fn issuers_that_differ_are_ways_of_their_own_and_users_are_one() {
        let mut settings = everything();
        let Some(Way::Jwt(first)) = settings.ways.get(3).cloned() else { panic!("an issuer") };
        settings.ways.push(Way::Jwt(JwtSettings { issuer: "another".to_owned(), ..first }));
        let mut description = Description::default();
        let ways = describe(&settings, &mut description);
        let names: Vec<_> = ways.iter().filter_map(Value::as_object).flat_map(|way| way.keys().cloned()).collect();
        assert_eq!(names, ["basic", "oauth2", "jwt", "signature", "timestamp", "jwt_2"]);
        assert!(description.security_schemes.contains_key("client"));
    }
}

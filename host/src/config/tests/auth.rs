//! Whom a source lets in: what is planned, and what is told of what is wrong.

use super::*;
use crate::intake::http_server::auth::{KeySource, LockoutSettings};
use crate::secret::SecretSource;

fn auth(source: &str) -> AuthSettings {
    let plan = planned(&format!("sources: {{ a: {{ type: http_server, {source} }} }}"));
    let SourcePlan::HttpServer { settings, .. } = &plan.sources[0].plan else { panic!("an http_server") };
    settings.auth.clone()
}

/// The problems of a source, without the path that leads to it.
fn told(source: &str) -> Vec<String> {
    let found = problems(&format!("sources: {{ a: {{ type: http_server, {source} }} }}"));
    found.iter().map(|problem| problem.replacen("1: sources.a.", "", 1)).collect()
}

#[test]
fn a_table_is_one_way_and_a_list_is_several() {
    assert_eq!(auth(""), AuthSettings::default());
    assert_eq!(auth("auth: { strategy: none }"), AuthSettings::default());
    let one = auth("auth: { strategy: basic, username: u, password: w }");
    assert_eq!(one, auth("auth: [{ strategy: basic, username: u, password: w }]"));
    let several = auth(
        "auth: [{ strategy: basic, username: u, password: w, previous_password: '${SECRET}' },
                { strategy: basic, username: v, password: w },
                { strategy: oauth2, clients: [{ client_id: c, client_secret: s }] },
                { strategy: jwt, issuer: i, audience: [a], jwks_url: 'https://login.example.com/keys' },
                { strategy: hmac, secret: sixteen-bytes-or-more, max_age_secs: 7 }]",
    );
    let [Way::Basic(first), Way::Basic(_), Way::Oauth2(oauth2), Way::Jwt(jwt), Way::Hmac(hmac)] =
        several.ways.as_slice()
    else {
        panic!("{several:?}")
    };
    assert!(matches!(&first.password.previous, Some(SecretSource::Text(text)) if text.expose() == SECRET));
    assert_eq!((oauth2.token_path.as_str(), oauth2.token_lifetime.as_secs()), ("/oauth/token", 3600));
    assert!(oauth2.signing_key.is_none());
    assert_eq!((jwt.leeway.as_secs(), jwt.algorithms.len(), &jwt.scope), (60, 2, &None));
    assert!(
        matches!(&jwt.keys, KeySource::Url { cooldown, max_age, .. } if (cooldown.as_secs(), max_age.as_secs()) == (30, 900))
    );
    assert_eq!((hmac.max_age.as_secs(), hmac.signature_header.as_str()), (7, "x-callspan-signature"));
    assert!(!format!("{several:?}").contains(SECRET));
}

#[test]
fn conditions_stand_beside_it() {
    let auth = auth(
        "path_secret: 0123456789abcdef, permit_origin: ['192.0.2.0/24', '::1', '::ffff:10.0.0.1'],
         trusted_proxies: [10.0.0.0/8], lockout: { failures_max: 3, window_secs: 5, addresses_max: 7 }",
    );
    assert!(auth.path_secret.is_some());
    let networks: Vec<_> = auth.permit_origin.iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["192.0.2.0/24", "::1/128", "10.0.0.1/32"]);
    assert_eq!(auth.trusted_proxies.len(), 1);
    let window = Duration::from_secs(5);
    assert_eq!(auth.lockout, LockoutSettings { failures_max: 3, window, addresses_max: 7 });
}

#[test]
fn what_cannot_work_is_told_with_its_key() {
    let basic = "{ strategy: basic, username: u, password: w }";
    let jwt = "strategy: jwt, issuer: i, audience: [a]";
    for (source, expected) in [
        ("auth: {}".to_owned(), "auth.strategy: missing; expected none, basic, oauth2, jwt or hmac"),
        ("auth: { strategy: digest }".to_owned(), "auth.strategy: expected none, basic, oauth2, jwt or hmac, not `digest`"),
        ("auth: []".to_owned(), "auth: expected at least one way; leave it out, or say `strategy: none`, to let everybody in"),
        (format!("auth: [{basic}, {{ strategy: none }}]"), "auth[1].strategy: `none` lets everybody in; leave it out, or all the others"),
        (
            "auth: [{ strategy: oauth2, clients: [{ client_id: c, client_secret: s }] }, { strategy: oauth2, clients: [{ client_id: d, client_secret: s }] }]".to_owned(),
            "auth[1].strategy: there is `oauth2` before; add its clients to that one",
        ),
        ("auth: { strategy: oauth2, clients: [] }".to_owned(), "auth.clients: expected at least one client"),
        ("auth: { strategy: oauth2 }".to_owned(), "auth.clients: missing; expected a list of clients, each with `client_id` and `client_secret`"),
        ("auth: { strategy: oauth2, clients: [{ client_id: c }] }".to_owned(), "auth.clients[0].client_secret: missing; expected `client_secret` or `client_secret_file`"),
        ("path: /a, auth: { strategy: oauth2, token_path: /a, clients: [{ client_id: c, client_secret: s }] }".to_owned(), "auth.token_path: pushes go to this path; tokens need another one"),
        ("auth: { strategy: oauth2, signing_key: short, clients: [{ client_id: c, client_secret: s }] }".to_owned(), "auth.signing_key: it is shorter than 32 bytes, for example from `openssl rand -hex 32`"),
        ("auth: { strategy: oauth2, previous_signing_key: thirty-two-bytes-or-more-of-a-key, clients: [{ client_id: c, client_secret: s }] }".to_owned(), "auth.previous_signing_key: there is no `signing_key` that took its place"),
        (format!("auth: {{ {jwt} }}"), "auth.jwks_url: missing; expected `jwks_url` or `jwks_file`"),
        (format!("auth: {{ {jwt}, jwks_url: 'http://login.example.com/' }}"), "auth.jwks_url: expected a URL that begins with https://; http:// is for this machine alone"),
        (format!("auth: {{ {jwt}, jwks_url: 'https://a/', jwks_file: /f }}"), "auth.jwks_url: there is `jwks_file` too; leave one of the two out"),
        (format!("auth: {{ {jwt}, jwks_url: 'https://a/', algorithms: [HS256] }}"), "auth.algorithms[0]: expected RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 or EdDSA, not `HS256`"),
        (format!("auth: {{ {jwt}, jwks_url: 'https://a/', leeway_secs: 601 }}"), "auth.leeway_secs: expected a whole number from 0 to 600, not the number `601`"),
        ("auth: { strategy: hmac, secret: short }".to_owned(), "auth.secret: it is shorter than 16 bytes, which could be guessed"),
        ("auth: { strategy: hmac, secret: sixteen-bytes-or-more, signature_header: 'a b' }".to_owned(), "auth.signature_header: expected the name of a header like X-Callspan-Signature, not `a b`"),
        ("auth: { strategy: hmac, secret: sixteen-bytes-or-more, signature_header: X-Callspan-Timestamp }".to_owned(), "auth.timestamp_header: the code stands in this header; the timestamp needs another one"),
        ("path_secret: short".to_owned(), "path_secret: it is shorter than 16 characters, which could be guessed"),
        ("path_secret: 0123456789/abcdef".to_owned(), "path_secret: expected letters, digits and -._~ alone"),
        ("permit_origin: []".to_owned(), "permit_origin: expected at least one network like 192.0.2.0/24"),
        ("permit_origin: [192.0.2.0/33]".to_owned(), "permit_origin[0]: expected a network like 192.0.2.0/24 or 2001:db8::/32, or an address, not `192.0.2.0/33`"),
        ("permit_origin: ['::ffff:10.0.0.0/104']".to_owned(), "permit_origin[0]: expected a network like 192.0.2.0/24 or 2001:db8::/32, or an address, not `::ffff:10.0.0.0/104`"),
        ("lockout: { failures_max: 0 }".to_owned(), "lockout.failures_max: expected a whole number from 1 to 1000000, not the number `0`"),
    ] {
        assert_eq!(told(&source), [expected], "{source}");
    }
}

/// What the strategy was to be may be open, and yet some keys are of none.
#[test]
fn a_strategy_that_is_not_known_hides_no_key_that_is_wrong_for_all() {
    for (strategy, expected) in [
        ("strategy: digest,", "auth.strategy: expected none, basic, oauth2, jwt or hmac, not `digest`"),
        ("", "auth.strategy: missing; expected none, basic, oauth2, jwt or hmac"),
    ] {
        let source = format!("auth: {{ {strategy} username: 1, jwks_url: x, pasword: w }}");
        let mut told = told(&source);
        told.sort();
        assert_eq!(told, ["auth.pasword: unknown key; did you mean `password`?", expected], "{source}");
    }
    let of_several = told("auth: [{ strategy: digest, a: 1 }, { strategy: basic, username: u, password: w, b: 2 }]");
    assert_eq!(of_several.len(), 3, "{of_several:?}");
}

#[test]
fn files_are_looked_at_and_their_mistakes_told_without_what_they_hold() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("it is written");
        path.display().to_string()
    };
    let (short, keys) = (file("short", "s3cr3t"), file("keys", "{\"keys\":[]}"));
    let jwt = "strategy: jwt, issuer: i, audience: [a]";
    for (source, expected) in [
        (
            format!("auth: {{ strategy: hmac, secret_file: '{short}' }}"),
            "auth.secret_file: it is shorter than 16 bytes",
        ),
        (format!("path_secret_file: '{short}'"), "path_secret_file: it is shorter than 16 characters"),
        (format!("auth: {{ {jwt}, jwks_file: '{keys}' }}"), "auth.jwks_file: there is no public key in it"),
        (format!("auth: {{ {jwt}, jwks_file: '{short}' }}"), "auth.jwks_file: expected a JSON object"),
        (
            "auth: { strategy: basic, username: u, password: w, previous_password_file: /none }".to_owned(),
            "auth.previous_password_file: failed to read `/none`",
        ),
    ] {
        let told = told(&source);
        assert!(told.len() == 1 && told[0].starts_with(expected) && !told[0].contains("s3cr3t"), "{source}: {told:?}");
    }
}

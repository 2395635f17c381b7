//! A source on the internet lets in whom it knows. What a stranger shows is told to nobody, what it sends is kept nowhere,
//! and who guesses is soon not listened to.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use callspan_tests::{
    Connection, Curl, Issuer, Reply, Request, Service, program, records, signed_with_secret, wait_until,
};
use serde_json::json;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

const OK: &str = r#"{"ErrCode":0,"ErrMsg":"ok"}"#;
const SIGNING_KEY: &str = "a-signing-key-of-32-bytes-or-more";
const RELAY_SECRET: &str = "the-secret-of-a-relay";
const OLD_RELAY_SECRET: &str = "the-secret-of-last-year";
/// `vendor` and `before`.
const RIGHT: &str = "Authorization: Basic dmVuZG9yOmJlZm9yZQ==";
const PATH_SECRET: &str = "f5a1c0a3d2b94e07";
const OLD_PATH_SECRET: &str = "aab7f60d15b34a8c";

/// A push as curl sends it: what the path has behind the slash, and more of the command line.
struct Push {
    case: &'static str,
    path: String,
    arguments: Vec<String>,
    status: u16,
}

fn push(case: &'static str, arguments: &[&str], status: u16) -> Push {
    let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    Push { case, path: String::new(), arguments, status }
}

fn bearer(case: &'static str, token: &str, status: u16) -> Push {
    push(case, &["--header", &format!("Authorization: Bearer {token}")], status)
}

/// What is too long to be a password or a token, and not too long for a server of HTTP.
fn huge(scheme: &str) -> Push {
    push("huge header", &["--header", &format!("Authorization: {scheme} {}", "x".repeat(12_000))], 401)
}

/// Every way with what is right, wrong, missing, of before, over, misspelled and huge. All who are refused are told the
/// same, and why is counted for those who may know.
#[test]
fn each_way_lets_in_whoever_meets_it_and_tells_others_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (issuer, stranger) = (Issuer::new("1"), Issuer::new("1"));
    let keys = folder.path().join("keys.json");
    fs::write(&keys, issuer.keys()).expect("the folder is ours");

    matrix(
        "auth: { strategy: basic, username: vendor, password: 'now:9', previous_password: before }",
        vec![
            push("right", &["--user", "vendor:now:9"], 200),
            push("previous", &["--user", "vendor:before"], 200),
            push("wrong", &["--user", "vendor:wrong"], 401),
            push("another user", &["--user", "nobody:before"], 401),
            push("missing", &[], 401),
            push("over", &["--user", "vendor:long-ago"], 401),
            push("malformed", &["--header", "Authorization: Basic !"], 401),
            push("another scheme", &["--header", "Authorization: Bearer x"], 401),
            push("twice", &["--header", RIGHT, "--header", RIGHT], 401),
            huge("Basic"),
        ],
    );

    let own = |key: &str, source: &str, seconds| {
        let claims = json!({ "iss": "callspan", "sub": "relay", "aud": source, "iat": 0, "scope": "push" });
        signed_with_secret(key, claims, seconds)
    };
    matrix(
        &format!(
            "auth: {{ strategy: oauth2, signing_key: {SIGNING_KEY}, previous_signing_key: the-one-before-{SIGNING_KEY},
                      clients: [{{ client_id: relay, client_secret: s }}] }}"
        ),
        vec![
            bearer("right", &own(SIGNING_KEY, "tccc", 60), 200),
            bearer("previous", &own(&format!("the-one-before-{SIGNING_KEY}"), "tccc", 60), 200),
            bearer("wrong", &own("another-key-of-32-bytes-or-more--", "tccc", 60), 401),
            bearer("for another source", &own(SIGNING_KEY, "other", 60), 401),
            push("missing", &[], 401),
            bearer("expired", &own(SIGNING_KEY, "tccc", -5), 401),
            bearer("malformed", "a.b", 401),
            push("its client's secret", &["--user", "relay:s"], 401),
            huge("Bearer"),
        ],
    );

    matrix(
        &format!(
            "auth: {{ strategy: jwt, issuer: '{}', audience: [{}], jwks_file: {}, leeway_secs: 1 }}",
            Issuer::NAME,
            Issuer::AUDIENCE,
            keys.display()
        ),
        vec![
            bearer("right", &issuer.token(60), 200),
            bearer("wrong", &stranger.token(60), 401),
            push("missing", &[], 401),
            bearer("expired", &issuer.token(-10), 401),
            bearer("malformed", "a.b.c", 401),
            bearer("signed with the public key", &signed_with_secret(&issuer.keys(), json!({}), 60), 401),
            huge("Bearer"),
        ],
    );

    let signed = |case, secret: &str, seconds: i64, status| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is not 1970").as_secs();
        let timestamp = now.saturating_add_signed(seconds).to_string();
        let signature = format!("X-Callspan-Signature: {}", code(secret, &timestamp, records::SEED.as_bytes()));
        push(case, &["--header", &format!("X-Callspan-Timestamp: {timestamp}"), "--header", &signature], status)
    };
    if program("openssl").is_none() {
        return;
    }
    matrix(
        &format!("auth: {{ strategy: hmac, secret: {RELAY_SECRET}, previous_secret: {OLD_RELAY_SECRET} }}"),
        vec![
            signed("right", RELAY_SECRET, 0, 200),
            signed("previous", OLD_RELAY_SECRET, 0, 200),
            signed("wrong", "the-secret-of-a-stranger", 0, 401),
            push("missing", &[], 401),
            signed("expired", RELAY_SECRET, -400, 401),
            signed("too early", RELAY_SECRET, 400, 401),
            push("malformed", &["--header", "X-Callspan-Timestamp: now", "--header", "X-Callspan-Signature: x"], 401),
            push("huge header", &["--header", &format!("X-Callspan-Signature: {}", "a".repeat(12_000))], 401),
        ],
    );

    let at = |case, path: &str, status| Push { case, path: path.to_owned(), arguments: Vec::new(), status };
    matrix(
        &format!("path_secret: {PATH_SECRET}, previous_path_secret: {OLD_PATH_SECRET}"),
        vec![
            at("right", PATH_SECRET, 200),
            at("previous", OLD_PATH_SECRET, 200),
            at("wrong", "f5a1c0a3d2b94e08", 404),
            at("missing", "", 404),
            at("longer", &format!("{PATH_SECRET}/more"), 404),
            at("huge", &"x".repeat(3_000), 404),
        ],
    );
    matrix("permit_origin: [127.0.0.0/8]", vec![push("near", &[], 200)]);
    matrix("permit_origin: [192.0.2.0/24]", vec![push("elsewhere", &[], 403)]);
}

/// Several ways and all conditions at once.
#[test]
fn ways_are_alternatives_and_conditions_hold_beside_them() {
    let ways = format!(
        "path_secret: {PATH_SECRET}, permit_origin: [127.0.0.1],
         auth: [{{ strategy: basic, username: a, password: x }}, {{ strategy: basic, username: b, password: y }},
                {{ strategy: oauth2, clients: [{{ client_id: c, client_secret: z }}] }}]"
    );
    let Some(service) = start(&ways) else { return };
    let request = |path: &str| Curl::new(&format!("http://{}{path}", service.address())).expect("it is installed");
    let token =
        request("/oauth/token").arguments(&["--user", "c:z", "--data", "grant_type=client_credentials"]).send("");
    assert_eq!(token.status, 200, "{}", token.body);
    assert_eq!(
        (token.header("cache-control"), token.json()["token_type"].as_str()),
        (Some("no-store"), Some("Bearer"))
    );
    let token = format!("Authorization: Bearer {}", token.json()["access_token"].as_str().expect("a token"));
    let right = format!("/{PATH_SECRET}");
    for (path, arguments, status) in [
        (&right, ["--user", "a:x"], 200),
        (&right, ["--user", "b:y"], 200),
        (&right, ["--header", &token], 200),
        (&right, ["--user", "a:y"], 401),
        (&"/wrong-secret-of-16".to_owned(), ["--user", "a:x"], 404),
    ] {
        let reply = request(path).arguments(&["--data-binary", "@-"]).arguments(&arguments).send(records::SEED);
        assert_eq!(reply.status, status, "{path} {arguments:?}: {}", reply.body);
    }
    assert!(service.metric("callspan_tokens_issued_total", &[]) > 0.0);
    let unauthorized = request(&right).send("");
    assert_eq!(unauthorized.status, 405, "a GET");
}

/// Whoever shows wrong credentials is not listened to for a while, not even with the right ones; who is elsewhere is, and
/// when the window ends so is everybody. Where a sender is, is what a trusted proxy says, and nobody else.
#[test]
fn who_guesses_is_locked_out_until_the_window_ends_and_nobody_else_is() {
    let auth = "auth: { strategy: basic, username: u, password: w }, trusted_proxies: [127.0.0.1],
                lockout: { failures_max: 3, window_secs: 2 }";
    let Some(service) = start(auth) else { return };
    let push = |address: &str, password: &str| {
        let basic = format!("Basic {}", STANDARD.encode(format!("u:{password}")));
        let push = Request::push(records::SEED).header("Authorization", &basic);
        service.send(&push.header("X-Forwarded-For", &format!("203.0.113.9, {address}")))
    };
    // A window may end in between on a machine that is busy: then it begins anew.
    wait_until("a lockout", || {
        push("2001:db8::1", "wrong");
        // Another address of the same network.
        let locked = push("2001:db8::2", "w");
        if locked.status == 429 {
            assert_eq!(locked.json()["code"], "locked_out");
            let seconds = locked.header("retry-after").and_then(|seconds| seconds.parse::<u64>().ok());
            assert!(seconds.is_some_and(|seconds| (1..=2).contains(&seconds)), "{seconds:?}");
        }
        locked.status == 429
    });
    assert_eq!(push("2001:db8:0:1::1", "w").status, 200, "another network");
    wait_until("the end of the window", || push("2001:db8::1", "w").status == 200);
    assert!(service.metric("callspan_auth_failures_total", &[r#"reason="locked_out""#]) >= 1.0);

    let strange =
        "auth: { strategy: basic, username: u, password: w }, trusted_proxies: [192.0.2.1], permit_origin: [192.0.2.1]";
    let Some(service) = start(strange) else { return };
    let reply = service.send(&Request::push(records::SEED).header("X-Forwarded-For", "192.0.2.1"));
    assert_eq!(reply.status, 403, "a stranger says where it is");
}

/// A connection on which somebody was refused goes on, and what was refused is read over.
#[test]
fn a_connection_goes_on_after_a_refusal() {
    let Some(service) = start("auth: { strategy: basic, username: u, password: w }") else { return };
    let mut connection = Connection::open(service.address());
    // More than is read by the way.
    let body = " ".repeat(500_000) + records::SEED;
    let push = |password: &str| {
        let basic = format!("Basic {}", STANDARD.encode(format!("u:{password}")));
        Request::push(body.as_str()).header("Authorization", &basic)
    };
    for (password, status) in [("wrong", 401), ("w", 200), ("wrong", 401), ("w", 200)] {
        assert_eq!(connection.send(&push(password)).status, status);
    }
}

/// Secrets stand in every part of requests, right ones and wrong ones; none of them is in a log of everything, in an
/// answer, in the metrics, or, being of somebody who was not let in, on the disk.
#[test]
fn no_secret_of_a_request_is_told_or_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    let mark = "of-9-lives";
    let yaml = format!(
        "sources:
  tccc:
    type: http_server
    address: 127.0.0.1:0
    path_secret: path-secret-{mark}
    lockout: {{ failures_max: 1000000 }}
    auth:
      - {{ strategy: basic, username: 'user-{mark}', password: 'password-{mark}' }}
      - {{ strategy: oauth2, clients: [{{ client_id: 'client-{mark}', client_secret: 'secret-{mark}' }}] }}
      - {{ strategy: hmac, secret: 'relay-secret-{mark}' }}
"
    );
    let service = Service::new().config(&yaml).data_dir(&data_dir).durable().variable("CALLSPAN_LOG", "trace").start();
    let encoded = |text: &str| STANDARD.encode(text);
    let login = encoded(&format!("user-{mark}:password-{mark}"));
    let wrong = encoded(&format!("user-{mark}:wrong-{mark}"));
    let client = encoded(&format!("client-{mark}:secret-{mark}"));
    let body = format!("{{\"SessionId\":\"{mark}\"}}");
    let planted = |request: Request| {
        request
            .header("Cookie", &format!("session={mark}"))
            .header("X-Api-Key", mark)
            .header("X-Forwarded-For", mark)
            .header("User-Agent", mark)
            .body(body.as_str())
    };
    let mut answers: Vec<Reply> = Vec::new();
    for path in
        [format!("/path-secret-{mark}?token={mark}"), format!("/wrong-secret-{mark}?token={mark}"), "/".to_owned()]
    {
        for (name, value) in [
            ("Authorization", format!("Basic {wrong}")),
            ("Authorization", format!("Bearer {mark}")),
            ("Authorization", format!("{mark} {mark}")),
            ("X-Callspan-Signature", mark.to_owned()),
        ] {
            answers.push(service.send(&planted(Request::new("POST", &path)).header(name, &value)));
            answers.push(service.send(&planted(Request::new(mark, &path)).header(name, &value)));
        }
    }
    let form = |form: String| {
        Request::new("POST", "/oauth/token").header("Content-Type", "application/x-www-form-urlencoded").body(form)
    };
    for request in [
        form(format!("grant_type=client_credentials&client_id=client-{mark}&client_secret=wrong-{mark}")),
        form(format!("grant_type={mark}&client_id=client-{mark}&client_secret=secret-{mark}")),
        form(format!("grant_type=client_credentials&client_id=client-{mark}&client_secret=secret-{mark}&scope={mark}")),
        form(format!("grant_type=client_credentials&{mark}={mark}&{mark}={mark}")),
        form(mark.to_owned()).header("Authorization", &format!("Basic {client}")),
        Request::new("POST", &format!("/oauth/token?client_secret={mark}")).body(mark),
    ] {
        answers.push(service.send(&request));
    }
    assert!(answers.iter().all(|answer| (400..500).contains(&answer.status)));
    // Those who are let in are no reason to tell more.
    let push = Request::new("POST", &format!("/path-secret-{mark}")).header("Authorization", &format!("Basic {login}"));
    assert_eq!(service.send(&push.body(records::SEED)).body, OK);
    let granted = service
        .send(&form("grant_type=client_credentials".to_owned()).header("Authorization", &format!("Basic {client}")));
    let token = granted.json()["access_token"].as_str().expect("a token").to_owned();
    let push =
        Request::new("POST", &format!("/path-secret-{mark}")).header("Authorization", &format!("Bearer {token}"));
    assert_eq!(service.send(&push.body(records::SEED)).body, OK);

    let metrics = service.ask("/metrics").body;
    assert!(metrics.contains(r#"reason="path_secret""#) && metrics.contains(r#"reason="wrong""#));
    let shown =
        [service.log(), metrics, service.ask("/readyz").body, answers.iter().map(|it| it.body.as_str()).collect()];
    assert!(shown[0].contains(r#""level":"TRACE""#), "it is a log of everything");
    for secret in [mark, &login, &wrong, &client, &token] {
        for text in &shown {
            let line = text.lines().find(|line| line.contains(secret));
            assert!(line.is_none(), "{secret} is in: {line:?}");
        }
    }
    let line = shown[0].lines().find(|line| line.contains("request refused")).expect("refusals are logged");
    let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
    assert_eq!((&line["source"], &line["address"]), (&"tccc".into(), &"127.0.0.1".into()), "{line}");
    assert!(line["code"].is_string() && line["status"].is_u64(), "{line}");
    assert_absent(&data_dir, mark.as_bytes());
}

/// As a stranger floods a source, its log has so many lines and not one for each request.
#[test]
fn a_flood_of_strangers_fills_no_log() {
    let Some(service) = start("auth: { strategy: basic, username: u, password: w }") else { return };
    let mut connection = Connection::open(service.address());
    for _ in 0..1_000 {
        assert!(
            [401, 429].contains(&connection.send(&Request::push("{}").header("Authorization", "Basic dTp4")).status)
        );
    }
    let lines = service.log().matches("request refused").count();
    assert!((100..900).contains(&lines), "{lines}");
    service.wait_for_metric("callspan_auth_failures_total", &[], 1_000.0);
}

/// Sends each push to a source of its own; who is refused is answered as everybody else.
fn matrix(options: &str, pushes: Vec<Push>) {
    let Some(service) = start(options) else { return };
    let mut refusals = Vec::new();
    for Push { case, path, arguments, status } in pushes {
        let url = format!("http://{}/{path}", service.address());
        let Some(curl) = Curl::new(&url) else { return };
        let reply = curl.arguments(&["--data-binary", "@-"]).arguments(&arguments).send(records::SEED);
        assert_eq!(reply.status, status, "{case} with {options}: {}", reply.body);
        match status {
            200 => assert_eq!(reply.body, OK),
            _ => refusals.push(reply.body),
        }
    }
    refusals.dedup();
    assert!(refusals.len() <= 1, "{options}: {refusals:?}");
}

/// None when curl is missing.
fn start(options: &str) -> Option<Service> {
    program("curl")?;
    let lockout = if options.contains("lockout") { "" } else { ", lockout: { failures_max: 100000 }" };
    let yaml = format!("sources: {{ tccc: {{ type: http_server, address: '127.0.0.1:0', {options}{lockout} }} }}\n");
    Some(Service::new().config(&yaml).durable().start())
}

/// As OpenSSL computes it.
fn code(secret: &str, timestamp: &str, body: &[u8]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("signed");
    fs::write(&path, [timestamp.as_bytes(), b".", body].concat()).expect("the folder is ours");
    let mut openssl = Command::new("openssl");
    openssl.args(["dgst", "-sha256", "-r", "-hmac", secret]).arg(&path);
    let output = String::from_utf8(openssl.output().expect("it is installed").stdout).expect("digits");
    output.split_whitespace().next().expect("a code").to_owned()
}

/// No file below this folder holds it.
fn assert_absent(folder: &Path, bytes: &[u8]) {
    for entry in fs::read_dir(folder).expect("the folder is ours") {
        let path = entry.expect("the folder is ours").path();
        if path.is_dir() {
            assert_absent(&path, bytes);
        } else if path.is_file() {
            let text = fs::read(&path).expect("the folder is ours");
            assert!(!text.windows(bytes.len()).any(|window| window == bytes), "{}", path.display());
        }
    }
}

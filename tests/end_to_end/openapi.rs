//! What `callspan schema --openapi` prints is what a service answers.

use callspan_tests::openapi::{Schemathesis, validate};
use callspan_tests::{Builder, Callspan, Decoder, Protocol, Service, documents};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

/// Every way in, with all that is answered to somebody.
const EVERYTHING: &str = "
queue: { durability: memory }
sources:
  tccc:
    type: http_server
    address: 0.0.0.0:8443
    path: /calls
    path_secret: 0123456789abcdef
    permit_origin: [192.0.2.0/24]
    auth:
      - { strategy: basic, username: push-user, password: w }
      - { strategy: oauth2, clients: [{ client_id: relay, client_secret: s }] }
      - { strategy: jwt, issuer: i, audience: [a], scope: push, jwks_url: 'https://login.example.com/keys' }
      - { strategy: hmac, secret: sixteen-bytes-or-more }
";

/// Clients and users of one name and one secret, so that what is shown opens both. Nobody is locked out who is to be refused.
const WAYS: &str = "lockout: { failures_max: 1000000 },
    auth: [{ strategy: basic, username: relay, password: s },
           { strategy: oauth2, clients: [{ client_id: relay, client_secret: s }] }]";

/// The largest body that is described is sent, and one record more: few enough to be stored soon on any machine.
const LIMITS: &str = "limits: { body_records_max: 50, answer_timeout_secs: 60 }";

/// What a configuration says is described, to the name of a header.
#[test]
fn the_description_is_that_of_the_configuration() {
    let document = described(Some(EVERYTHING));
    let push = &document["paths"]["/calls/{path_secret}"];
    assert_eq!(push["servers"][0]["url"], "http://127.0.0.1:8443");
    assert!(push["post"]["responses"]["422"].is_object(), "with a queue in memory a sender hears of the mapping");
    assert!(document["paths"]["/oauth/token"]["post"].is_object());
    assert!(document["paths"]["/readyz"]["get"].is_object());
    let text = document.to_string();
    for secret in ["0123456789abcdef", "sixteen-bytes", "push-user"] {
        assert!(!text.contains(secret), "{secret}");
    }
    let default = described(None);
    assert_eq!(default["paths"]["/"]["servers"][0]["url"], "http://127.0.0.1:8080");
    assert!(default["components"]["securitySchemes"].as_object().is_some_and(serde_json::Map::is_empty));
    for document in [document, default] {
        let Some(judged) = validate(&document.to_string()) else { return };
        assert_eq!(judged.code, Some(0), "{}", judged.stderr);
    }
}

#[test]
fn of_several_sources_one_is_chosen() {
    let several =
        "sources: { a: { type: http_server, path: /a }, b: { type: http_server, address: '127.0.0.1:1', path: /b } }";
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("callspan.yaml");
    fs::write(&path, several).expect("the folder is ours");
    let run = |more: &[&str]| {
        let arguments = ["schema", "--openapi", "--config", &path.display().to_string()];
        more.iter().fold(Callspan::new(arguments), |command, argument| command.arguments([argument])).run()
    };
    let unchosen = run(&[]);
    assert_eq!(unchosen.code, Some(2), "{}", unchosen.stdout);
    assert!(unchosen.stderr.contains("--source"), "{}", unchosen.stderr);
    assert_eq!(run(&["--source", "c"]).code, Some(2));
    let chosen = run(&["--source", "b"]);
    let document: Value = serde_json::from_str(&chosen.stdout).expect("JSON");
    assert!(document["paths"]["/b"].is_object() && document["paths"]["/a"].is_null());
}

/// The README's table of answers has what the description has, and nothing else.
#[test]
fn the_table_of_answers_is_that_of_the_description() {
    let readme = documents::read("README.md");
    let table = readme.lines().skip_while(|line| !line.starts_with("| answer | `code` |")).skip(2);
    let rows = table.take_while(|line| line.starts_with('|'));
    let told: BTreeSet<(String, String)> = rows
        .flat_map(|row| {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let words = |cell: &str| cell.split(", ").map(|word| word.trim_matches('`').to_owned()).collect::<Vec<_>>();
            let (statuses, codes) = (words(cells[1]), words(cells[2]));
            // Two statuses stand for one code each, one for all of them.
            let statuses =
                if statuses.len() == codes.len() { statuses } else { vec![statuses[0].clone(); codes.len()] };
            statuses.into_iter().zip(codes).filter(|(_, code)| !code.is_empty()).collect::<Vec<_>>()
        })
        .collect();
    let document = described(Some(EVERYTHING));
    let responses = document["paths"]["/calls/{path_secret}"]["post"]["responses"].as_object().expect("responses");
    let described = responses.iter().flat_map(|(status, response)| {
        let examples = response["content"]["application/json"]["examples"].as_object().expect("examples");
        examples.keys().filter(|code| *code != "ok").map(|code| (status.clone(), code.clone()))
    });
    assert_eq!(told, described.collect());
}

/// Whoever reads the description and sends what it allows, and what it does not, gets what it says: from a source that asks
/// nobody who he is, from one that does, from where tokens are fetched, and from the admin listener.
#[test]
fn a_service_answers_as_it_is_described() {
    let Some(backend) = Decoder::start() else { return };
    for (options, user) in [("", None), (WAYS, Some("relay:s"))] {
        let config =
            format!("sources: {{ tccc: {{ type: http_server, address: '127.0.0.1:0', {LIMITS}, {options} }} }}");
        let document = described(Some(&config)).to_string();
        let builder: Builder = Service::new().durable().config(&config).export_to(backend.endpoint(Protocol::Grpc));
        let service = builder.start();
        let run = |address: &str, paths: &str| Schemathesis::new(&document, address).map(|it| it.paths(paths));
        let shown = |it: Schemathesis| user.into_iter().fold(it, Schemathesis::user);

        let Some(pushes) = run(service.address(), "^/$") else { return };
        // Whatever is JSON is taken and answered once it is on disk; the mapping, which knows what a record is, refuses it
        // later, as a dead letter.
        let pushes = shown(pushes).without("negative_data_rejection");
        pushes.with("Content-Encoding", "identity").finds_nothing_in(1);
        let Some(encoded) = run(service.address(), "^/$") else { return };
        // That a body is compressed as its header says is nothing that a schema can say, or that is tried.
        let encoded = shown(encoded).without("negative_data_rejection").without("positive_data_acceptance");
        encoded.finds_nothing_in(1);

        if user.is_none() {
            let Some(admin) = run(service.admin(), "^/(livez|readyz|metrics)") else { return };
            admin.finds_nothing_in(8);
        } else {
            let Some(tokens) = run(service.address(), "^/oauth/token$") else { return };
            // Credentials that are shown twice are refused, which a schema cannot say.
            shown(tokens).without("positive_data_acceptance").finds_nothing_in(1);
        }
    }
}

/// The description of the service with this configuration, or of one without any.
fn described(config: Option<&str>) -> Value {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Callspan::new(["schema", "--openapi"]);
    if let Some(config) = config {
        let path = folder.path().join("callspan.yaml");
        fs::write(&path, config).expect("the folder is ours");
        command = command.arguments(["--config", &path.display().to_string()]);
    }
    let finished = command.run();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    serde_json::from_str(&finished.stdout).expect("it is JSON")
}

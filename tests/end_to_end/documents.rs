//! What the documents show is so: whoever follows them sees what they say.

use callspan_tests::documents::{self, Block};
use callspan_tests::{Callspan, Decoder, Issuer, Protocol, Service, UsualAddress, program};
use std::fs;
use std::path::Path;

/// The section of the README that shows ways in.
const STRANGERS: &str = "## Keep strangers out";

const DOCUMENTS: [&str; 2] = ["README.md", "ARCHITECTURE.md"];

/// Each request of the README is sent as it stands there, from the project's folder, to a service at the addresses that it
/// names; where the README shows the answer below, it is that answer.
#[test]
fn what_the_readme_asks_is_answered_as_it_shows() {
    let (Some(_curl), Some(backend)) = (program("curl"), Decoder::start()) else { return };
    let readme = documents::read("README.md");
    let of_senders = documents::blocks(&documents::section(&readme, STRANGERS));
    let blocks: Vec<Block> =
        documents::blocks(&readme).into_iter().filter(|block| !of_senders.contains(block)).collect();
    let _usual = UsualAddress::take();
    let address = UsualAddress::PUSHES;
    let service = Service::new()
        .durable()
        .config(&format!("sources: {{ tccc: {{ type: http_server, address: '{address}' }} }}\n"))
        .admin_as_configured()
        .export_to(backend.endpoint(Protocol::Grpc))
        .start();
    assert_eq!((service.address(), service.admin()), (address, UsualAddress::ADMIN));
    let (mut asked, mut compared) = (0, 0);
    for (index, block) in blocks.iter().enumerate().filter(|(_, block)| is_request(block)) {
        let finished = Callspan::script(&block.text, &documents::root()).within_two_minutes().run();
        assert_eq!(finished.code, Some(0), "line {}: {}", block.line, finished.stderr);
        assert!(!finished.stdout.is_empty(), "line {}", block.line);
        asked += 1;
        if let Some(answer) = blocks.get(index + 1).filter(|next| is_answer(block, next)) {
            assert_eq!(finished.stdout.trim(), answer.text.trim(), "line {}", block.line);
            compared += 1;
        }
    }
    assert!(asked > 0 && compared > 0, "{asked} requests and {compared} answers were found");
    assert!(!backend.take_export().spans.is_empty());
}

/// Each way in that the README shows, with its configuration, lets in the push that it shows as it stands there, and nobody
/// who shows nothing.
#[test]
fn every_way_in_lets_in_the_push_that_is_shown_beside_it() {
    let (Some(_curl), Some(_openssl)) = (program("curl"), program("openssl")) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let issuer = Issuer::new("1");
    let keys = folder.path().join("keys.json");
    fs::write(&keys, issuer.keys()).expect("the folder is ours");
    let variables = [
        ("TCCC_PASSWORD", "a-password"),
        ("RELAY_SECRET", "a-client's-secret"),
        ("HMAC_SECRET", "a-secret-for-signatures"),
        ("PATH_SECRET", "a-secret-in-the-path"),
        ("TOKEN", &issuer.token(60)),
    ];
    let blocks = documents::blocks(&documents::section(&documents::read("README.md"), STRANGERS));
    let _usual = UsualAddress::take();
    let mut ways = 0;
    for (configuration, request) in blocks.iter().zip(blocks.iter().skip(1)) {
        if !is_configuration(configuration) || !is_request(request) {
            continue;
        }
        // The one thing that is elsewhere.
        let fetched = "jwks_url: https://login.example.com/keys";
        let yaml = configuration.text.replace(fetched, &format!("jwks_file: {}", keys.display()));
        let service =
            variables.iter().fold(Service::new().config(&yaml).durable(), |it, (name, value)| it.variable(name, value));
        let service = service.start();
        let script = Callspan::script(&request.text, &documents::root()).within_two_minutes();
        let finished = variables.iter().fold(script, |it, (name, value)| it.variable(name, value)).run();
        assert_eq!(finished.code, Some(0), "line {}: {}", request.line, finished.stderr);
        assert_eq!(finished.stdout, r#"{"ErrCode":0,"ErrMsg":"ok"}"#, "line {}", request.line);
        let stranger = service.push("{}");
        assert!([401, 404].contains(&stranger.status), "line {}: {}", configuration.line, stranger.body);
        ways += 1;
    }
    assert_eq!(ways, 5);
}

/// Each configuration that a document shows holds, and so do those that are to be copied.
#[test]
fn every_configuration_that_is_shown_is_good() {
    let folder = tempfile::tempdir().expect("a folder");
    let examples = fs::read_dir(documents::root().join("examples")).expect("the project can be read");
    // In a folder, the other files are for another program; that of Kubernetes holds ours within it.
    let of_folder = |path: &Path| path.is_dir().then(|| path.join("callspan.yaml")).filter(|file| file.is_file());
    let ours = examples.filter_map(|entry| {
        let path = entry.ok()?.path();
        let file = if path.is_file() { Some(path) } else { of_folder(&path) };
        file.filter(|file| !file.ends_with("kubernetes/callspan.yaml"))
    });
    let mut files: Vec<String> = ours.map(|path| path.display().to_string()).collect();
    assert!(files.len() > 7, "there are too few examples");
    for document in DOCUMENTS {
        for block in documents::blocks(&documents::read(document)).iter().filter(|block| is_configuration(block)) {
            let path = folder.path().join(format!("{document}.{}.{}", block.line, block.language));
            fs::write(&path, &block.text).expect("the folder is ours");
            files.push(path.display().to_string());
        }
    }
    for file in &files {
        let finished = Callspan::new(["validate", "--no-environment", file]).run();
        assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""), "{file}");
    }
}

/// Every file that a document links to or names is there.
#[test]
fn every_file_that_is_named_is_there() {
    let root = documents::root();
    let rooms: Vec<String> = fs::read_dir(&root)
        .expect("the project can be read")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| !["target", ".git", ".venv"].contains(&name.as_str()))
        .collect();
    let mut named = 0;
    for document in DOCUMENTS {
        let text = documents::read(document);
        let links = documents::links(&text).into_iter().filter(|link| !link.contains("://"));
        // What a document names is a path if it begins with one of the project's rooms.
        let spans = documents::code_spans(&text).into_iter().filter(|span| {
            let (room, _) = span.split_once('/').unwrap_or((span, ""));
            rooms.iter().any(|known| known == room) && !span.contains([' ', '*', '<'])
        });
        for target in links.chain(spans) {
            let (path, heading) = target.split_once('#').unwrap_or((&target, ""));
            assert!(root.join(path).exists(), "{document} names {target}");
            let within = if path.is_empty() { text.clone() } else { read(&root.join(path)) };
            assert!(heading.is_empty() || has_heading(&within, heading), "{document} names {target}");
            named += 1;
        }
    }
    assert!(named > 20, "only {named} names were found");
}

fn is_request(block: &Block) -> bool {
    block.language == "sh" && block.text.contains("curl ")
}

/// It follows at once, with no more than a blank line between.
fn is_answer(request: &Block, next: &Block) -> bool {
    next.language == "json" && next.line <= request.line + request.text.lines().count() + 3
}

/// It has one of the sections, at its top.
fn is_configuration(block: &Block) -> bool {
    const SECTIONS: [&str; 7] =
        ["admin", "data_dir", "graceful_shutdown_limit_secs", "queue", "sinks", "sources", "transforms"];
    let begins = |line: &str| {
        SECTIONS.iter().any(|section| {
            line.starts_with(&format!("{section}:"))
                || line.starts_with(&format!("[{section}"))
                || line.trim_start_matches(['{', ' ']).starts_with(&format!("\"{section}\":"))
        })
    };
    ["yaml", "toml", "json"].contains(&block.language.as_str()) && block.text.lines().any(begins)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// A heading as links spell it: in lower case, with hyphens for blanks, without anything else.
fn has_heading(text: &str, wanted: &str) -> bool {
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let spelled = headings.map(|heading| {
        let kept = heading.to_lowercase().replace(' ', "-");
        kept.chars().filter(|character| character.is_alphanumeric() || "-_".contains(*character)).collect::<String>()
    });
    spelled.into_iter().any(|heading| heading == wanted)
}

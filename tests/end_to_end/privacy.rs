//! What identifies a person leaves callspan only as the operator's policy lets it.

use callspan_tests::{Callspan, Decoder, Protocol, Service, Span, guests, only, records};

/// The number that the vendor's own sample masks in one field and leaks in another.
const LEAKED: &str = "18486147605";

/// The page masks `Callee`, and prints the whole number in `TelLocation.TelNumber`: nothing of it gets out by default,
/// whichever way the trace is looked at.
#[test]
fn by_default_no_number_of_the_sample_gets_out() {
    for format in ["json", "waterfall"] {
        let finished = Callspan::transform().arguments(["--format", format]).input(records::SEED).run();
        let written = format!("{}{}", finished.stdout, finished.stderr);
        assert!(finished.code == Some(0) && !finished.stdout.is_empty());
        assert!(!written.contains(LEAKED) && !written.contains("8486147"), "{written}");
    }
}

#[test]
fn by_default_numbers_and_mails_are_masked_and_names_dropped() {
    let spans = Callspan::transform().input(records::SEED).run().trace();
    let (root, participant) = (only(&spans, "outbound call"), only(&spans, "serve miniProgramSeat"));
    assert_eq!(root.attribute("tccc.number.value"), "***7605");
    assert_eq!(root.attribute("tccc.caller.number"), "***6666");
    assert_eq!(participant.attribute("tccc.agent.mail"), "z***@tencent.com");
    assert_eq!(root.attribute("tccc.agent.id"), "z***@tencent.com", "an account that is a mail is masked like one");
    assert_eq!(root.attribute("tccc.agent.staff_number"), "8546", "an account that is none stays");
    assert!(root.attribute("tccc.agent.name").is_null());
    assert!(root.attribute("tccc.uui").is_null());
    assert_eq!(root.attribute("tccc.uui.length"), 3, "of free text its length is left");
    assert_eq!(root.attribute("tccc.number.city"), "Anshun", "a place stays");
}

#[test]
fn plain_shows_everything() {
    let spans = Callspan::transform().arguments(["--privacy", "plain"]).input(records::SEED).run().trace();
    let root = only(&spans, "outbound call");
    assert_eq!(root.attribute("tccc.number.value"), "008618486147605");
    assert_eq!(root.attribute("tccc.agent.name"), "Zhang San");
    assert_eq!(root.attribute("tccc.uui"), "abc");
}

/// A pseudonym: the same number gives the same value in every field and every run, another key another value.
#[test]
fn hmac_keeps_equality_and_nothing_else() {
    let record = r#"{"SessionId":"a","StartTimestamp":1700000000,"Caller":"0044 20 7946 0018","TelLocation":{"TelNumber":"+442079460018"}}"#;
    let pseudonym = |key: &str| -> Span {
        let command = Callspan::transform().arguments(["--privacy", "hmac"]).variable("CALLSPAN_HMAC_KEY", key);
        command.input(record).run().trace().remove(0)
    };
    let span = pseudonym("0123456789abcdef0123456789abcdef");
    let value = span.attribute("tccc.caller.number").as_str().expect("it is text").to_owned();
    assert!(value.starts_with("v1:") && value.len() == 35, "{value}");
    assert_eq!(span.attribute("tccc.number.value"), &value, "one number, however it is written");
    assert_eq!(pseudonym("0123456789abcdef0123456789abcdef"), span);
    assert_ne!(pseudonym("another key, another key, another").attribute("tccc.caller.number"), &value);
}

/// On the wire and in the log as well.
#[test]
fn what_is_exported_and_logged_is_treated_alike() {
    let Some(backend) = Decoder::start() else { return };
    let service = Service::new().export_to(backend.endpoint(Protocol::Grpc)).variable("CALLSPAN_LOG", "debug").start();
    assert_eq!(service.push(records::SEED).status, 200);
    let spans = backend.take_export().spans;
    assert_eq!(only(&spans, "outbound call").attribute("tccc.number.value"), "***7605");
    for secret in [LEAKED, "zhangsan", "Zhang San", "Youyou"] {
        assert!(!format!("{spans:?}").contains(secret), "{secret} is in the spans");
        assert!(!service.log().contains(secret), "{secret} is in the log");
    }
}

/// The policy is the host's: it holds for any plugin, and drops what it does not know.
#[test]
fn the_policy_holds_for_every_plugin() {
    let run = |command| {
        let command =
            Callspan::transform().arguments(["--plugin", guests::OBEDIENT]).input(records::command("1", command));
        command.run().trace().remove(0)
    };
    assert_eq!(run("phone").attribute("obedient.phone"), "***0147");
    let secret = run("unknown-sensitivity");
    assert!(secret.attribute("obedient.secret").is_null());
    assert_eq!(secret.attribute("obedient.int"), 1, "what it does know stays");
}

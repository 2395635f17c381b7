//! The policy, class by class.

use super::*;

const KEY: &[u8] = b"a key of many bytes";
const OTHER_KEY: &[u8] = b"another key of many bytes";

fn key(key: &[u8]) -> HmacKey {
    HmacKey::new(key).expect("long enough")
}

fn admitted(policy: &Policy, sensitivity: Sensitivity, text: &str) -> Vec<(String, Value)> {
    let mut out = Vec::new();
    policy.admit_as(&"k".into(), || "k.length".into(), sensitivity, Value::Text(text.to_owned()), &mut out);
    out.into_iter().map(|attribute| (attribute.key.to_string(), attribute.value)).collect()
}

fn text(policy: &Policy, sensitivity: Sensitivity, value: &str) -> Option<String> {
    match admitted(policy, sensitivity, value).into_iter().find(|(key, _)| key == "k") {
        Some((_, Value::Text(text))) => Some(text),
        _ => None,
    }
}

fn hmac_policy() -> Policy {
    let mut policy = Policy::default();
    policy.set_all("hmac").expect("some classes can be hmac");
    policy.set_keys(Some(key(KEY)), None);
    policy
}

#[test]
fn numbers_keep_their_last_four_digits() {
    let policy = Policy::default();
    assert_eq!(text(&policy, Sensitivity::Phone, "0086184xxxx7605").as_deref(), Some("***7605"));
    assert_eq!(text(&policy, Sensitivity::Phone, "12345678").as_deref(), Some("***5678"));
    assert_eq!(text(&policy, Sensitivity::Phone, "1234567").as_deref(), Some("***"));
}

#[test]
fn mail_addresses_keep_their_domain() {
    let policy = Policy::default();
    assert_eq!(text(&policy, Sensitivity::Email, "robin@example.com").as_deref(), Some("r***@example.com"));
    assert_eq!(text(&policy, Sensitivity::Email, "@example.com").as_deref(), Some("***@example.com"));
    assert_eq!(text(&policy, Sensitivity::Email, "robin").as_deref(), Some("r***"));
}

#[test]
fn an_account_is_treated_as_what_it_looks_like() {
    let policy = Policy::default();
    for (account, shown) in [
        ("8546", "8546"),
        ("Billing", "Billing"),
        ("robin@example.com", "r***@example.com"),
        ("+86 138-0000-0000", "***0000"),
        ("1234567", "***"),
    ] {
        assert_eq!(text(&policy, Sensitivity::Account, account).as_deref(), Some(shown));
    }
}

#[test]
fn names_and_what_nobody_declared_stay_inside() {
    assert_eq!(admitted(&Policy::default(), Sensitivity::Name, "Robin"), []);
    assert_eq!(admitted(&Policy::default(), Sensitivity::Unknown, "x"), []);
    let mut plain = Policy::default();
    plain.set_all("plain").expect("classes can be plain");
    assert_eq!(admitted(&plain, Sensitivity::Unknown, "x"), []);
}

#[test]
fn free_text_leaves_its_length() {
    assert_eq!(admitted(&Policy::default(), Sensitivity::FreeText, "né"), [("k.length".to_owned(), Value::Integer(2))]);
}

#[test]
fn long_keypad_input_is_a_length() {
    let policy = Policy::default();
    assert_eq!(text(&policy, Sensitivity::Keypad, "#").as_deref(), Some("#"));
    assert_eq!(text(&policy, Sensitivity::Keypad, "4111111111111111").as_deref(), Some("length=16"));
}

#[test]
fn pseudonyms_match_across_spellings_and_attributes() {
    let mut policy = hmac_policy();
    let number = text(&policy, Sensitivity::Phone, "008613800000000");
    assert_eq!(number.as_deref().map(str::len), Some(35));
    assert_eq!(text(&policy, Sensitivity::Phone, "+86 138-0000-0000"), number);
    assert_eq!(text(&policy, Sensitivity::Account, "+8613800000000"), number);
    assert_ne!(text(&policy, Sensitivity::Phone, "013800000000"), number);
    policy.set_default_country("86").expect("a calling code");
    assert_eq!(text(&policy, Sensitivity::Phone, "013800000000"), number);
    assert_eq!(
        text(&policy, Sensitivity::Email, "A@example.com"),
        text(&policy, Sensitivity::Account, "a@example.com")
    );
    assert_ne!(text(&policy, Sensitivity::Name, "a@example.com"), text(&policy, Sensitivity::Email, "a@example.com"));
}

/// HMAC-SHA-256 with this key over `callspan/1 hmac phone\n+8613800000000`, computed with another implementation.
#[test]
fn a_pseudonym_is_the_published_function() {
    assert_eq!(
        text(&hmac_policy(), Sensitivity::Phone, "008613800000000").as_deref(),
        Some("v1:02f6329c67e11e2f706e4a43a07b438f")
    );
}

#[test]
fn a_previous_key_lets_older_traces_be_found() {
    let mut policy = hmac_policy();
    let old = text(&policy, Sensitivity::Phone, "008613800000000");
    policy.set_keys(Some(key(OTHER_KEY)), Some(key(KEY)));
    let both = admitted(&policy, Sensitivity::Phone, "008613800000000");
    assert_eq!(both.len(), 2);
    assert_eq!(both.first().cloned(), old.map(|old| ("k.previous".to_owned(), Value::Text(old))));
}

#[test]
fn a_previous_key_adds_nothing_where_nothing_is_hmac() {
    let mut policy = Policy::default();
    policy.set_keys(Some(key(OTHER_KEY)), Some(key(KEY)));
    assert_eq!(admitted(&policy, Sensitivity::Phone, "008613800000000").len(), 1);
}

#[test]
fn every_class_takes_its_choices_and_no_others() {
    for class in Policy::CLASSES {
        let allowed = Policy::allowed(class).expect("a class");
        for choice in [Choice::Plain, Choice::Mask, Choice::Hmac, Choice::Drop, Choice::Detect] {
            assert_eq!(
                Policy::default().set(class, choice.as_str()).is_ok(),
                allowed.contains(&choice),
                "{class} {choice:?}"
            );
        }
        let mut policy = Policy::default();
        assert_eq!(*policy.choice_mut(class).expect("a class"), allowed[0], "the default of {class} comes first");
    }
    assert!(matches!(Policy::default().set("mail", "plain"), Err(PolicyError::Class { .. })));
    assert!(matches!(Policy::default().set_all("hide"), Err(PolicyError::NoClassHas(_))));
}

#[test]
fn hmac_without_a_key_is_refused() {
    let mut policy = Policy::default();
    assert_eq!(policy.check(), Ok(()));
    policy.set("phone", "hmac").expect("a phone can be hmac");
    assert_eq!(policy.check(), Err(PolicyError::NoKey("phone")));
    assert!(matches!(HmacKey::new(b"short"), Err(PolicyError::ShortKey { bytes: 5 })));
}

#[test]
fn a_key_is_never_printed() {
    assert_eq!(format!("{:?}", key(KEY)), "HmacKey(redacted)");
}

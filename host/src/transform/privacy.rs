//! One privacy policy for all plugins: what becomes of a value is decided by what its attribute was declared to hold.
//!
//! | class | default | also |
//! |---|---|---|
//! | none | plain | drop |
//! | phone | mask: `***` and the last four digits; fewer than eight digits are `***` | hmac, plain, drop |
//! | email | mask: the first character, `***@` and the domain | hmac, plain, drop |
//! | name | drop | mask, hmac, plain |
//! | account | detect: plain, but a mail address as `email` and a number as `phone` | hmac, mask, drop, plain |
//! | place | plain | drop |
//! | free-text | drop, leaving `<key>.length` in characters | hmac, plain |
//! | keypad | mask: single keys plain, longer input as its length | plain, drop |
//!
//! `hmac` gives `v1:` and 32 hexadecimal digits: the first half of HMAC-SHA-256 over the class and the normalised
//! value, so that two spellings of one number or mail address match, in whatever attribute they stand. While a key is
//! being replaced, `<key>.previous` holds the same under the previous key, so that older traces can still be found.

use super::contract::{AttributeDefinition, Sensitivity};
use crate::span::{Attribute, Value};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

/// What is done with the values of one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    Plain,
    Mask,
    Hmac,
    Drop,
    /// For accounts: whatever their content calls for.
    Detect,
}

/// The operator's secret. Never printed.
#[derive(Clone)]
pub struct HmacKey(Hmac<Sha256>);

/// A choice for each class, and what `hmac` needs.
#[derive(Clone, Debug)]
pub struct Policy {
    none: Choice,
    phone: Choice,
    email: Choice,
    name: Choice,
    account: Choice,
    place: Choice,
    free_text: Choice,
    keypad: Choice,
    key: Option<HmacKey>,
    previous_key: Option<HmacKey>,
    /// Country calling code, digits alone, for numbers without one.
    default_country: Option<String>,
}

/// Why a policy cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    #[error("class {class} cannot be `{choice}`; it can be {}", allowed.join(", "))]
    Choice { class: String, choice: String, allowed: Vec<&'static str> },
    #[error("there is no class `{class}`; the classes are {}", Policy::CLASSES.join(", "))]
    Class { class: String },
    #[error("`{0}` is no choice of any class; the choices are plain, mask, hmac, drop")]
    NoClassHas(String),
    #[error("class {0} is `hmac`, but there is no key; set privacy.hmac_key_file or the variable CALLSPAN_HMAC_KEY")]
    NoKey(&'static str),
    #[error("an hmac key has at least {} bytes; this one has {bytes}", HmacKey::BYTES_MIN)]
    ShortKey { bytes: usize },
    #[error("a default country is a calling code of 1 to 3 digits, like 86")]
    Country,
}

impl HmacKey {
    /// A shorter key could be guessed by trying.
    pub const BYTES_MIN: usize = 16;

    /// # Errors
    /// When the key is shorter than [`HmacKey::BYTES_MIN`].
    pub fn new(key: &[u8]) -> Result<Self, PolicyError> {
        let short = || PolicyError::ShortKey { bytes: key.len() };
        if key.len() < Self::BYTES_MIN {
            return Err(short());
        }
        Hmac::new_from_slice(key).map(HmacKey).map_err(|_| short())
    }

    fn pseudonym(&self, class: &str, normalised: &str) -> String {
        let mut mac = self.0.clone();
        for part in ["callspan/1 hmac ", class, "\n", normalised] {
            mac.update(part.as_bytes());
        }
        let mut pseudonym = String::with_capacity(35);
        pseudonym.push_str("v1:");
        for byte in mac.finalize().into_bytes().iter().take(16) {
            // Writing to a string does not fail.
            let _written = write!(pseudonym, "{byte:02x}");
        }
        pseudonym
    }
}

impl fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HmacKey(redacted)")
    }
}

impl Choice {
    /// As it is written in a configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Choice::Plain => "plain",
            Choice::Mask => "mask",
            Choice::Hmac => "hmac",
            Choice::Drop => "drop",
            Choice::Detect => "detect",
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            none: Choice::Plain,
            phone: Choice::Mask,
            email: Choice::Mask,
            name: Choice::Drop,
            account: Choice::Detect,
            place: Choice::Plain,
            free_text: Choice::Drop,
            keypad: Choice::Mask,
            key: None,
            previous_key: None,
            default_country: None,
        }
    }
}

impl Policy {
    /// The classes, as they are written in a configuration.
    pub const CLASSES: [&'static str; 8] =
        ["none", "phone", "email", "name", "account", "place", "free_text", "keypad"];

    /// What a class may be set to; its default first. None for a class that does not exist.
    fn allowed(class: &str) -> Option<&'static [Choice]> {
        use Choice::{Detect, Drop, Hmac, Mask, Plain};
        Some(match class {
            "none" | "place" => &[Plain, Drop],
            "phone" | "email" => &[Mask, Hmac, Plain, Drop],
            "name" => &[Drop, Mask, Hmac, Plain],
            "account" => &[Detect, Hmac, Mask, Drop, Plain],
            "free_text" => &[Drop, Hmac, Plain],
            "keypad" => &[Mask, Plain, Drop],
            _ => return None,
        })
    }

    /// Sets one class.
    ///
    /// # Errors
    /// When there is no such class, or it cannot be that.
    pub fn set(&mut self, class: &str, choice: &str) -> Result<(), PolicyError> {
        let allowed = Self::allowed(class).ok_or_else(|| PolicyError::Class { class: class.to_owned() })?;
        let found = allowed.iter().find(|allowed| allowed.as_str() == choice).ok_or_else(|| PolicyError::Choice {
            class: class.to_owned(),
            choice: choice.to_owned(),
            allowed: allowed.iter().map(|choice| choice.as_str()).collect(),
        })?;
        if let Some(target) = self.choice_mut(class) {
            *target = *found;
        }
        Ok(())
    }

    /// Sets every class that can be this.
    ///
    /// # Errors
    /// When none can.
    pub fn set_all(&mut self, choice: &str) -> Result<(), PolicyError> {
        let taking = Self::CLASSES.iter().filter(|class| self.set(class, choice).is_ok()).count();
        if taking == 0 { Err(PolicyError::NoClassHas(choice.to_owned())) } else { Ok(()) }
    }

    /// The key for `hmac`, and the one it replaces.
    pub fn set_keys(&mut self, key: Option<HmacKey>, previous_key: Option<HmacKey>) {
        (self.key, self.previous_key) = (key, previous_key);
    }

    /// The calling code of numbers that come without one.
    ///
    /// # Errors
    /// When it is not 1 to 3 digits.
    pub fn set_default_country(&mut self, code: &str) -> Result<(), PolicyError> {
        if !(1..=3).contains(&code.len()) || !code.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(PolicyError::Country);
        }
        self.default_country = Some(code.to_owned());
        Ok(())
    }

    /// Holds that nothing was chosen that cannot be done.
    ///
    /// # Errors
    /// When a class is `hmac` and there is no key.
    pub fn check(&self) -> Result<(), PolicyError> {
        let choices = [
            ("phone", self.phone),
            ("email", self.email),
            ("name", self.name),
            ("account", self.account),
            ("free_text", self.free_text),
        ];
        match choices.iter().find(|(_, choice)| *choice == Choice::Hmac) {
            Some((class, _)) if self.key.is_none() => Err(PolicyError::NoKey(class)),
            _ => Ok(()),
        }
    }

    fn choice_mut(&mut self, class: &str) -> Option<&mut Choice> {
        Some(match class {
            "none" => &mut self.none,
            "phone" => &mut self.phone,
            "email" => &mut self.email,
            "name" => &mut self.name,
            "account" => &mut self.account,
            "place" => &mut self.place,
            "free_text" => &mut self.free_text,
            "keypad" => &mut self.keypad,
            _ => return None,
        })
    }

    /// Adds what may leave of a value to a list of attributes.
    pub(super) fn admit(&self, definition: &AttributeDefinition, value: Value, out: &mut Vec<Attribute>) {
        self.admit_as(&definition.key, definition.sensitivity, value, out);
    }

    /// The same for a value whose key was made here.
    pub(super) fn admit_as(&self, key: &Arc<str>, sensitivity: Sensitivity, value: Value, out: &mut Vec<Attribute>) {
        let mut push = |key: Arc<str>, value: Value| out.push(Attribute { key, value });
        match self.choice(sensitivity) {
            Choice::Plain => push(Arc::clone(key), value),
            Choice::Drop if sensitivity == Sensitivity::FreeText => {
                if let Some(length) = length(&value) {
                    push(format!("{key}.length").into(), Value::Integer(length));
                }
            }
            Choice::Drop => {}
            Choice::Mask | Choice::Hmac | Choice::Detect => {
                let previous =
                    self.previous_key.as_ref().and_then(|previous| self.rewrite(sensitivity, &value, Some(previous)));
                if let Some(value) = self.rewrite(sensitivity, &value, self.key.as_ref()) {
                    if let Some(previous) = previous.filter(|previous| *previous != value) {
                        push(format!("{key}.previous").into(), previous);
                    }
                    push(Arc::clone(key), value);
                }
            }
        }
    }

    fn choice(&self, sensitivity: Sensitivity) -> Choice {
        match sensitivity {
            Sensitivity::None => self.none,
            Sensitivity::Phone => self.phone,
            Sensitivity::Email => self.email,
            Sensitivity::Name => self.name,
            Sensitivity::Account => self.account,
            Sensitivity::Place => self.place,
            Sensitivity::FreeText => self.free_text,
            Sensitivity::Keypad => self.keypad,
            Sensitivity::Unknown => Choice::Drop,
        }
    }

    /// None when nothing may leave: also for numbers, which have no form between plain and dropped.
    fn rewrite(&self, sensitivity: Sensitivity, value: &Value, key: Option<&HmacKey>) -> Option<Value> {
        match value {
            Value::Text(text) => self.rewrite_text(sensitivity, self.choice(sensitivity), text, key).map(Value::Text),
            Value::Texts(texts) => {
                let rewritten: Vec<String> = texts
                    .iter()
                    .filter_map(|text| self.rewrite_text(sensitivity, self.choice(sensitivity), text, key))
                    .collect();
                (!rewritten.is_empty()).then_some(Value::Texts(rewritten))
            }
            Value::Boolean(_)
            | Value::Integer(_)
            | Value::Double(_)
            | Value::Booleans(_)
            | Value::Integers(_)
            | Value::Doubles(_) => None,
        }
    }

    fn rewrite_text(
        &self,
        sensitivity: Sensitivity,
        choice: Choice,
        text: &str,
        key: Option<&HmacKey>,
    ) -> Option<String> {
        let content = if sensitivity == Sensitivity::Account { content(text) } else { sensitivity };
        match choice {
            Choice::Plain => Some(text.to_owned()),
            Choice::Drop => None,
            Choice::Detect if content == Sensitivity::Account => Some(text.to_owned()),
            Choice::Detect => self.rewrite_text(content, self.choice(content), text, key),
            Choice::Mask => Some(mask(content, text)),
            Choice::Hmac => key.map(|key| self.pseudonym(content, text, key)),
        }
    }

    fn pseudonym(&self, content: Sensitivity, text: &str, key: &HmacKey) -> String {
        let normalised = match content {
            Sensitivity::Phone => self.normalised_number(text),
            Sensitivity::Email => text.trim().to_lowercase(),
            _ => text.to_owned(),
        };
        key.pseudonym(content.as_str(), &normalised)
    }

    /// Without spaces and dashes, with `+` for a leading `00`; a national number gets the default country for its trunk
    /// prefix.
    fn normalised_number(&self, text: &str) -> String {
        let compact: String = text
            .chars()
            .filter(|character| !character.is_whitespace() && !matches!(character, '-' | '(' | ')'))
            .collect();
        if let Some(rest) = compact.strip_prefix("00") {
            return format!("+{rest}");
        }
        match &self.default_country {
            Some(country) if !compact.starts_with('+') => {
                format!("+{country}{}", compact.strip_prefix('0').unwrap_or(&compact))
            }
            _ => compact,
        }
    }
}

/// What an account turns out to be. A mail address has an `@`; a number is spelled with at least seven digits and
/// nothing that numbers are not spelled with, which spares staff numbers and extensions.
fn content(account: &str) -> Sensitivity {
    const NUMBER_DIGITS_MIN: usize = 7;
    if account.contains('@') {
        return Sensitivity::Email;
    }
    let digits = account.bytes().filter(u8::is_ascii_digit).count();
    let is_spelled_as_number = account.chars().all(|character| {
        character.is_ascii_digit() || matches!(character, '+' | '-' | ' ' | '(' | ')' | 'x' | 'X' | '*')
    });
    if digits >= NUMBER_DIGITS_MIN && is_spelled_as_number { Sensitivity::Phone } else { Sensitivity::Account }
}

fn mask(content: Sensitivity, text: &str) -> String {
    match content {
        Sensitivity::Phone => masked_number(text),
        Sensitivity::Email => match text.rsplit_once('@') {
            Some((local, domain)) => format!("{}***@{domain}", first_character(local)),
            None => format!("{}***", first_character(text)),
        },
        Sensitivity::Keypad => match text.chars().count() {
            0 | 1 => text.to_owned(),
            length => format!("length={length}"),
        },
        _ => format!("{}***", first_character(text)),
    }
}

fn masked_number(text: &str) -> String {
    const DIGITS_MIN: usize = 8;
    const DIGITS_SHOWN: usize = 4;
    let digits: Vec<char> = text.chars().filter(char::is_ascii_digit).collect();
    if digits.len() < DIGITS_MIN {
        return "***".to_owned();
    }
    let shown = digits.get(digits.len() - DIGITS_SHOWN..).unwrap_or_default();
    format!("***{}", shown.iter().collect::<String>())
}

fn first_character(text: &str) -> String {
    text.chars().next().map(String::from).unwrap_or_default()
}

/// Characters of a text, or of all texts together.
fn length(value: &Value) -> Option<i64> {
    let characters = match value {
        Value::Text(text) => text.chars().count(),
        Value::Texts(texts) => texts.iter().map(|text| text.chars().count()).sum(),
        _ => return None,
    };
    i64::try_from(characters).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"a key of many bytes";
    const OTHER_KEY: &[u8] = b"another key of many bytes";

    fn key(key: &[u8]) -> HmacKey {
        HmacKey::new(key).expect("long enough")
    }

    fn admitted(policy: &Policy, sensitivity: Sensitivity, text: &str) -> Vec<(String, Value)> {
        let mut out = Vec::new();
        policy.admit_as(&Arc::from("k"), sensitivity, Value::Text(text.to_owned()), &mut out);
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
        assert_eq!(
            admitted(&Policy::default(), Sensitivity::FreeText, "né"),
            [("k.length".to_owned(), Value::Integer(2))]
        );
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
        assert_ne!(
            text(&policy, Sensitivity::Name, "a@example.com"),
            text(&policy, Sensitivity::Email, "a@example.com")
        );
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
}

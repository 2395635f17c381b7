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

mod hmac_key;
mod mask;
#[cfg(test)]
mod tests;

use super::contract::{AttributeDefinition, Sensitivity};
use crate::span::{Attribute, Name, Value};
use mask::{content, length, mask};

pub use hmac_key::HmacKey;

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
    pub fn allowed(class: &str) -> Option<&'static [Choice]> {
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

    /// Whether texts that people wrote leave as they are.
    #[must_use]
    pub fn shows_free_text(&self) -> bool {
        self.free_text == Choice::Plain
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

    /// Differs between policies that make different things of a value, and tells nothing of a key.
    pub(super) fn fingerprint(&self) -> Vec<u8> {
        let mut policy = self.clone();
        let mut text = String::new();
        for class in Self::CLASSES {
            text.push_str(policy.choice_mut(class).map_or("", |choice| choice.as_str()));
            text.push(' ');
        }
        for key in [&self.key, &self.previous_key] {
            text.push_str(&key.as_ref().map(|key| key.pseudonym("fingerprint", "")).unwrap_or_default());
            text.push(' ');
        }
        text.push_str(self.default_country.as_deref().unwrap_or_default());
        text.into_bytes()
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
        let AttributeDefinition { key, length_key, sensitivity, .. } = definition;
        self.admit_as(key, || length_key.clone(), *sensitivity, value, out);
    }

    /// The same for a value whose key was made here.
    pub(super) fn admit_as(
        &self,
        key: &Name,
        length_key: impl FnOnce() -> Name,
        sensitivity: Sensitivity,
        value: Value,
        out: &mut Vec<Attribute>,
    ) {
        let mut push = |key: Name, value: Value| out.push(Attribute { key, value });
        match self.choice(sensitivity) {
            Choice::Plain => push(key.clone(), value),
            Choice::Drop if sensitivity == Sensitivity::FreeText => {
                if let Some(length) = length(&value) {
                    push(length_key(), Value::Integer(length));
                }
            }
            Choice::Drop => {}
            Choice::Mask | Choice::Hmac | Choice::Detect => {
                let rewrite_with_previous =
                    |previous: &HmacKey| self.rewrite(sensitivity, value.clone(), Some(previous));
                let previous = self.previous_key.as_ref().and_then(rewrite_with_previous);
                if let Some(value) = self.rewrite(sensitivity, value, self.key.as_ref()) {
                    if let Some(previous) = previous.filter(|previous| *previous != value) {
                        push(format!("{key}.previous").into(), previous);
                    }
                    push(key.clone(), value);
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
    fn rewrite(&self, sensitivity: Sensitivity, value: Value, key: Option<&HmacKey>) -> Option<Value> {
        let choice = self.choice(sensitivity);
        match value {
            Value::Text(text) => self.rewrite_text(sensitivity, choice, text, key).map(Value::Text),
            Value::Texts(texts) => {
                let rewrite = |text| self.rewrite_text(sensitivity, choice, text, key);
                let rewritten: Vec<String> = texts.into_iter().filter_map(rewrite).collect();
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
        text: String,
        key: Option<&HmacKey>,
    ) -> Option<String> {
        let content = if sensitivity == Sensitivity::Account { content(&text) } else { sensitivity };
        match choice {
            Choice::Plain => Some(text),
            Choice::Drop => None,
            Choice::Detect if content == Sensitivity::Account => Some(text),
            Choice::Detect => self.rewrite_text(content, self.choice(content), text, key),
            Choice::Mask => Some(mask(content, text)),
            Choice::Hmac => key.map(|key| self.pseudonym(content, &text, key)),
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

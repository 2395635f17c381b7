//! What is left of a value that is neither shown nor dropped.

use super::Sensitivity;
use crate::span::Value;

/// What an account turns out to be. A mail address has an `@`; a number is spelled with at least seven digits and
/// nothing that numbers are not spelled with, which spares staff numbers and extensions.
pub(super) fn content(account: &str) -> Sensitivity {
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

/// What may be seen of it.
pub(super) fn mask(content: Sensitivity, text: &str) -> String {
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
pub(super) fn length(value: &Value) -> Option<i64> {
    let characters = match value {
        Value::Text(text) => text.chars().count(),
        Value::Texts(texts) => texts.iter().map(|text| text.chars().count()).sum(),
        _ => return None,
    };
    i64::try_from(characters).ok()
}

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

/// Stands for what is not shown.
const HIDDEN: &str = "***";

/// What may be seen of it, where it stood.
pub(super) fn mask(content: Sensitivity, mut text: String) -> String {
    match content {
        Sensitivity::Phone => mask_number(&mut text),
        Sensitivity::Keypad => match text.chars().count() {
            0 | 1 => {}
            length => text = format!("length={length}"),
        },
        Sensitivity::Email => {
            let local = text.rfind('@').unwrap_or(text.len());
            mask_from_second(&mut text, local);
        }
        _ => {
            let all = text.len();
            mask_from_second(&mut text, all);
        }
    }
    text
}

fn mask_number(text: &mut String) {
    const DIGITS_MIN: usize = 8;
    const DIGITS_SHOWN: usize = 4;
    text.retain(|character| character.is_ascii_digit());
    let hidden = if text.len() < DIGITS_MIN { text.len() } else { text.len() - DIGITS_SHOWN };
    text.replace_range(..hidden, HIDDEN);
}

/// Leaves the first character, and what stands from there on.
fn mask_from_second(text: &mut String, end: usize) {
    let first = text.chars().next().map_or(0, char::len_utf8).min(end);
    text.replace_range(first..end, HIDDEN);
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

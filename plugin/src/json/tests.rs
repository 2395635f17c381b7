//! The reader against `serde_json`, and where it goes beyond.

use super::*;
use proptest::prelude::*;

fn accepts(text: &str) -> bool {
    let (arena, limits) = (Bump::new(), Limits::default());
    let mut reader = Reader::new(text, &limits, &arena);
    reader.skip().and_then(|()| reader.finish()).is_ok()
}

fn string(text: &str) -> String {
    let (arena, limits) = (Bump::new(), Limits::default());
    match Reader::new(text, &limits, &arena).token() {
        Ok(Token::Text(text)) => text.to_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn escapes_are_resolved() {
    assert_eq!(string(r#""a\n\u00e9\ud83d\ude00\/\"""#), "a\né😀/\"");
}

#[test]
fn a_lone_surrogate_becomes_the_replacement_character() {
    assert_eq!(string(r#""\ud800""#), "\u{fffd}");
    assert_eq!(string(r#""\ud800x\udc00""#), "\u{fffd}x\u{fffd}");
    assert_eq!(string(r#""\ud800\ud83d\ude00""#), "\u{fffd}😀");
    assert_eq!(string(r#""\ud800\u0041""#), "\u{fffd}A");
}

#[test]
fn depth_is_limited_inside_what_is_skipped() {
    let (arena, limits) = (Bump::new(), Limits::default());
    let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    assert_eq!(Reader::new(&nested(64), &limits, &arena).skip(), Ok(()));
    assert_eq!(Reader::new(&nested(65), &limits, &arena).skip(), Err(Malformed { at: 64, problem: Problem::TooDeep }));
}

#[test]
fn a_number_keeps_its_spelling() {
    let (arena, limits) = (Bump::new(), Limits::default());
    for spelling in ["-0", "1.50", "1e400", "18446744073709551616", "0.0E-7"] {
        assert_eq!(Reader::new(spelling, &limits, &arena).token(), Ok(Token::Number(spelling)));
    }
}

/// Texts that are nearly JSON.
fn nearly_json() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"a\"",
        "\"\\u00e9\"",
        "\"\\x\"",
        "\"",
        "\\",
        "1",
        "-",
        "0",
        ".5",
        "e3",
        "true",
        "fals",
        "null",
        " ",
        "\n",
        "\u{1}",
        "é",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn it_accepts_what_serde_json_accepts(text in nearly_json()) {
        let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
        prop_assert_eq!(accepts(&text), theirs, "{}", text);
    }

    #[test]
    fn it_reads_back_what_serde_json_writes(text in any::<String>()) {
        let written = serde_json::to_string(&text).expect("a string can be written");
        prop_assert_eq!(string(&written), text);
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        accepts(&text);
    }
}

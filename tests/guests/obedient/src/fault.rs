//! What is wrong with this component before it is given anything. A copy with a fault is the same component with another
//! word in its data.

use crate::command;

/// What a test looks for in the component, and the word after it, which it may replace.
static FAULT: [u8; 64] = *b"the fault of this guest is: none                                ";
const WORD_AT: usize = 28;

/// The word; `none` in the component as it is built.
pub(crate) fn named() -> &'static str {
    let fault = std::hint::black_box(&FAULT);
    std::str::from_utf8(&fault[WORD_AT..]).unwrap_or_default().trim_end()
}

/// Does one of the things after which nothing comes any more; nothing for any other word.
pub(crate) fn suffer(word: &str) {
    match word {
        "loop" => drop(command::forever()),
        "trap" => panic!("told to"),
        "allocate" => drop(command::allocate(usize::MAX)),
        "recurse" => drop(command::recurse(usize::MAX)),
        _ => {}
    }
}

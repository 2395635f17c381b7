//! What is wrong with this component before it is given anything. A copy with a fault is the same component with another
//! word in its data.

use crate::command;
use crate::describe::{INT, PHONE};
use crate::exports::callspan::transform::plugin::{Attribute, Outcome, Rejection, Value};
use crate::record::Record;

/// What a test looks for in the component, and the word after it, which it may replace.
static FAULT: [u8; 64] = *b"the fault of this guest is: none                                ";
const WORD_AT: usize = 28;

/// The word; `none` in the component as it is built.
pub(crate) fn named() -> &'static str {
    let fault = std::hint::black_box(&FAULT);
    std::str::from_utf8(&fault[WORD_AT..]).unwrap_or_default().trim_end()
}

/// What another version of this guest makes of a record, but for the one it is tried with, which has no id.
pub(crate) fn other_version(record: &Record, outcome: Outcome) -> Outcome {
    match (named(), outcome) {
        (_, outcome) if record.id.is_empty() => outcome,
        ("traps", _) => panic!("told to"),
        ("refuses", _) => Outcome::Rejected(Rejection {
            class: "policy".into(),
            code: "another_version".into(),
            path: None,
            message: "told to".into(),
        }),
        ("other-values", Outcome::Trace(mut trace)) => {
            let attributes = &mut trace.spans[0].attributes;
            if let Some(phone) = attributes.iter_mut().find(|attribute| attribute.key == PHONE) {
                phone.value = Value::Text("+1 202 555 9876".into());
            }
            attributes.push(Attribute { key: INT, value: Value::Int(2_025_550_199_123) });
            trace.spans.pop();
            Outcome::Trace(trace)
        }
        (_, outcome) => outcome,
    }
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

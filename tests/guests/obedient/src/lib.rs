//! A guest that does what each record tells it to, so that one component shows every way a plugin can go wrong, and its
//! neighbours in the batch can be watched meanwhile.
//!
//! A record is `{"id": "7", "do": "loop"}`; without `do` it becomes a small valid trace. Options are `{"refuse":
//! true}`, which `configure` answers with two diagnostics, `{"obey": false}`, with which every record becomes the
//! small trace, and `{"configure": "loop"}`. What concerns the component before it is given anything is written into
//! its bytes (`fault`).

mod command;
mod describe;
mod fault;
mod record;

use exports::callspan::transform::plugin::{Description, Diagnostic, Guest, Input, Outcome};
use record::Record;
use serde_json::Value;
use std::sync::atomic::{AtomicBool, Ordering};

wit_bindgen::generate!({ path: "../../../wit", world: "transform" });

struct Obedient;

/// Whether records are obeyed.
static OBEYS: AtomicBool = AtomicBool::new(true);

impl Guest for Obedient {
    fn describe() -> Description {
        fault::suffer(fault::named());
        describe::description(fault::named())
    }

    fn configure(options: String) -> Result<(), Vec<Diagnostic>> {
        let options: Value = serde_json::from_str(&options).unwrap_or_default();
        OBEYS.store(options["obey"] != Value::Bool(false), Ordering::Relaxed);
        fault::suffer(options["configure"].as_str().unwrap_or_default());
        if options["refuse"] == Value::Bool(true) {
            return Err(vec![
                diagnostic("/refuse", "must not be true"),
                diagnostic("", "this plugin was told to refuse its options"),
            ]);
        }
        Ok(())
    }

    fn transform(batch: Vec<Input>) -> Vec<Outcome> {
        let mut records: Vec<Record> = batch.iter().map(Record::read).collect();
        if !OBEYS.load(Ordering::Relaxed) {
            records.iter_mut().for_each(|record| record.command.clear());
        }
        let mapped = |record: &Record| fault::other_version(record, command::obey(record));
        let mut outcomes: Vec<Outcome> = records.iter().map(mapped).collect();
        // The two lies that are about the batch rather than about one record.
        if records.iter().any(|record| record.is("wrong-count")) {
            outcomes.pop();
        }
        if records.iter().any(|record| record.is("one-too-many")) {
            outcomes.push(Outcome::Skipped("nobody asked".into()));
        }
        outcomes
    }
}

fn diagnostic(path: &str, message: &str) -> Diagnostic {
    Diagnostic { path: path.into(), message: message.into() }
}

/// Run when an instance is made.
#[unsafe(export_name = "_initialize")]
extern "C" fn start() {
    fault::suffer(fault::named().strip_prefix("start-").unwrap_or_default());
}

export!(Obedient);

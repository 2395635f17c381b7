//! Amazon Connect contact records as traces: a sketch that holds the contract against a second source. It maps enough
//! to be looked at in a backend, and is no product.
//!
//! What makes the source different from Tencent's: a transfer is a record of its own, which names its predecessor; a
//! record is sent again when it has grown; and a flow's author puts free attributes into it. So a call is several
//! records that contribute to one trace, and references between spans cross records.
//!
//! Source: Amazon Connect Administrator Guide, "Contact records data model" (`ContactTraceRecord`, format version
//! 2017-03-10).

mod describe;
mod map;
mod record;
mod timestamp;

use exports::callspan::transform::plugin::{Description, Diagnostic, Guest, Input, Outcome};

wit_bindgen::generate!({ path: "../../../wit", world: "transform" });

struct ConnectSketch;

impl Guest for ConnectSketch {
    fn describe() -> Description {
        describe::description()
    }

    fn configure(options: String) -> Result<(), Vec<Diagnostic>> {
        match options.trim() {
            "" | "{}" => Ok(()),
            _ => Err(vec![Diagnostic {
                path: String::new(),
                message: "must be empty: the sketch has no options".into(),
            }]),
        }
    }

    fn transform(batch: Vec<Input>) -> Vec<Outcome> {
        batch
            .iter()
            .map(|input| match map::contact(&input.body) {
                Ok(trace) => Outcome::Trace(trace),
                Err(rejection) => Outcome::Rejected(rejection),
            })
            .collect()
    }
}

export!(ConnectSketch);

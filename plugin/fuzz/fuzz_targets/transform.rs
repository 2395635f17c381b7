//! Any bytes, one outcome: no panic, the same each time, and nothing that the host would have to refuse.

#![no_main]

use callspan_tccc::Mapping;
use callspan_tccc::bindings::{Outcome, SpanReference, Trace};
use libfuzzer_sys::fuzz_target;
use std::collections::HashSet;

fuzz_target!(|body: &[u8]| {
    let mapping = Mapping::default();
    let outcome = mapping.map(body);
    assert_eq!(outcome, mapping.map(body), "the mapping is a pure function");
    match outcome {
        Outcome::Trace(trace) => check(&trace),
        Outcome::Skipped(_) => panic!("every call is mapped or refused"),
        Outcome::Rejected(rejection) => {
            let is_code = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
            assert!((1..=64).contains(&rejection.code.len()) && rejection.code.bytes().all(is_code), "{rejection:?}");
        }
    }
});

fn check(trace: &Trace) {
    assert!(!trace.spans.is_empty());
    assert!((1..=512).contains(&trace.key.len()), "{}", trace.key);
    let mut keys = HashSet::new();
    for (index, span) in trace.spans.iter().enumerate() {
        assert!((1..=512).contains(&span.key.len()) && keys.insert(&span.key), "{}", span.key);
        assert!(span.start_unix_nano < span.end_unix_nano, "{span:?}");
        assert!((span.resource as usize) < trace.resources.len(), "{span:?}");
        let targets = span.parent.iter().chain(span.links.iter().map(|link| &link.target));
        for target in targets {
            assert!(matches!(target, SpanReference::Local(earlier) if (*earlier as usize) < index), "{span:?}");
        }
        let distinct: HashSet<u32> = span.attributes.iter().map(|attribute| attribute.key).collect();
        assert_eq!(distinct.len(), span.attributes.len(), "{span:?}");
        assert!(span.events.is_sorted_by_key(|event| event.time_unix_nano), "{span:?}");
    }
}

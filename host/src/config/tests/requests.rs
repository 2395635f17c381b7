//! What the requests of a sink are held to.

use super::*;
use crate::delivery::{AdaptiveConcurrency, Concurrency};

fn sink(options: &str) -> String {
    format!("sinks: {{ a: {{ type: opentelemetry, {options} }} }}")
}

fn concurrency(options: &str) -> Concurrency {
    planned(&sink(options)).sinks[0].plan.delivery.concurrency
}

#[test]
fn concurrency_is_a_word_or_a_number() {
    let default = AdaptiveConcurrency::default();
    for (written, expected) in [
        ("adaptive", Concurrency::Adaptive(default)),
        ("none", Concurrency::Fixed(1)),
        ("1", Concurrency::Fixed(1)),
        ("200", Concurrency::Fixed(200)),
        ("'${NOT_SET:-7}'", Concurrency::Fixed(7)),
        ("'${NOT_SET:-none}'", Concurrency::Fixed(1)),
    ] {
        assert_eq!(concurrency(&format!("request: {{ concurrency: {written} }}")), expected, "{written}");
    }
    assert_eq!(concurrency("request:"), Concurrency::Adaptive(default));
    let own = "{ initial_concurrency: 2, max_concurrency_limit: 50, decrease_ratio: 0.5, ewma_alpha: 0.25, rtt_deviation_scale: 3 }";
    let expected = AdaptiveConcurrency {
        initial_concurrency: 2,
        max_concurrency_limit: 50,
        decrease_ratio: 0.5,
        ewma_alpha: 0.25,
        rtt_deviation_scale: 3.0,
    };
    assert_eq!(concurrency(&format!("request: {{ adaptive_concurrency: {own} }}")), Concurrency::Adaptive(expected));
}

/// Whoever lowers the most need not lower the first too.
#[test]
fn an_initial_concurrency_that_is_left_out_is_not_more_than_the_most() {
    for (most, initial) in [(1, 1), (8, 8), (200, 8)] {
        let options = format!("request: {{ adaptive_concurrency: {{ max_concurrency_limit: {most} }} }}");
        let Concurrency::Adaptive(settings) = concurrency(&options) else { panic!("it is adaptive") };
        assert_eq!((settings.initial_concurrency, settings.max_concurrency_limit), (initial, most));
    }
    let text = sink("request: { adaptive_concurrency: { initial_concurrency: 5, max_concurrency_limit: 4 } }");
    assert_eq!(
        problems(&text),
        [
            "1: sinks.a.request.adaptive_concurrency.initial_concurrency: expected at most `max_concurrency_limit`, which is 4"
        ]
    );
}

#[test]
fn the_size_of_requests_is_what_receivers_take_unless_it_is_configured() {
    for (options, expected) in [("request:", 4 * 1024 * 1024), ("request: { max_bytes: 65536 }", 65_536)] {
        let plan = planned(&sink(options));
        let SinkKind::Opentelemetry(backend) = &plan.sinks[0].plan.kind else { panic!("an opentelemetry") };
        assert_eq!(backend.request_bytes_max, expected);
    }
}

#[test]
fn a_backend_is_looked_for_unless_that_is_disabled() {
    for (options, expected) in [
        ("healthcheck:", true),
        ("healthcheck: { enabled: true }", true),
        ("healthcheck: { enabled: false }", false),
        ("healthcheck: { enabled: '${NOT_SET:-false}' }", false),
    ] {
        let plan = planned(&sink(options));
        let SinkKind::Opentelemetry(backend) = &plan.sinks[0].plan.kind else { panic!("an opentelemetry") };
        assert_eq!(backend.has_healthcheck, expected, "{options}");
    }
    assert_eq!(
        problems(&sink("healthcheck: { enabled: maybe }")),
        ["1: sinks.a.healthcheck.enabled: expected true or false, not `maybe`"]
    );
}

/// What is sent to a file or a console spares nobody.
#[test]
fn sinks_without_a_backend_do_not_adapt() {
    for options in ["type: console", "type: file, path: /traces.jsonl"] {
        let plan = planned(&format!("sinks: {{ a: {{ {options} }} }}"));
        assert_eq!(plan.sinks[0].plan.delivery.concurrency, Concurrency::Fixed(8));
    }
}

/// On either side of each, what is taken and what is not.
#[test]
fn every_bound_holds() {
    let request = |option: &str, value: &str| sink(&format!("request: {{ {option}: {value} }}"));
    let adaptive = |option: &str, value: &str| request("adaptive_concurrency", &format!("{{ {option}: {value} }}"));
    let rows: [Bounds<'_>; 7] = [
        (&request, "max_bytes", &["65536", "67108864"], &["65535", "67108865", "4MB"]),
        (&request, "concurrency", &["1", "200", "none", "adaptive"], &["0", "201", "1.5", "many", "true", "[1]"]),
        (&adaptive, "initial_concurrency", &["1", "8"], &["0", "201"]),
        (&adaptive, "max_concurrency_limit", &["1", "200"], &["0", "201"]),
        (&adaptive, "decrease_ratio", &["0.001", "0.999"], &["0", "1", "-0.5", ".nan", "'0.5'", "much"]),
        (&adaptive, "ewma_alpha", &["0.001", "0.999"], &["0", "0.0", "1", "1.0"]),
        (
            &adaptive,
            "rtt_deviation_scale",
            &["0", "2", "2.5", "100", "100.0"],
            &["-0.1", "100.1", "101", ".inf", ".nan"],
        ),
    ];
    assert_bounds_hold(&rows);
}

//! What a source that listens is held to.

use super::*;
use crate::connections::ConnectionLimits;
use std::time::Duration;

/// Of the first source.
fn connections(options: &str) -> (ConnectionLimits, usize) {
    let plan = planned(&format!("sources: {{ a: {{ type: http_server, {options} }} }}"));
    match &plan.sources[0].plan {
        SourcePlan::HttpServer { connections, settings, .. } => (*connections, settings.expanded_bytes_max),
        _ => panic!("an http_server"),
    }
}

#[test]
fn what_is_left_out_is_what_the_listener_would_take() {
    assert_eq!(connections("limits: {}").0, ConnectionLimits::default());
}

#[test]
fn a_body_may_become_as_large_as_it_may_come_unless_something_else_is_said() {
    assert_eq!(connections("limits: { body_bytes_max: 77 }").1, 77);
    assert_eq!(connections("limits: { body_bytes_max: 77, expanded_bytes_max: 99 }").1, 99);
}

/// Of the first source, with these limits.
fn bodies_bytes_max(kind: &str, limits: &str) -> usize {
    let plan = planned(&format!("sources: {{ a: {{ type: {kind}, limits: {{ {limits} }} }} }}"));
    match &plan.sources[0].plan {
        SourcePlan::HttpServer { settings, .. } => settings.bodies_bytes_max,
        SourcePlan::Opentelemetry { settings, .. } => settings.bodies_bytes_max,
        _ => panic!("one that listens"),
    }
}

#[test]
fn there_is_room_for_several_of_the_largest_bodies() {
    const MIB: usize = 1024 * 1024;
    assert_eq!(bodies_bytes_max("http_server", ""), 32 * MIB);
    let largest = 2 * 10 * MIB + 10_000 * 512;
    assert_eq!(bodies_bytes_max("http_server", "body_bytes_max: 10485760"), 4 * largest);
    let otlp = "opentelemetry, grpc: { address: '127.0.0.1:0' }";
    assert_eq!(bodies_bytes_max(otlp, ""), 4 * (2 * 4 * MIB + 10_000 * 512));
}

#[test]
fn the_room_for_bodies_is_at_least_twice_the_largest() {
    let limits =
        |bytes| format!("body_bytes_max: 100, expanded_bytes_max: 200, body_records_max: 2, bodies_bytes_max: {bytes}");
    assert_eq!(bodies_bytes_max("http_server", &limits(2648)), 2648);
    for kind in ["http_server", "opentelemetry, grpc: { address: '127.0.0.1:0' }"] {
        let found = problems(&format!("sources: {{ a: {{ type: {kind}, limits: {{ {} }} }} }}", limits(2647)));
        assert_eq!(
            found,
            [
                "1: sources.a.limits.bodies_bytes_max: expected at least 2648: twice body_bytes_max, expanded_bytes_max and \
              512 for each of body_records_max"
            ]
        );
    }
}

#[test]
fn every_limit_reaches_the_listener() {
    let (limits, _) = connections(
        "limits: { connections_max: 1, connections_per_address_max: 2, requests_max: 3, streams_max: 4, \
         pending_resets_max: 5, error_resets_max: 6, uri_bytes_max: 7, header_bytes_max: 256, headers_max: 9, \
         handshake_timeout_secs: 10, header_timeout_secs: 11, idle_timeout_secs: 12 }, \
         keepalive: { max_connection_age_secs: 13, max_connection_age_jitter_factor: 0.25 }",
    );
    assert_eq!(
        limits,
        ConnectionLimits {
            connections_max: 1,
            connections_per_address_max: 2,
            requests_max: 3,
            streams_max: 4,
            pending_resets_max: 5,
            error_resets_max: 6,
            uri_bytes_max: 7,
            header_bytes_max: 256,
            headers_max: 9,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(11),
            idle_timeout: Duration::from_secs(12),
            age_max: Duration::from_secs(13),
            age_jitter_factor: 0.25,
        }
    );
}

#[test]
fn a_limit_that_cannot_be_meant_is_told() {
    let found = problems(
        "sources: { a: { type: http_server, limits: { header_bytes_max: 255, uri_bytes_max: 65535 }, \
         keepalive: { max_connection_age_jitter_factor: 1.5 } } }",
    );
    assert_eq!(
        found,
        [
            "1: sources.a.limits.header_bytes_max: expected a whole number from 256 to 1048576, not the number `255`",
            "1: sources.a.limits.uri_bytes_max: expected a whole number from 1 to 65534, not the number `65535`",
            "1: sources.a.keepalive.max_connection_age_jitter_factor: expected a number from 0 to 1, not the number `1.5`",
        ]
    );
}

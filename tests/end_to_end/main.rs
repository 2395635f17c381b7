//! What callspan promises, held against the real program and real peers: one file for each promise.

#![expect(clippy::indexing_slicing, reason = "a test fails on the spot")]

mod accounting;
mod acknowledgement;
mod admin;
mod answers;
mod arrival;
mod backlog;
mod chain;
mod changed_configuration;
mod commands;
mod configuration;
mod contacts;
mod crashes;
mod dead_letters;
mod demo;
mod disk;
mod doctor;
mod documents;
mod duplicates;
mod environment;
mod examples;
mod faults;
mod files;
mod holding;
mod inputs;
mod machine;
mod misbehaviour;
mod otlp_logs;
mod plugins;
mod power_cuts;
mod privacy;
mod queue_commands;
mod queue_folder;
mod refusals;
mod room;
mod several;
mod shutdown;
mod sinks;
mod stall;
mod syncs;
mod tls;

//! How much a plugin may use and return. Every limit has a default that the built-in mapping stays far below.

use std::time::Duration;
use wasmtime::ResourceLimiter;

/// The limits of one call and of what comes out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a component.
    pub component_bytes_max: usize,
    /// Bytes of memory of one instance.
    pub memory_bytes_max: usize,
    /// Computing time of a batch, however small.
    pub deadline_base: Duration,
    /// Further computing time for each of its records.
    pub deadline_per_record: Duration,
    /// Bytes that the outcomes of a batch may take on the host's side, for each of its records.
    pub output_bytes_per_record_max: usize,
    /// Spans of one trace.
    pub spans_max: usize,
    /// Attributes of one span, event, link or resource.
    pub attributes_max: usize,
    /// Events of one span.
    pub events_max: usize,
    /// Links of one span.
    pub links_max: usize,
    /// Bytes of one text value.
    pub text_bytes_max: usize,
    /// Bytes of the key of a trace or span.
    pub key_bytes_max: usize,
    /// Entries of one attribute that holds a sender's own keys.
    pub entries_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            component_bytes_max: 64 * 1024 * 1024,
            memory_bytes_max: 256 * 1024 * 1024,
            deadline_base: Duration::from_millis(500),
            deadline_per_record: Duration::from_millis(20),
            output_bytes_per_record_max: 16 * 1024 * 1024,
            spans_max: 4200,
            attributes_max: 256,
            events_max: 8200,
            links_max: 256,
            text_bytes_max: 64 * 1024,
            key_bytes_max: 512,
            entries_max: 128,
        }
    }
}

impl Limits {
    pub(super) fn deadline(&self, records: usize) -> Duration {
        self.deadline_base + self.deadline_per_record * u32::try_from(records).unwrap_or(u32::MAX)
    }
}

/// Holds one instance to its memory, and remembers when it asked for more.
#[derive(Debug)]
pub(super) struct MemoryLimit {
    bytes_max: usize,
    pub(super) was_exceeded: bool,
}

impl MemoryLimit {
    pub(super) fn new(bytes_max: usize) -> Self {
        MemoryLimit { bytes_max, was_exceeded: false }
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let is_allowed = desired <= self.bytes_max;
        self.was_exceeded |= !is_allowed;
        Ok(is_allowed)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        const TABLE_ELEMENTS_MAX: usize = 20_000;
        Ok(desired <= TABLE_ELEMENTS_MAX)
    }
}

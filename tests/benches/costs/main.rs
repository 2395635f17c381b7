//! What the mapping and the exporter cost.
//!
//! Each figure is the median of many rounds; in a round every contestant runs once, so that a busy machine slows them
//! all, and a ratio is the median of the rounds' own ratios. Read the ratios. `mapping` or `exporting` as an argument
//! measures that alone.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a benchmark fails on the spot, and prints")]

mod allocations;
mod exporting;
mod guards;
mod mapping;
mod plain_reader;
mod race;
mod records;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let is_wanted = |part: &str| wanted.is_empty() || wanted.iter().any(|name| name == part);
    if is_wanted("mapping") {
        mapping::measure();
    }
    if is_wanted("exporting") {
        exporting::measure();
    }
}

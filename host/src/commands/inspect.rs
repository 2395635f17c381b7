//! `callspan inspect`: what a plugin is, and all it can ever emit.

use super::{Failure, Verdict, loader, or_reader_gone};
use crate::args::Inspect;
use crate::transform::{Inspected, Source};
use std::io::{self, Write};

pub(super) fn run(arguments: Inspect) -> Result<Verdict, Failure> {
    let source = Source::parse(&arguments.plugin);
    let inspected = loader()?.inspect(&source)?;
    or_reader_gone(write(&mut io::stdout().lock(), &source.name(), &inspected))?;
    Ok(Verdict::Good)
}

fn write(out: &mut impl Write, name: &str, inspected: &Inspected) -> io::Result<()> {
    let Inspected { contract, bytes, imports } = inspected;
    let needs = if imports.is_empty() { "imports nothing" } else { "imports WASI: needs `wasi: stub`" };
    writeln!(out, "{} {}  ({name}, {} kB, {needs})", contract.name, contract.version, bytes / 1000)?;
    if !imports.is_empty() {
        writeln!(out, "\nImports")?;
    }
    for import in imports {
        writeln!(out, "  {import}")?;
    }

    writeln!(out, "\nSpans")?;
    for span in &contract.span_names {
        writeln!(out, "  {span}")?;
    }
    writeln!(out, "\nEvents")?;
    for event in &contract.events {
        writeln!(out, "  {event}")?;
    }
    writeln!(out, "\nAttributes")?;
    let width = contract.attributes.iter().map(|attribute| attribute.key.len()).max().unwrap_or_default();
    for attribute in &contract.attributes {
        let (key, value_type, sensitivity) =
            (&attribute.key, attribute.value_type.as_str(), attribute.sensitivity.as_str());
        writeln!(out, "  {key:width$}  {value_type:7}  {sensitivity:9}  {}", attribute.brief)?;
    }
    writeln!(out, "\nMetrics")?;
    for metric in &contract.metrics {
        writeln!(out, "  {:width$}  {:7}  {:9}  {}", metric.name, metric.unit, metric.measure, metric.brief)?;
    }
    writeln!(out, "\nOptions (JSON Schema)\n{}", contract.options_schema)
}

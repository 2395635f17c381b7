//! What a check found, and how it is told: aligned for people, an object on a line for programs.

use super::super::listing::{count, on_one_line, print, print_json};
use super::super::{Failure, Verdict};
use crate::args::Listing;
use serde::Serialize;
use std::borrow::Cow;
use std::io::{self, IsTerminal as _};

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What was looked at: keys of the configuration, where there are some.
    check: Cow<'static, str>,
    status: Status,
    found: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Ok,
    /// A service works, and somebody should look at this.
    Warning,
    /// A service does not start, loses something, or takes nothing.
    Error,
}

/// Tells findings as they come, and counts them.
pub(super) struct Report {
    format: Listing,
    colour: bool,
    warnings: u64,
    errors: u64,
}

/// Most names of checks are shorter.
const CHECK_WIDTH: usize = 24;
const STATUS_WIDTH: usize = 9;

impl Finding {
    pub(super) fn ok(check: impl Into<Cow<'static, str>>, found: impl Into<String>) -> Self {
        Finding { check: check.into(), status: Status::Ok, found: found.into(), remedy: None }
    }

    pub(super) fn warning(
        check: impl Into<Cow<'static, str>>,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Finding { status: Status::Warning, remedy: Some(remedy.into()), ..Self::ok(check, found) }
    }

    pub(super) fn error(
        check: impl Into<Cow<'static, str>>,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Finding { status: Status::Error, remedy: Some(remedy.into()), ..Self::ok(check, found) }
    }

    #[cfg(test)]
    pub(super) fn status(&self) -> Status {
        self.status
    }

    /// Two lines, the second one with what to do.
    fn lines(&self, colour: bool) -> String {
        let Finding { check, status, found, remedy } = self;
        let word = format!("{:STATUS_WIDTH$}", status.word());
        let word = if colour { format!("\u{1b}[{}m{word}\u{1b}[0m", status.colour()) } else { word };
        let mut lines = format!("{word}{check:CHECK_WIDTH$}  {}", on_one_line(found));
        if let Some(remedy) = remedy {
            let margin = STATUS_WIDTH + CHECK_WIDTH;
            lines.push_str(&format!("\n{:margin$}  {}", "", on_one_line(remedy)));
        }
        lines
    }
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Warning => "warning",
            Status::Error => "error",
        }
    }

    /// A terminal's.
    fn colour(self) -> &'static str {
        match self {
            Status::Ok => "32",
            Status::Warning => "33",
            Status::Error => "31",
        }
    }
}

impl Report {
    pub(super) fn new(format: Listing) -> Self {
        Report { format, colour: io::stdout().is_terminal(), warnings: 0, errors: 0 }
    }

    pub(super) fn add(&mut self, finding: Finding) -> Result<(), Failure> {
        match finding.status {
            Status::Ok => {}
            Status::Warning => self.warnings += 1,
            Status::Error => self.errors += 1,
        }
        match self.format {
            Listing::Json => print_json(&finding),
            Listing::Text => print(&finding.lines(self.colour)),
        }
    }

    pub(super) fn end(self) -> Result<Verdict, Failure> {
        if self.format == Listing::Text {
            print(&format!("{}, {}", count(self.errors, "error"), count(self.warnings, "warning")))?;
        }
        Ok(if self.errors == 0 { Verdict::Good } else { Verdict::Unwell })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_coloured_on_a_terminal_alone() {
        let finding = Finding::error("clock", "it is\n1970", "set it");
        assert_eq!(
            finding.lines(false),
            "error    clock                     it is\u{fffd}1970\n                                   set it"
        );
        assert!(finding.lines(true).starts_with("\u{1b}[31merror    \u{1b}[0mclock"));
        assert_eq!(Finding::ok("clock", "well").lines(false), "ok       clock                     well");
    }
}

//! Where tests leave something to chance.

use std::env;
use std::fmt::Display;
use std::str::FromStr;

/// What chance begins with: another number each time, or that of `CALLSPAN_SEED`. It is printed, so that a failure can be
/// looked for again.
pub fn seed() -> u64 {
    let seed = variable("CALLSPAN_SEED").unwrap_or_else(|| fastrand::u64(..));
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    eprintln!("{test}: CALLSPAN_SEED={seed}");
    seed
}

/// How often something is tried: so many times, or as many as this variable says.
pub fn cycles(variable_name: &str, usually: usize) -> usize {
    variable(variable_name).unwrap_or(usually)
}

fn variable<T: FromStr<Err: Display>>(name: &str) -> Option<T> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|error| panic!("{name}: {error}")))
}

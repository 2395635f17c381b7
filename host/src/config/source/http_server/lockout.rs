//! What addresses are held to that show wrong credentials.

use crate::config::decode::{Options, Table};
use crate::config::value::Whole;
use crate::intake::http_server::auth::LockoutSettings;
use schemars::JsonSchema;

/// After so many failures within the window, an address is answered with 429 until the window ends, whatever it shows. An
/// address of IPv6 counts with its /64.
#[derive(JsonSchema)]
#[schemars(default, deny_unknown_fields)]
pub(super) struct Lockout {
    /// How many failures are let pass.
    failures_max: Whole<1, 1_000_000>,
    /// How long an address's failures count, in seconds, from its first one on.
    window_secs: Whole<1, 86_400>,
    /// How many addresses are remembered; beyond it the one is forgotten that failed first.
    addresses_max: Whole<1, 1_000_000>,
}

impl Default for Lockout {
    fn default() -> Self {
        Lockout { failures_max: Whole(10), window_secs: Whole(60), addresses_max: Whole(10_000) }
    }
}

impl Options for Lockout {
    fn read(table: &mut Table<'_, '_>) -> Self {
        let default = Self::default();
        Lockout {
            failures_max: table.take("failures_max", default.failures_max),
            window_secs: table.take("window_secs", default.window_secs),
            addresses_max: table.take("addresses_max", default.addresses_max),
        }
    }
}

impl Lockout {
    pub(super) fn settings(&self) -> LockoutSettings {
        LockoutSettings {
            failures_max: u32::try_from(self.failures_max.0).unwrap_or(u32::MAX),
            window: self.window_secs.seconds(),
            addresses_max: self.addresses_max.size(),
        }
    }
}

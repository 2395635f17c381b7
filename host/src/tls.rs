//! TLS on either side of a connection: certificates and keys in files, the versions that are spoken. What a client of it
//! wants of a backend stands in `export`, what a server of it is stands in `server`.

mod files;
mod server;

pub use files::{Identity, identity, mismatched, roots, system_roots};
pub use server::{Clients, ServerTls};

use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};

/// The versions of TLS that may be the least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersion {
    /// RFC 5246, the default.
    #[default]
    V1_2,
    /// RFC 8446.
    V1_3,
}

impl TlsVersion {
    /// This one and those after it.
    #[must_use]
    pub fn and_later(self) -> Vec<&'static SupportedProtocolVersion> {
        match self {
            Self::V1_2 => vec![&TLS13, &TLS12],
            Self::V1_3 => vec![&TLS13],
        }
    }
}

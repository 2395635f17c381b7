//! The addresses that documents name and that callspan takes by default. There is one of each on a machine, so those who
//! need them take turns, also between test runs.

use crate::wait::wait_until;
use std::env;
use std::fs::File;
use std::net::TcpListener;

/// Both addresses, for as long as this lives.
#[derive(Debug)]
pub struct UsualAddress(File);

impl UsualAddress {
    /// Where pushes are taken.
    pub const PUSHES: &str = "127.0.0.1:8080";
    /// Where metrics and health are served.
    pub const ADMIN: &str = "127.0.0.1:9464";

    /// Waits for its turn, and for other programs that listen there to end.
    ///
    /// # Panics
    /// When that takes more than a minute.
    pub fn take() -> Self {
        Self::take_with(&[])
    }

    /// The same, and these ports of this machine, which examples name.
    ///
    /// # Panics
    /// When that takes more than a minute.
    pub fn take_with(ports: &[u16]) -> Self {
        let path = env::temp_dir().join("callspan-usual-address.lock");
        let lock = File::create(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        wait_until("the end of another test run that needs the usual addresses", || lock.try_lock().is_ok());
        let more = ports.iter().map(|port| format!("127.0.0.1:{port}"));
        for address in [Self::PUSHES, Self::ADMIN].map(str::to_owned).into_iter().chain(more) {
            let what = format!("the end of another program, on {address}, which documents name and this test needs");
            wait_until(&what, || TcpListener::bind(&address).is_ok());
        }
        Self(lock)
    }
}

impl Drop for UsualAddress {
    fn drop(&mut self) {
        // It ends with the file anyway.
        let _unlocked = self.0.unlock();
    }
}

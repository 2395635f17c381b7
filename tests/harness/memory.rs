//! The memory of a service, as the kernel counts it.

use crate::service::Service;
use std::fs;

impl Service {
    /// What it has in memory now, in kB.
    pub fn resident_kb(&self) -> u64 {
        self.status_kb("VmRSS:")
    }

    /// The most that it had in memory at one time, in kB.
    pub fn peak_kb(&self) -> u64 {
        self.status_kb("VmHWM:")
    }

    /// The address space that it has laid out, in kB.
    pub fn address_space_kb(&self) -> u64 {
        self.status_kb("VmSize:")
    }

    fn status_kb(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process_id())).expect("it runs");
        let value = status.lines().find_map(|line| line.strip_prefix(field)?.trim().strip_suffix(" kB")?.parse().ok());
        value.expect("the kernel counts it")
    }
}

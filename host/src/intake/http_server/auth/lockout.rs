//! Addresses that showed wrong credentials too often: until their window ends nothing of what they send is looked at.
//!
//! A window begins with the first failure of an address and lasts as long as any other, however often it is tried
//! meanwhile: who shares the address with somebody who guesses is let in again when it ends. Who holds one address of
//! IPv6 mostly holds all of its /64, so that is what counts as one.

use super::settings::LockoutSettings;
use crate::connections::origin;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub(super) struct Lockout {
    settings: LockoutSettings,
    windows: Mutex<Windows>,
    /// How many there are, so that as long as nobody fails nothing is locked.
    count: AtomicUsize,
}

#[derive(Default)]
struct Windows {
    /// When each address's window began, and its failures since.
    failures: HashMap<IpAddr, (Instant, u32)>,
    /// Each address once, in the order in which the windows began and end.
    begun: VecDeque<(Instant, IpAddr)>,
}

impl Lockout {
    pub(super) fn new(settings: LockoutSettings) -> Self {
        Self { settings, windows: Mutex::default(), count: AtomicUsize::new(0) }
    }

    /// How long this address has to wait, if it has to.
    pub(super) fn remaining(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let address = origin(address);
        let mut windows = self.windows();
        self.forget(&mut windows, now);
        let (begun, failures) = windows.failures.get(&address)?;
        let is_locked = *failures >= self.settings.failures_max;
        is_locked.then(|| self.settings.window.saturating_sub(now.saturating_duration_since(*begun)))
    }

    /// Says whether it is locked out from now on.
    pub(super) fn failed(&self, address: IpAddr, now: Instant) -> bool {
        let address = origin(address);
        let mut windows = self.windows();
        self.forget(&mut windows, now);
        let is_new = !windows.failures.contains_key(&address);
        if is_new {
            // Somebody with more addresses than are remembered is forgotten in the order in which he came.
            if windows.failures.len() >= self.settings.addresses_max
                && let Some((_, oldest)) = windows.begun.pop_front()
            {
                windows.failures.remove(&oldest);
            }
            windows.begun.push_back((now, address));
        }
        let (_, failures) = windows.failures.entry(address).or_insert((now, 0));
        *failures = failures.saturating_add(1);
        let is_locked = *failures == self.settings.failures_max;
        self.count.store(windows.failures.len(), Ordering::Relaxed);
        is_locked
    }

    fn forget(&self, windows: &mut Windows, now: Instant) {
        while let Some((begun, address)) = windows.begun.front().copied() {
            if now.saturating_duration_since(begun) < self.settings.window {
                break;
            }
            windows.begun.pop_front();
            windows.failures.remove(&address);
        }
        self.count.store(windows.failures.len(), Ordering::Relaxed);
    }

    fn windows(&self) -> MutexGuard<'_, Windows> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(60);

    fn lockout(failures_max: u32, addresses_max: usize) -> Lockout {
        Lockout::new(LockoutSettings { failures_max, window: WINDOW, addresses_max })
    }

    fn at(address: &str) -> IpAddr {
        address.parse().expect("an address")
    }

    #[test]
    fn an_address_is_locked_out_after_so_many_failures_and_until_its_window_ends() {
        let (lockout, begin, address) = (lockout(3, 10), Instant::now(), at("192.0.2.1"));
        for (seconds, is_last) in [(0, false), (10, false), (20, true)] {
            assert_eq!(lockout.remaining(address, begin + Duration::from_secs(seconds)), None);
            assert_eq!(lockout.failed(address, begin + Duration::from_secs(seconds)), is_last);
        }
        assert_eq!(lockout.remaining(address, begin + Duration::from_secs(20)), Some(Duration::from_secs(40)));
        assert_eq!(lockout.remaining(at("192.0.2.2"), begin), None, "another address");
        // What is tried meanwhile does not prolong it.
        assert!(!lockout.failed(address, begin + Duration::from_secs(30)));
        assert!(lockout.remaining(address, begin + WINDOW - Duration::from_nanos(1)).is_some());
        assert_eq!(lockout.remaining(address, begin + WINDOW), None);
        assert!(!lockout.failed(address, begin + WINDOW), "it begins anew");
    }

    #[test]
    fn addresses_of_ipv6_count_by_64_bits_and_those_of_ipv4_in_its_form_as_themselves() {
        let (lockout, now) = (lockout(1, 10), Instant::now());
        lockout.failed(at("2001:db8::1"), now);
        assert!(lockout.remaining(at("2001:db8::ffff:0:0:1"), now).is_some());
        assert_eq!(lockout.remaining(at("2001:db8:0:1::1"), now), None);
        lockout.failed(at("::ffff:192.0.2.1"), now);
        assert!(lockout.remaining(at("192.0.2.1"), now).is_some());
        assert_eq!(lockout.remaining(at("192.0.2.2"), now), None);
    }

    #[test]
    fn no_more_addresses_are_remembered_than_there_is_room_for() {
        let (lockout, now) = (lockout(1, 100), Instant::now());
        for number in 0..10_000_u32 {
            lockout.failed(IpAddr::V4(number.into()), now);
        }
        let windows = lockout.windows();
        assert_eq!((windows.failures.len(), windows.begun.len()), (100, 100));
        drop(windows);
        assert!(lockout.remaining(IpAddr::V4(9_900.into()), now).is_some());
        assert_eq!(lockout.remaining(IpAddr::V4(9_899.into()), now), None);
        assert_eq!(lockout.remaining(at("192.0.2.1"), now + WINDOW), None);
        assert_eq!(lockout.count.load(Ordering::Relaxed), 0);
    }
}

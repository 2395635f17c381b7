//! How many connections there are from each address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Counts by address. It knows as many as there are connections, and forgets one with its last.
pub(super) struct Addresses {
    each_max: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection that is counted, until it is dropped.
pub(super) struct Guest {
    addresses: Arc<Addresses>,
    from: Option<IpAddr>,
}

impl Addresses {
    pub(super) fn new(each_max: usize) -> Arc<Self> {
        Arc::new(Self { each_max, open: Mutex::default() })
    }

    /// None when there are as many from there as there may be. Where there are no addresses, nothing is counted.
    pub(super) fn admit(self: &Arc<Self>, peer: Option<IpAddr>) -> Option<Guest> {
        let from = peer.map(origin);
        if let Some(from) = from {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            let count = open.entry(from).or_default();
            if *count >= self.each_max {
                return None;
            }
            *count += 1;
        }
        Some(Guest { addresses: Arc::clone(self), from })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let Some(from) = self.from else { return };
        let mut open = self.addresses.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&from) {
            *count -= 1;
            if *count == 0 {
                open.remove(&from);
            }
        }
    }
}

/// Who an address stands for: whoever has one of IPv6 has the 64 bits behind it too (RFC 6177).
#[must_use]
pub fn origin(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_own_number_and_gets_it_back() {
        let addresses = Addresses::new(1);
        let (one, other) = (Some(IpAddr::from([192, 0, 2, 1])), Some(IpAddr::from([192, 0, 2, 2])));
        let first = addresses.admit(one);
        assert!(first.is_some() && addresses.admit(one).is_none());
        assert!(addresses.admit(other).is_some());
        drop(first);
        assert!(addresses.admit(one).is_some());
        assert_eq!(addresses.open.lock().expect("no panic").len(), 0, "nobody is left");
        let _unnamed = [addresses.admit(None), addresses.admit(None)].map(|guest| guest.expect("there is no address"));
    }

    #[test]
    fn a_network_of_ipv6_is_one_sender_and_a_mapped_address_is_that_of_ipv4() {
        let origin = |text: &str| super::origin(text.parse().expect("an address"));
        assert_eq!(origin("2001:db8:0:1::1"), origin("2001:db8:0:1:ffff::2"));
        assert_ne!(origin("2001:db8:0:1::1"), origin("2001:db8:0:2::1"));
        assert_eq!(origin("::ffff:192.0.2.1"), origin("192.0.2.1"));
    }
}

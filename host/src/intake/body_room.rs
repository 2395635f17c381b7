//! Whether a body is read at all, which is asked once the head is there: whether the queue would take what is in it, and
//! whether there is memory for it, for all bodies of the source together and for those from one address.
//!
//! A body takes room for as many bytes as its sender announces, or as it may have at most where nothing is announced. What
//! it is inflated to is added while it grows, and what each of its records takes besides once they are told apart. All of
//! it is given back when the request is answered: by then its records are on disk, or delivered.
//!
//! An address may hold three times what is free. So one alone gets three quarters of the room, two get three sevenths
//! each, and whoever comes next always finds some: no address can keep another one out, and nobody has to know how many
//! there are.
//!
//! How long somebody without room is to stay away follows from how fast room was given back of late, and is no longer than
//! a body may hold its room.

use super::Append;
use super::counters::SourceCounters;
use super::postponed::{Postponed, Why};
use crate::connections::origin;
use crate::queue::{Pace, RETRY_AFTER_MAX, RETRY_AFTER_MIN};
use crate::telemetry::{Counter, Gauge, metric};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The room of one source. Clones are the same room.
#[derive(Clone)]
pub(super) struct BodyRoom(Arc<Shared>);

struct Shared {
    bytes_max: u64,
    /// How long a body may hold its room.
    held_for_max: Duration,
    held: Mutex<Held>,
    pace: Pace,
    shown: Gauge,
    refused_by_queue: Counter,
    refused_by_disk: Counter,
    refused_by_share: Counter,
    refused_by_room: Counter,
}

#[derive(Default)]
struct Held {
    bytes: u64,
    /// By what an address stands for. It knows those that hold something.
    by_address: HashMap<IpAddr, u64>,
}

/// What a body takes, until this is dropped.
pub(super) struct BodyPlace {
    room: Arc<Shared>,
    address: IpAddr,
    bytes: u64,
}

/// How long a body is, as far as it is known before it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) at_least: u64,
    pub(super) at_most: u64,
}

/// How many times what is free an address may hold.
const SHARE: u64 = 3;
/// What a record of several takes beside its bytes while it is on its way into the queue, about.
pub(crate) const RECORD_BYTES: usize = 512;

impl BodyRoom {
    pub(super) fn new(bytes_max: usize, held_for_max: Duration, counters: &SourceCounters) -> Self {
        let component = counters.component();
        let bytes_max = bytes_max as u64;
        component.gauge(metric::BODIES_BYTES_MAX, &[]).set(bytes_max);
        let refused_by = |reason| component.counter(metric::REFUSED_BODIES, &[("reason", reason)]);
        Self(Arc::new(Shared {
            bytes_max,
            held_for_max,
            held: Mutex::default(),
            pace: Pace::default(),
            shown: component.gauge(metric::BODIES_BYTES, &[]),
            refused_by_queue: refused_by("queue"),
            refused_by_disk: refused_by("disk"),
            refused_by_share: refused_by("share"),
            refused_by_room: refused_by("room"),
        }))
    }

    /// Lets a body in whose records go into this queue.
    ///
    /// # Errors
    /// When it is to come again: the queue is known to take nothing, or there is no room.
    pub(super) fn admit(&self, queue: &impl Append, address: IpAddr, claim: Claim) -> Result<BodyPlace, Postponed> {
        if let Err(refused) = queue.check(claim.at_least) {
            let postponed = Postponed::by_queue(refused, queue.retry_after(claim.at_least));
            let is_full = postponed.why == Why::QueueFull;
            if is_full { &self.0.refused_by_queue } else { &self.0.refused_by_disk }.add(1);
            return Err(postponed);
        }
        self.take(address, claim.at_most)
    }

    /// Takes room for so many bytes from this address.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn take(&self, address: IpAddr, bytes: u64) -> Result<BodyPlace, Postponed> {
        let mut place = BodyPlace { room: Arc::clone(&self.0), address: origin(address), bytes: 0 };
        place.grow_to(bytes)?;
        Ok(place)
    }

    /// After how long somebody without room for so many bytes is to come again.
    pub(super) fn retry_after(&self, bytes: u64) -> Duration {
        self.0.retry_after(bytes)
    }
}

impl BodyPlace {
    /// It takes so many bytes now, if that is more.
    ///
    /// # Errors
    /// When there is no room for them: then it takes what it took.
    pub(super) fn grow_to(&mut self, bytes: u64) -> Result<(), Postponed> {
        let more = bytes.saturating_sub(self.bytes);
        let why = {
            let mut held = self.room.held();
            let left = self.room.bytes_max.saturating_sub(held.bytes).checked_sub(more);
            let own = held.by_address.get(&self.address).copied().unwrap_or_default();
            match left.map(|left| left.saturating_mul(SHARE)) {
                Some(share) if own.saturating_add(more) <= share => {
                    held.bytes += more;
                    if more > 0 {
                        *held.by_address.entry(self.address).or_default() += more;
                    }
                    self.room.shown.set(held.bytes);
                    self.bytes += more;
                    return Ok(());
                }
                // Another address would have got it.
                Some(share) if more <= share => Why::ShareTaken,
                _ => Why::NoRoom,
            }
        };
        let is_own_share = why == Why::ShareTaken;
        if is_own_share { &self.room.refused_by_share } else { &self.room.refused_by_room }.add(1);
        Err(Postponed { why, retry_after: self.room.retry_after(more) })
    }

    /// It takes so many bytes now, if that is less.
    pub(super) fn shrink_to(&mut self, bytes: u64) {
        let less = self.bytes.saturating_sub(bytes);
        if less > 0 {
            self.bytes -= less;
            self.room.give_back(self.address, less);
        }
    }
}

impl Drop for BodyPlace {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

impl Shared {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back(&self, address: IpAddr, bytes: u64) {
        self.pace.add(bytes);
        let mut held = self.held();
        held.bytes -= bytes;
        self.shown.set(held.bytes);
        if let Some(own) = held.by_address.get_mut(&address) {
            *own -= bytes;
            if *own == 0 {
                held.by_address.remove(&address);
            }
        }
    }

    fn retry_after(&self, bytes: u64) -> Duration {
        let held_for_max = self.held_for_max.clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX);
        self.pace.time_for(bytes).map_or(held_for_max, |time| time.min(held_for_max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{Component, Metrics};

    const ONE: [u8; 4] = [192, 0, 2, 1];
    const OTHER: [u8; 4] = [192, 0, 2, 2];
    const PATIENCE: Duration = Duration::from_secs(14);

    fn room(bytes_max: usize) -> (BodyRoom, Component) {
        let component = Metrics::new().expect("a registry of its own").component("source", "http_server", "a");
        (BodyRoom::new(bytes_max, PATIENCE, &SourceCounters::new(&component)), component)
    }

    fn why(taken: Result<BodyPlace, Postponed>) -> Option<Why> {
        taken.err().map(|postponed| postponed.why)
    }

    #[test]
    fn one_address_gets_three_quarters_and_leaves_some_for_others() {
        let (room, component) = room(100);
        let first = room.take(ONE.into(), 74).expect("there is room");
        let second = room.take(ONE.into(), 1).expect("just so");
        assert_eq!(why(room.take(ONE.into(), 1)), Some(Why::ShareTaken));
        let other = room.take(OTHER.into(), 18).expect("somebody else finds some");
        assert_eq!(why(room.take(OTHER.into(), 100)), Some(Why::NoRoom));
        assert_eq!(component.gauge(metric::BODIES_BYTES, &[]).value(), 93);
        assert_eq!(component.gauge(metric::BODIES_BYTES_MAX, &[]).value(), 100);
        let refused = |reason| component.counter(metric::REFUSED_BODIES, &[("reason", reason)]).value();
        assert_eq!((refused("share"), refused("room")), (1, 1));
        drop((first, second, other));
        assert_eq!(why(room.take(OTHER.into(), 76)), Some(Why::NoRoom), "too much for anybody");
        assert!(room.take(OTHER.into(), 75).is_ok(), "all was given back");
        assert_eq!((room.0.held().by_address.len(), component.gauge(metric::BODIES_BYTES, &[]).value()), (0, 0));
    }

    #[test]
    fn a_network_of_ipv6_is_one_sender() {
        let (room, _) = room(100);
        let address = |text: &str| text.parse().expect("an address");
        let _place = room.take(address("2001:db8:0:1::1"), 75).expect("there is room");
        assert_eq!(why(room.take(address("2001:db8:0:1:ffff::2"), 1)), Some(Why::ShareTaken));
        assert!(room.take(address("2001:db8:0:2::1"), 1).is_ok());
    }

    #[test]
    fn a_place_grows_and_shrinks_with_its_body() {
        let (room, _) = room(100);
        let mut place = room.take(ONE.into(), 10).expect("there is room");
        place.grow_to(75).expect("just so");
        place.grow_to(5).expect("it is more already");
        assert_eq!(place.grow_to(76).err().map(|postponed| postponed.why), Some(Why::ShareTaken));
        assert_eq!(room.0.held().bytes, 75, "what it took before");
        place.shrink_to(80);
        place.shrink_to(20);
        assert_eq!(room.0.held().bytes, 20);
        drop(place);
        assert_eq!(room.0.held().bytes, 0);
    }

    #[test]
    fn until_room_is_given_back_it_takes_as_long_as_a_body_may() {
        let (room, _) = room(100);
        let place = room.take(ONE.into(), 75).expect("there is room");
        assert_eq!(room.retry_after(1), PATIENCE);
        drop(place);
        assert_eq!(room.retry_after(1), Duration::from_secs(1));
        assert_eq!(room.retry_after(u64::MAX), PATIENCE, "however little was given back");
    }
}

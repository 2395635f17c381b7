//! What may happen to a store, and what the model expects of it.

use super::expected::{Push, Refusal};
use super::*;

impl Run {
    pub(super) fn admit(&mut self) {
        let arrivals: Vec<Arrival> = (0..self.random.usize(1..6)).map(|_| self.arrival()).collect();
        let bytes = arrivals.iter().map(|arrival| arrival.record.body.len() as u64 + 96).sum();
        if self.make_room(bytes).is_some() {
            return;
        }
        let sync = self.random.bool();
        let now_ms = self.now_ms;
        let taken = self.store().admit(&arrivals, now_ms, sync).expect("the disk works");
        assert_eq!(taken.len(), arrivals.len());
        let mut ids = Vec::new();
        for (arrival, taken) in arrivals.iter().zip(&taken) {
            let push = arrival.push_id.as_ref().map(|_| push(arrival, false));
            let is_new = push.is_none_or(|push| self.now.is_new(push, now_ms, &self.settings));
            assert_eq!(taken.entry().is_some(), is_new, "a push comes again within the window or not");
            let Some(entry) = taken.entry() else { continue };
            assert_eq!((entry.id, &entry.record), (self.now.next_id, &arrival.record));
            self.now.next_id += 1;
            self.now.deliver(entry);
            ids.push(entry.id);
        }
        self.tell(format!("admitted {ids:?} of {}, synced: {sync}", arrivals.len()));
        self.was_written(sync);
    }

    fn arrival(&mut self) -> Arrival {
        let random = &mut self.random;
        let push_id = random.bool().then(|| random.u8(0..6).to_string().into());
        // Pushes that come again are to have the same body now and then.
        let length = if push_id.is_some() { random.usize(1..4) } else { random.usize(0..400) };
        let body: Vec<u8> = (0..length).map(|_| if length < 4 { b'a' } else { random.u8(..) }).collect();
        let only = if random.u8(0..8) == 0 { vec![random.choice(NAMES).expect("one").to_owned()] } else { Vec::new() };
        Arrival {
            source: random.choice(SOURCES).expect("one").into(),
            digest: seen::digest(&body),
            record: Record { body: body.into(), metadata: vec![("peer".to_owned(), random.u8(..).to_string())] },
            push_id,
            only,
            is_replay: random.u8(0..8) == 0,
        }
    }

    /// What the store says of its room is so, and it drops for those alone that gave leave.
    fn make_room(&mut self, bytes: u64) -> Option<Fullness> {
        let rejecting = |run: &mut Self| {
            let (_, segment, end) = run.store().oldest().expect("there is always a segment");
            let holders = run.store().holders(end);
            segment.records == 0 || holders.iter().any(|it| locked(it).settings.when_full == WhenFull::Reject)
        };
        let segments_before = self.store().segments.len();
        let fullness = self.store().fullness(bytes).expect("the disk works");
        match fullness {
            None => assert!(self.store().bytes() + bytes <= self.settings.bytes_max),
            Some(_) => assert!(rejecting(self), "there was room to be made"),
        }
        let first = self.store().segments.values().next().expect("there is always one").first_id;
        let names: Vec<String> = self.now.consumers.keys().cloned().collect();
        for name in names {
            let settings = locked(self.store().follower(&name).expect("it is known")).settings;
            let consumer = self.now.consumers.get_mut(&name).expect("it is known");
            let kept = consumer.due.split_off(&first);
            let dropped = std::mem::replace(&mut consumer.due, kept).values().sum::<u64>();
            consumer.counts.dropped += dropped;
            assert!(dropped == 0 || settings.when_full == WhenFull::DropOldest, "{name} gave no leave to drop");
        }
        if self.store().segments.len() != segments_before || fullness.is_some() {
            self.tell(format!("made room for {bytes} bytes: {fullness:?}, the first record is {first} now"));
        }
        let sync = self.random.bool();
        self.write(sync);
        fullness
    }

    pub(super) fn take(&mut self) {
        let Some(name) = self.any_consumer() else { return };
        let follower = Arc::clone(self.store().follower(&name).expect("it is known"));
        let lanes: Vec<LaneNumber> = locked(&follower).lanes.keys().copied().collect();
        let Some(lane) = self.random.choice(lanes) else { return };
        let records_max = self.random.usize(1..6);
        self.take_from(&name, &follower, lane, records_max);
    }

    pub(super) fn take_from(&mut self, name: &str, follower: &SharedFollower, lane: LaneNumber, records_max: usize) {
        let next_id = self.store().next_id();
        let mut following = locked(follower);
        let (from, to) = {
            let lane = following.lanes.get(&lane).expect("it is there");
            (lane.next(), lane.end().unwrap_or(next_id))
        };
        let stretch = self.store().reader().stretch(from, to, records_max, u64::MAX).expect("it can be read");
        let mut ids = Vec::new();
        for entry in stretch.entries {
            if following.takes(&entry) {
                following.lanes.get_mut(&lane).expect("it is there").take(entry.id);
                ids.push(entry.id);
                self.taken.push((name.to_owned(), lane, entry));
            }
        }
        following.lanes.get_mut(&lane).expect("it is there").pass_to(stretch.next);
        drop(following);
        self.tell(format!("{name} took {ids:?} on way {lane}"));
    }

    pub(super) fn settle(&mut self) {
        if self.taken.is_empty() {
            return;
        }
        let place = self.random.usize(..self.taken.len());
        let (name, lane, entry) = self.taken.swap_remove(place);
        let identity = TraceIdentity { trace_id: [self.random.u8(..); 16], span_id: [self.random.u8(..); 8] };
        let verdict = match self.random.u8(0..10) {
            0 => Verdict::Delivered(None),
            1 => Verdict::Skipped,
            2 => Verdict::Duplicate,
            3 => Verdict::Superseded,
            4 | 5 => refused("no_time"),
            6 | 7 => Verdict::DeliveredInPart {
                identity: self.random.bool().then_some(identity),
                rejection: rejection("spans_rejected"),
                mapper: "tccc 0.1.0".to_owned(),
            },
            _ => Verdict::Delivered(Some(identity)),
        };
        self.settle_as(&name, lane, &entry, &verdict);
    }

    pub(super) fn settle_as(&mut self, name: &str, lane: LaneNumber, entry: &Entry, verdict: &Verdict) {
        let now_ms = self.now_ms;
        let follower = Arc::clone(self.store().follower(name).expect("it is known"));
        self.store().settle(&follower, lane, entry, verdict, now_ms).expect("the disk works");
        let is_due = self.now.consumers.get_mut(name).is_some_and(|consumer| consumer.is_done_with(entry.id));
        if is_due {
            let counts = &mut self.now.consumers.get_mut(name).expect("it is known").counts;
            match verdict {
                Verdict::Delivered(_) | Verdict::DeliveredInPart { .. } => counts.delivered += 1,
                Verdict::Skipped => counts.skipped += 1,
                Verdict::Duplicate => counts.duplicates += 1,
                Verdict::Superseded => counts.superseded += 1,
                Verdict::Refused { .. } => counts.dead_lettered += 1,
            }
            let is_delivered = matches!(verdict, Verdict::DeliveredInPart { .. });
            if is_delivered || matches!(verdict, Verdict::Refused { .. }) {
                let refusal = Refusal { consumer: Some(name.to_owned()), at_ms: now_ms, is_delivered };
                self.now.refuse(entry, refusal);
            }
        }
        self.tell(format!("{name} settled {} on way {lane} as {:?}, was due: {is_due}", entry.id, verdict));
    }

    pub(super) fn refuse(&mut self) {
        let arrival = self.arrival();
        let now_ms = self.now_ms;
        let is_kept = self.store().refuse(&arrival, &rejection("not_json"), now_ms).expect("the disk works");
        let is_new = self.now.is_new(push(&arrival, true), now_ms, &self.settings);
        assert_eq!(is_kept, is_new);
        if is_new {
            let Arrival { source, record, digest, .. } = arrival;
            let id = self.now.next_id;
            let entry = Entry { id, received_ms: now_ms, source, record, digest, only: Vec::new(), is_replay: false };
            self.now.next_id += 1;
            self.now.refuse(&entry, Refusal { consumer: None, at_ms: now_ms, is_delivered: false });
            self.tell(format!("refused {id} when it came"));
        }
    }

    fn any_letter(&mut self) -> Option<u64> {
        let ids: Vec<u64> = self.now.letters.keys().copied().collect();
        let any = self.random.choice(ids);
        if self.random.u8(0..8) == 0 { Some(self.random.u64(0..100)) } else { any }
    }

    pub(super) fn revive(&mut self) {
        let Some(id) = self.any_letter() else { return };
        let to = self.random.bool().then(|| vec![self.random.choice(NAMES).expect("one").to_owned()]);
        let (again, now_ms) = (self.random.bool(), self.now_ms);
        let would_go = self.store().would_revive(id, to.as_deref(), again).expect("it can be read");
        let targets = self.store().revive(id, to.as_deref(), again, now_ms).expect("the disk works");
        assert_eq!(would_go, targets);
        let expected = self.now.targets(id, to.as_deref(), again);
        self.tell(format!("revived {id} for {to:?}, those who have a part too: {again}: {targets:?}"));
        assert_eq!(targets.iter().collect::<BTreeSet<_>>(), expected.iter().collect());
        if !targets.is_empty() {
            self.now.revive(id, &targets, now_ms);
            self.was_written(true);
        }
    }

    pub(super) fn purge(&mut self) {
        let Some(id) = self.any_letter() else { return };
        let was_there = self.store().purge(id).expect("the disk works");
        assert_eq!(was_there, self.now.letters.remove(&id).is_some());
        self.tell(format!("purged {id}: {was_there}"));
    }

    fn any_consumer(&mut self) -> Option<String> {
        let names: Vec<String> = self.now.consumers.keys().cloned().collect();
        self.random.choice(names)
    }

    pub(super) fn join_or_leave(&mut self) {
        let name = self.random.choice(NAMES).expect("one");
        if self.now.consumers.get(name).is_some_and(|consumer| consumer.is_following) {
            self.leave(name);
        } else {
            let sources = self.any_sources();
            self.join(name, sources);
        }
    }

    pub(super) fn any_sources(&mut self) -> Vec<String> {
        let count = self.random.usize(1..=2);
        self.random.choose_multiple(SOURCES, count).into_iter().map(str::to_owned).collect()
    }

    pub(super) fn join(&mut self, name: &str, sources: Vec<String>) {
        let settings = ConsumerSettings {
            start_from: self.random.choice([StartFrom::Now, StartFrom::Earliest]).expect("one"),
            when_full: self.random.choice([WhenFull::Reject, WhenFull::DropOldest]).expect("one"),
        };
        let log = self.log();
        let is_known = self.now.consumers.contains_key(name);
        let mut consumer = self.now.consumers.remove(name).unwrap_or_default();
        consumer.sources.clone_from(&sources);
        if is_known {
            // What waits is what it takes now of what it had not settled.
            let due =
                due(locked(self.store().follower(name).expect("it is known")).lanes.values(), name, &consumer, &log);
            consumer.counts.received -= consumer.waiting();
            consumer.due = due;
            consumer.counts.received += consumer.waiting();
        } else if settings.start_from == StartFrom::Earliest {
            let mut earlier: Vec<&Entry> = log.values().collect();
            earlier.retain(|entry| consumer.takes(name, entry));
            earlier.into_iter().for_each(|entry| consumer.receive(entry.id));
        }
        consumer.is_following = true;
        self.now.consumers.insert(name.to_owned(), consumer);
        self.tell(format!("{name} joined with {sources:?} and {settings:?}"));
        self.store().join(name, sources, settings, "mapping").expect("it can be read");
    }

    fn leave(&mut self, name: &str) {
        self.now.consumers.get_mut(name).expect("it is known").is_following = false;
        let followers = self.now.consumers.iter().filter(|(_, consumer)| consumer.is_following);
        let names: Vec<String> = followers.map(|(name, _)| name.clone()).collect();
        let left = self.store().leave_all_but(&names);
        let waiting = |(name, consumer): (&String, &Consumer)| (name.clone(), consumer.waiting());
        let gone = self.now.consumers.iter().filter(|(_, consumer)| !consumer.is_following);
        let left_waiting = gone.map(waiting).filter(|(_, waiting)| *waiting > 0);
        assert_eq!(left, left_waiting.collect::<Vec<_>>());
        self.tell(format!("{name} left"));
    }

    pub(super) fn forget(&mut self) {
        let name = self.random.choice(NAMES).expect("one");
        let waiting = self.now.consumers.remove(name).map(|consumer| consumer.waiting());
        assert_eq!(self.store().forget(name), waiting);
        self.taken.retain(|(known, _, _)| known != name);
        self.tell(format!("{name} was forgotten"));
    }

    pub(super) fn replay(&mut self) {
        let Some(name) = self.any_consumer() else { return };
        let (log, since_ms) = (self.log(), self.now_ms - self.random.u64(0..200_000));
        let dry_run = self.random.u8(0..4) == 0;
        // What still waits is delivered anyway.
        let follower = Arc::clone(self.store().follower(&name).expect("it is known"));
        let lanes = locked(&follower).lanes.clone();
        let end = lanes.values().filter(|lane| !lane.is_replay()).map(Lane::floor).min().unwrap_or(u64::MAX);
        let replay = self.store().replay(&name, since_ms, dry_run, None).expect("it can be read");
        if self.now.consumers.get(&name).is_some_and(|consumer| !consumer.is_following) {
            assert_eq!(replay, None, "nobody is there to get it");
            return;
        }
        let replay = replay.expect("it is known").expect("it is short");
        let consumer = self.now.consumers.get_mut(&name).expect("it is known");
        let again: Vec<&Entry> =
            log.values().filter(|it| it.id < end && it.received_ms >= since_ms && consumer.takes(&name, it)).collect();
        assert_eq!(replay.records, again.len() as u64);
        assert_eq!(replay.bytes, again.iter().map(|entry| entry.record.body.len() as u64).sum::<u64>());
        if !dry_run {
            again.iter().for_each(|entry| consumer.receive(entry.id));
        }
        self.tell(format!("{name} gets {} records again, dry run: {dry_run}", replay.records));
        if !dry_run {
            self.was_written(true);
        }
    }
}

fn push(arrival: &Arrival, is_letter: bool) -> Push {
    Push {
        is_letter,
        source: arrival.source.to_string(),
        push_id: arrival.push_id.as_deref().unwrap_or_default().to_owned(),
        body: arrival.record.body.to_vec(),
    }
}

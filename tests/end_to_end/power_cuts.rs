//! A machine that loses its power loses nothing that was acknowledged: only what was synced is still there, or that and
//! some of the rest.

use callspan_power_cut::{environment, restore, write_back};
use callspan_tests::{Builder, Load, Outbox, assert_kept, cycles, seed};
use fastrand::Rng;
use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

const SENDERS: usize = 4;

/// Senders push until the power goes. Every second disk has only what was synced, the others have, by chance, some of the
/// rest too. The next process starts on that; in the end every acknowledged session is in the sink, which stands on
/// another machine.
#[test]
fn a_power_cut_loses_nothing_that_was_acknowledged() {
    let seed = seed();
    let mut chance = Rng::with_seed(seed);
    let machine = Machine::new("");
    let mut acknowledged = BTreeSet::new();
    for cycle in 0..cycles("CALLSPAN_POWER_CUTS", 8) {
        let service = machine.service().start();
        let load = Load::start(service.address(), SENDERS, &format!("cycle {cycle}"));
        thread::sleep(Duration::from_millis(chance.u64(..400)));
        service.kill();
        acknowledged.extend(load.end());
        machine.cut((cycle % 2 == 1).then(|| chance.u64(..)));
    }
    let delivered = machine.outbox.drain();
    assert!(acknowledged.len() > 50, "only {} pushes were acknowledged", acknowledged.len());
    assert_kept(&acknowledged, &delivered);
}

/// With `durability: interval` a power cut may cost what came in last, and no more: the service starts on what is left
/// and takes records in, and a kill without a cut costs nothing.
#[test]
fn between_syncs_a_kill_loses_nothing_and_a_cut_lets_it_start() {
    let mut chance = Rng::with_seed(seed());
    let machine = Machine::new("queue: { durability: interval, sync_interval_ms: 200 }");
    let mut acknowledged = BTreeSet::new();
    for cycle in 0..cycles("CALLSPAN_POWER_CUTS", 6) {
        let service = machine.service().start();
        let load = Load::start(service.address(), SENDERS, &format!("cycle {cycle}"));
        thread::sleep(Duration::from_millis(chance.u64(100..300)));
        service.kill();
        let kept = load.end();
        assert!(!kept.is_empty(), "it takes records in");
        if cycle % 2 == 0 {
            acknowledged.extend(kept);
            let service = machine.outbox.service().start();
            service.wait_until_drained();
            service.kill();
            assert_kept(&acknowledged, &machine.outbox.delivered());
        } else {
            machine.cut((cycle % 4 == 1).then(|| chance.u64(..)));
        }
    }
    assert_kept(&acknowledged, &machine.outbox.drain());
}

/// What the services remember is on a disk that can lose its power.
struct Machine {
    outbox: Outbox,
}

impl Machine {
    fn new(more: &str) -> Self {
        let outbox = Outbox::configured(more);
        fs::create_dir(outbox.path().join("image")).expect("the folder is ours");
        Self { outbox }
    }

    /// What is there before the first service is the folder for what is remembered, and nothing in it.
    fn disk(&self) -> PathBuf {
        self.outbox.data_dir()
    }

    fn image(&self) -> PathBuf {
        self.outbox.path().join("image")
    }

    fn service(&self) -> Builder {
        fs::create_dir_all(self.disk()).expect("the folder is ours");
        let variables = environment(&self.disk(), &self.image()).expect("both folders are there");
        variables
            .into_iter()
            .fold(self.outbox.service(), |service, (name, value)| service.variable(name, &value.display().to_string()))
    }

    /// Leaves what was synced; with a seed also some of what was not.
    fn cut(&self, seed: Option<u64>) {
        if let Some(seed) = seed {
            write_back(&self.image(), &self.disk(), seed).expect("both folders can be read");
        }
        restore(&self.image(), &self.disk()).expect("the folder can be written");
        // The image keeps no permissions of folders.
        let queue = self.disk().join("queue");
        if queue.exists() {
            fs::set_permissions(queue, Permissions::from_mode(0o700)).expect("it is ours");
        }
    }
}

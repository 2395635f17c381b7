//! Senders that push as fast as they are answered, and remember what was acknowledged: what a service must not lose,
//! whatever happens to it.

use crate::http::{Connection, Request};
use crate::records;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

/// Several senders, each on a connection that is kept.
pub struct Load {
    senders: Vec<JoinHandle<BTreeSet<String>>>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    acknowledged: AtomicUsize,
}

impl Load {
    /// So many senders push to `host:port`, each time another session whose name begins with this one.
    pub fn start(address: &str, senders: usize, name: &str) -> Self {
        let shared = Arc::new(Shared::default());
        let senders = (0..senders).map(|sender| {
            let (address, name, shared) = (address.to_owned(), format!("{name}-{sender}"), Arc::clone(&shared));
            thread::spawn(move || push(&address, &name, &shared))
        });
        Self { senders: senders.collect(), shared }
    }

    /// How many pushes were acknowledged so far.
    pub fn acknowledged(&self) -> usize {
        self.shared.acknowledged.load(Ordering::Relaxed)
    }

    /// Ends it, and says which sessions were acknowledged.
    pub fn end(self) -> BTreeSet<String> {
        self.shared.is_over.store(true, Ordering::Relaxed);
        self.senders.into_iter().flat_map(|sender| sender.join().expect("a sender does not panic")).collect()
    }
}

/// Pushes until it is over, or the service is gone.
fn push(address: &str, name: &str, shared: &Shared) -> BTreeSet<String> {
    let mut acknowledged = BTreeSet::new();
    let Ok(mut connection) = Connection::try_open(address) else { return acknowledged };
    for number in 0.. {
        let session = format!("{name}-{number}");
        let request = Request::push(records::call(&session)).header("X-TCCC-PUSH-UUID", &session);
        match connection.try_send(&request) {
            Ok(reply) if reply.status == 200 => {
                acknowledged.insert(session);
                shared.acknowledged.fetch_add(1, Ordering::Relaxed);
            }
            Ok(_) => {}
            Err(_) => break,
        }
        if shared.is_over.load(Ordering::Relaxed) {
            break;
        }
    }
    acknowledged
}

//! The threads that guests run on. Mapping is computing, not waiting: it has threads of its own, with a bounded channel
//! before them.

use super::{Outcome, Plugin};
use crate::record::Record;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// A fixed set of threads that map batches, each with the plugin it comes with. They end when the last clone of this
/// is gone.
#[derive(Clone)]
pub struct Workers {
    jobs: mpsc::Sender<Job>,
    free: Arc<Semaphore>,
}

/// A thread that is free and waits for its batch.
pub struct Slot {
    jobs: mpsc::Sender<Job>,
    /// Given back when the batch has been mapped.
    _thread: OwnedSemaphorePermit,
}

/// The threads, to be awaited at shutdown.
pub struct WorkerThreads(Vec<JoinHandle<()>>);

/// What a thread is to do, answer included.
type Job = Box<dyn FnOnce() + Send>;

/// The threads ended before they answered: only while the process shuts down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the threads that run plugins have ended")]
pub struct WorkersGone;

impl Workers {
    /// Starts as many threads as are asked for, at least one.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(threads: usize) -> io::Result<(Self, WorkerThreads)> {
        let threads = threads.max(1);
        let (jobs, receiver) = mpsc::channel(threads);
        let receiver = Arc::new(Mutex::new(receiver));
        let start = |number: usize| {
            let receiver = Arc::clone(&receiver);
            std::thread::Builder::new().name(format!("callspan-guest-{number}")).spawn(move || run(&receiver))
        };
        let handles = (0..threads).map(start).collect::<io::Result<Vec<_>>>()?;
        Ok((Workers { jobs, free: Arc::new(Semaphore::new(threads)) }, WorkerThreads(handles)))
    }

    /// Waits for a thread to be free. Whoever waits here before it makes up a batch gets a larger one the busier the
    /// threads are.
    ///
    /// # Errors
    /// When the threads have ended.
    pub async fn slot(&self) -> Result<Slot, WorkersGone> {
        let thread = Arc::clone(&self.free).acquire_owned().await.map_err(|_| WorkersGone)?;
        Ok(Slot { jobs: self.jobs.clone(), _thread: thread })
    }
}

impl Slot {
    /// Maps records: one outcome for each, in their order, or none for one that is to wait because the plugin is held. What
    /// is to be made of them is made on the same thread, whose processor has them at hand.
    ///
    /// # Errors
    /// When the threads have ended.
    pub async fn transform<T: Send + 'static>(
        self,
        plugin: &Arc<Plugin>,
        records: Vec<Record>,
        then: impl FnOnce(&[Record], Vec<Option<Outcome>>) -> T + Send + 'static,
    ) -> Result<T, WorkersGone> {
        let plugin = Arc::clone(plugin);
        self.run(move || then(&records, plugin.transform_unless_held(&records))).await
    }

    /// Tries a plugin that is held, and releases it if it passes: whether it did.
    ///
    /// # Errors
    /// When the threads have ended.
    pub async fn retry(self, plugin: &Arc<Plugin>) -> Result<bool, WorkersGone> {
        let plugin = Arc::clone(plugin);
        self.run(move || plugin.retry()).await
    }

    async fn run<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, WorkersGone> {
        let (reply, result) = oneshot::channel();
        // Whoever asked may have gone away, and then needs no answer.
        let job: Job = Box::new(move || drop(reply.send(work())));
        self.jobs.send(job).await.map_err(|_| WorkersGone)?;
        result.await.map_err(|_| WorkersGone)
    }
}

impl WorkerThreads {
    /// Waits until all have ended. They do once every [`Workers`] is gone.
    pub fn join(self) {
        for thread in self.0 {
            if thread.join().is_err() {
                tracing::error!("a thread that runs plugins had panicked");
            }
        }
    }
}

fn run(jobs: &Mutex<mpsc::Receiver<Job>>) {
    loop {
        // One thread waits in the channel, the others for the lock. Nothing can be left half-done under it.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        let Some(job) = job else { return };
        job();
    }
}

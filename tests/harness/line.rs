//! A line between a service and its backend that fails on cue, whatever is spoken over it: it passes bytes on, and knows
//! nothing of what they say. The backend at its other end is a real one.

use crate::peers::Endpoint;
use crate::wait::wait_until;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

/// A line. Cut when it goes out of scope.
pub struct Line {
    port: u16,
    backend: Endpoint,
    shared: Arc<Shared>,
}

/// How a line fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Every connection is reset when half of what the service has sent is passed on.
    Reset,
    /// What comes back is nothing that the service could understand.
    Garbage,
    /// What comes back comes byte by byte, and takes longer than anybody would wait.
    Trickle,
}

/// What connections look at, and what they tell.
#[derive(Default)]
struct Shared {
    fault: Mutex<Option<Fault>>,
    failures: AtomicUsize,
    is_cut: AtomicBool,
    connections: Mutex<Vec<Weak<Connection>>>,
}

/// Closed when both of its directions have ended.
struct Connection {
    service: TcpStream,
    backend: TcpStream,
    /// What comes is read and goes nowhere, and nobody is told.
    is_lost: AtomicBool,
    is_reset: AtomicBool,
}

impl Line {
    /// A line to this backend that works.
    pub fn to(backend: Endpoint) -> Self {
        let mut line = Self { port: 0, backend, shared: Arc::default() };
        line.mend();
        line
    }

    /// Its end at which the service connects.
    pub fn endpoint(&self) -> Endpoint {
        let scheme = self.backend.url.split(':').next().expect("an address has a scheme");
        Endpoint { url: format!("{scheme}://127.0.0.1:{}", self.port), ..self.backend }
    }

    /// Lets it fail so, or work, from now on: connections that there are, and those to come.
    pub fn fail(&self, fault: impl Into<Option<Fault>>) {
        *lock(&self.shared.fault) = fault.into();
    }

    /// Waits until it has failed so many times more.
    pub fn wait_for_failures(&self, times: usize) {
        let before = self.shared.failures.load(Ordering::Relaxed);
        wait_until("failures", || self.shared.failures.load(Ordering::Relaxed) >= before + times);
    }

    /// Loses every connection that there is without a word, as when a firewall forgets them: neither side hears of it.
    /// New ones work.
    pub fn lose_connections(&self) {
        self.connections().iter().for_each(|it| it.is_lost.store(true, Ordering::Relaxed));
    }

    /// Ends every connection, and refuses new ones.
    pub fn cut(&mut self) {
        self.shared.is_cut.store(true, Ordering::Relaxed);
        // Woken, the listener sees that it is over.
        let _woken = TcpStream::connect(("127.0.0.1", self.port));
        for connection in self.connections() {
            connection.end();
        }
        wait_until("an end of listening", || TcpStream::connect(("127.0.0.1", self.port)).is_err());
    }

    /// Takes connections again, at the same place.
    pub fn mend(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).expect("the port is ours");
        self.port = listener.local_addr().expect("it listens").port();
        self.shared.is_cut.store(false, Ordering::Relaxed);
        let port = self.backend.url.rsplit(':').next().and_then(|port| port.parse().ok());
        let (shared, port) = (Arc::clone(&self.shared), port.expect("an address ends in a port"));
        thread::spawn(move || listen(&listener, port, &shared));
    }

    fn connections(&self) -> Vec<Arc<Connection>> {
        lock(&self.shared.connections).iter().filter_map(Weak::upgrade).collect()
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if !self.shared.is_cut.load(Ordering::Relaxed) {
            self.cut();
        }
    }
}

fn listen(listener: &TcpListener, backend: u16, shared: &Arc<Shared>) {
    for service in listener.incoming().map_while(Result::ok) {
        if shared.is_cut.load(Ordering::Relaxed) {
            return;
        }
        // Without a backend the connection ends at once.
        let Ok(backend) = TcpStream::connect(("127.0.0.1", backend)) else { continue };
        let connection = Arc::new(Connection { service, backend, is_lost: false.into(), is_reset: false.into() });
        lock(&shared.connections).push(Arc::downgrade(&connection));
        for direction in [Connection::pass_requests, Connection::pass_answers] {
            let (connection, shared) = (Arc::clone(&connection), Arc::clone(shared));
            thread::spawn(move || direction(&connection, &shared));
        }
    }
}

impl Connection {
    fn pass_requests(&self, shared: &Shared) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = self.service.peek(&mut buffer) {
            let is_reset = count > 1 && shared.fault() == Some(Fault::Reset);
            let part = &mut buffer[..if is_reset { count / 2 } else { count }];
            if (&self.service).read_exact(part).is_err() || self.send(&self.backend, part).is_err() {
                break;
            }
            if is_reset {
                shared.failures.fetch_add(1, Ordering::Relaxed);
                // A socket that is closed with something unread is reset, by its last owner.
                self.is_reset.store(true, Ordering::Relaxed);
                let _other_direction = self.backend.shutdown(Shutdown::Both);
                return;
            }
        }
        let _end = self.backend.shutdown(Shutdown::Write);
    }

    fn pass_answers(&self, shared: &Shared) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = (&self.backend).read(&mut buffer) {
            let part = &buffer[..count];
            let passed = match shared.fault() {
                Some(Fault::Garbage) => {
                    shared.failures.fetch_add(1, Ordering::Relaxed);
                    let _sent = self.send(&self.service, b"\x00\xff nothing that anybody speaks\r\n\r\n");
                    return self.end();
                }
                Some(Fault::Trickle) => {
                    shared.failures.fetch_add(1, Ordering::Relaxed);
                    part.chunks(1).try_for_each(|byte| {
                        if shared.fault() == Some(Fault::Trickle) {
                            thread::sleep(Duration::from_millis(200));
                        }
                        self.send(&self.service, byte)
                    })
                }
                Some(Fault::Reset) | None => self.send(&self.service, part),
            };
            if passed.is_err() {
                break;
            }
        }
        if !self.is_reset.load(Ordering::Relaxed) {
            let _end = self.service.shutdown(Shutdown::Write);
        }
    }

    fn send(&self, mut to: &TcpStream, bytes: &[u8]) -> std::io::Result<()> {
        if self.is_lost.load(Ordering::Relaxed) { Ok(()) } else { to.write_all(bytes) }
    }

    fn end(&self) {
        let _both_may_have_gone = [&self.service, &self.backend].map(|it| it.shutdown(Shutdown::Both));
    }
}

impl Shared {
    fn fault(&self) -> Option<Fault> {
        *lock(&self.fault)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

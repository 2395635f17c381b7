//! Secrets that senders show are replaced while they push, and not one push fails.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use callspan_tests::{Connection, Request, Service, records, wait_until};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

const SENDERS: usize = 4;
const ROTATIONS: usize = 20;

/// The old password is written as the previous one, then the new one takes its place, then senders use it: at every
/// moment of that both are good. In the end the first ones are not.
#[test]
fn a_password_is_replaced_again_and_again_and_no_push_fails() {
    let folder = tempfile::tempdir().expect("a folder");
    let [current, previous] = ["current", "previous"].map(|name| folder.path().join(name));
    write(&current, "password-0");
    write(&previous, "password-0");
    let service = Service::new()
        .config(&format!(
            "sources:
  tccc:
    type: http_server
    address: 127.0.0.1:0
    auth: {{ strategy: basic, username: u, password_file: {}, previous_password_file: {} }}
",
            current.display(),
            previous.display()
        ))
        .durable()
        .start();
    let (latest, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let pushed: [AtomicUsize; SENDERS] = Default::default();
    thread::scope(|scope| {
        for (sender, count) in pushed.iter().enumerate() {
            let (service, latest, is_over) = (&service, &latest, &is_over);
            scope.spawn(move || {
                let mut connection = Connection::open(service.address());
                while !is_over.load(Ordering::SeqCst) {
                    let session = format!("{sender}-{}", count.load(Ordering::SeqCst));
                    let reply = connection.send(&push(latest.load(Ordering::SeqCst), &session));
                    assert_eq!(reply.status, 200, "{}", reply.body);
                    count.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        // Ends the senders also where this fails.
        let _ended = End(&is_over);
        for rotation in 1..=ROTATIONS {
            write(&previous, &format!("password-{}", rotation - 1));
            write(&current, &format!("password-{rotation}"));
            latest.store(rotation, Ordering::SeqCst);
            // What was sent with the password before is answered, and each has used the new one.
            let before: Vec<usize> = pushed.iter().map(|count| count.load(Ordering::SeqCst)).collect();
            wait_until("every sender's next pushes", || {
                pushed.iter().zip(&before).all(|(count, before)| count.load(Ordering::SeqCst) > before + 1)
            });
        }
    });
    assert_eq!(service.send(&push(ROTATIONS, "last")).status, 200);
    assert_eq!(service.send(&push(0, "first")).status, 401);
    assert!(!service.log().contains("password-"));
}

struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn push(password: usize, session: &str) -> Request {
    let basic = format!("Basic {}", STANDARD.encode(format!("u:password-{password}")));
    Request::push(records::call(session)).header("Authorization", &basic)
}

/// At once, as everybody should who replaces a file that others read.
fn write(path: &Path, text: &str) {
    let new = path.with_extension("new");
    fs::write(&new, text).expect("the folder is ours");
    fs::rename(new, path).expect("the folder is ours");
}

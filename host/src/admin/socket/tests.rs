use super::*;
use crate::connections::{ConnectionCounters, ConnectionLimits, serve};
use crate::queue::control::{Control, ControlError, Request, Response as Answer};
use std::os::unix::fs::MetadataExt as _;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Answers every request with its own consumer's name, or refuses.
#[derive(Clone)]
struct Echo;

impl Control for Echo {
    async fn answer(&self, request: Request) -> Result<Answer, ControlError> {
        match request {
            Request::Forget { consumer } => Err(ControlError::NoConsumer(consumer)),
            _ => Ok(Answer::Forgotten { waiting: Some(7) }),
        }
    }
}

/// Knows no transform.
#[derive(Clone)]
struct NoPlugins;

impl transform::control::Control for NoPlugins {
    async fn answer(
        &self,
        request: transform::control::Request,
    ) -> Result<transform::control::Response, transform::control::ControlError> {
        use transform::control::{ControlError, Request, Response};
        match request {
            Request::RollBack { transform } => {
                Err(ControlError::NoTransform { name: transform, known: vec!["calls".to_owned()] })
            }
            _ => Ok(Response::Status { transforms: Vec::new() }),
        }
    }
}

struct Running {
    folder: tempfile::TempDir,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Running {
    fn start(folder: tempfile::TempDir, data_dir: &Path) -> Self {
        let socket = Socket::bind(data_dir, folder.path()).expect("the folder is ours");
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async move { drop(stopped.await) };
        let serving = tokio::spawn(serve(
            socket,
            control_router(Echo, NoPlugins),
            ConnectionLimits::default(),
            ConnectionCounters::default(),
            shutdown,
        ));
        Running { folder, stop, serving }
    }

    async fn stop(self) -> tempfile::TempDir {
        self.stop.send(()).expect("it runs");
        self.serving.await.expect("it does not panic");
        self.folder
    }
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

#[tokio::test]
async fn a_request_is_answered_and_a_refusal_too() {
    let folder = folder();
    let data_dir = folder.path().to_owned();
    let running = Running::start(folder, &data_dir);
    let mode = fs::metadata(data_dir.join(FILE)).expect("it is there").mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut client = SocketClient::connect(&data_dir).await.expect("it listens");
    for _ in 0..2 {
        let answer = client.ask(&Request::Totals).await.expect("it answers");
        assert_eq!(answer, Answer::Forgotten { waiting: Some(7) });
    }
    let refused = client.ask(&Request::Forget { consumer: "x".to_owned() }).await.expect_err("it refuses");
    assert!(matches!(&refused, ClientError::Refused { code, .. } if code == "no_consumer"), "{refused}");
    assert!(refused.to_string().contains("`x`"), "{refused}");
    let answer = client.ask_plugins(&transform::control::Request::Status).await.expect("it answers");
    assert_eq!(answer, transform::control::Response::Status { transforms: Vec::new() });
    let roll_back = transform::control::Request::RollBack { transform: "x".to_owned() };
    let refused = client.ask_plugins(&roll_back).await.expect_err("it refuses");
    assert!(matches!(&refused, ClientError::Refused { code, .. } if code == "no_transform"), "{refused}");
    assert!(refused.to_string().contains("there is calls"), "{refused}");
    drop(client);
    let _folder = running.stop().await;
    assert!(!data_dir.join(FILE).exists(), "its file goes with it");
    assert!(matches!(SocketClient::connect(&data_dir).await, Err(ClientError::Nobody)));
}

#[tokio::test]
async fn a_socket_that_a_dead_process_left_is_replaced() {
    let folder = folder();
    let data_dir = folder.path().to_owned();
    drop(UnixListener::bind(data_dir.join(FILE)).expect("the folder is ours"));
    drop(UnixListener::bind(data_dir.join(NEW_FILE)).expect("the folder is ours"));
    assert!(matches!(SocketClient::connect(&data_dir).await, Err(ClientError::Nobody)));
    let _running = Running::start(folder, &data_dir);
    assert!(SocketClient::connect(&data_dir).await.is_ok());
}

#[tokio::test]
async fn a_path_may_be_longer_than_the_system_takes() {
    let folder = folder();
    let data_dir = folder.path().join("x".repeat(100)).join("y".repeat(100));
    fs::create_dir_all(&data_dir).expect("the folder is ours");
    let _running = Running::start(folder, &data_dir);
    let mut client = SocketClient::connect(&data_dir).await.expect("it listens");
    assert!(client.ask(&Request::Totals).await.is_ok());
}

#[tokio::test]
async fn what_is_no_request_is_refused_with_a_code() {
    let ask = async |method: Method, path: &str, body: Vec<u8>| {
        let request = HttpRequest::builder().method(method).uri(path).body(body.into()).expect("a request");
        let (head, body) = respond(State((Echo, NoPlugins)), request).await.into_parts();
        let body = to_bytes(body, 100_000).await.expect("a body");
        let failure: Failure = serde_json::from_slice(&body).expect("an error");
        (head.status.as_u16(), failure.error.code)
    };
    let refused = |status: u16, code: &str| (status, code.to_owned());
    assert_eq!(ask(Method::POST, "/", Vec::new()).await, refused(404, "unknown_path"));
    assert_eq!(ask(Method::GET, QUEUE, Vec::new()).await, refused(405, "method_not_allowed"));
    assert_eq!(ask(Method::POST, QUEUE, b"{}".to_vec()).await, refused(400, "not_understood"));
    assert_eq!(ask(Method::POST, PLUGINS, br#"{"request":"totals"}"#.to_vec()).await, refused(400, "not_understood"));
    let spaces = vec![b' '; REQUEST_BYTES_MAX + 1];
    assert_eq!(ask(Method::POST, QUEUE, spaces).await, refused(413, "body_too_large"));
}

//! The least HTTP/1.1 client that can also be wrong: it sends what it is told to.

use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::child::PATIENCE;

/// A request as it goes over the wire.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// Of the body, as the header claims.
    length: usize,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    headers: Vec<(String, String)>,
    /// The body, which is text in every answer callspan gives.
    pub body: String,
}

impl Request {
    /// The vendor's push, header for header as its pages document it.
    pub fn push(body: impl Into<Vec<u8>>) -> Self {
        Self::new("POST", "/?action=cdr&version=1").body(body).header("Content-Type", "application/json;charset=utf8")
    }

    /// A request without headers of its own.
    pub fn new(method: &str, target: &str) -> Self {
        Self { method: method.to_owned(), target: target.to_owned(), headers: Vec::new(), body: Vec::new(), length: 0 }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body; its length is sent along.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.length = self.body.len();
        self
    }

    /// Claims a body of this length, whatever is sent of it.
    #[must_use]
    pub fn claim_length(mut self, length: usize) -> Self {
        self.length = length;
        self
    }

    /// Sends it to `host:port`, and waits for the answer.
    pub fn send(&self, address: &str) -> Reply {
        let mut stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("nobody at {address}: {error}"));
        stream.set_read_timeout(Some(PATIENCE)).expect("the time is not zero");
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", self.length));
        // A server may answer, and hang up, before it has read all of a body that is too long: what counts is the
        // answer.
        let _sent = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&self.body));
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        assert!(read.is_ok() || !answer.is_empty(), "no answer from {address}: {read:?}");
        Reply::parse(&String::from_utf8_lossy(&answer))
    }
}

impl Reply {
    fn parse(answer: &str) -> Self {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
        if head.starts_with("HTTP/1.1 100 ") {
            return Self::parse(body);
        }
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(": "));
        Self {
            status: status.unwrap_or_else(|| panic!("not an HTTP answer: {answer}")),
            headers: headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect(),
            body: body.to_owned(),
        }
    }

    /// A header's value, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// `ErrCode`, as the vendor reads it.
    pub fn code(&self) -> i64 {
        self.json()["ErrCode"].as_i64().unwrap_or_else(|| panic!("no ErrCode in {}", self.body))
    }

    /// `ErrMsg`, as the vendor's log shows it.
    pub fn message(&self) -> String {
        self.json()["ErrMsg"].as_str().unwrap_or_else(|| panic!("no ErrMsg in {}", self.body)).to_owned()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("not JSON: {error}: {}", self.body))
    }
}

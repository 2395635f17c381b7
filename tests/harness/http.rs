//! The least HTTP/1.1 client that can also be wrong: it sends what it is told to.

use serde_json::Value;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
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

/// A connection that is kept open for several requests.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
    host: String,
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
        self.try_send(address).unwrap_or_else(|error| panic!("no answer from {address}: {error}"))
    }

    /// The same of a server that may go away before it answers.
    ///
    /// # Errors
    /// When nobody listens, or the answer does not come or breaks off.
    pub fn try_send(&self, address: &str) -> io::Result<Reply> {
        let mut stream = connect(address)?;
        self.write(&mut stream, address, "Connection: close\r\n");
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        if answer.is_empty() {
            return Err(read.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into()));
        }
        Reply::parse(&String::from_utf8_lossy(&answer))
    }

    fn write(&self, stream: &mut TcpStream, host: &str, more: &str) {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {host}\r\n{more}", self.method, self.target);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", self.length));
        // A server may answer, and hang up, before it has read all of a body that is too long: what counts is the
        // answer.
        let _sent = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&self.body));
    }
}

impl Connection {
    /// Opens one to `host:port`.
    pub fn open(address: &str) -> Self {
        Self::try_open(address).unwrap_or_else(|error| panic!("nobody at {address}: {error}"))
    }

    /// The same of a server that may have gone away.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn try_open(address: &str) -> io::Result<Self> {
        Ok(Self { stream: BufReader::new(connect(address)?), host: address.to_owned() })
    }

    /// Sends a request, waits for its answer, and keeps the connection.
    pub fn send(&mut self, request: &Request) -> Reply {
        self.try_send(request).unwrap_or_else(|error| panic!("the connection is not kept: {error}"))
    }

    /// The same of a server that may go away before it answers.
    ///
    /// # Errors
    /// When the whole answer does not come.
    pub fn try_send(&mut self, request: &Request) -> io::Result<Reply> {
        request.write(self.stream.get_mut(), &self.host, "");
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.stream.read_line(&mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let mut reply = Reply::parse(&head)?;
        let length = reply.header("content-length").and_then(|length| length.parse().ok());
        let mut body = vec![0; length.expect("an answer on a connection that is kept has a length")];
        self.stream.read_exact(&mut body)?;
        reply.body = String::from_utf8(body).expect("a body is text");
        Ok(reply)
    }

    /// Waits until the other side closes it without another word.
    pub fn wait_for_end(mut self) {
        let mut rest = Vec::new();
        let read = self.stream.read_to_end(&mut rest);
        assert!(read.is_ok() && rest.is_empty(), "{read:?} {}", String::from_utf8_lossy(&rest));
    }
}

fn connect(address: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // Head and body are two writes: the second is not to wait until the first is confirmed.
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl Reply {
    /// An answer that broke off is none.
    pub(crate) fn parse(answer: &str) -> io::Result<Self> {
        let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
        if head.starts_with("HTTP/1.1 100 ") {
            return Self::parse(body);
        }
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(": "));
        Ok(Self {
            status: status.unwrap_or_else(|| panic!("not an HTTP answer: {answer}")),
            headers: headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect(),
            body: body.to_owned(),
        })
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

    /// The body.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("not JSON: {error}: {}", self.body))
    }
}

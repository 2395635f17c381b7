//! Whether a backend can be reached, found out without a request: OTLP has none that asks for nothing, and some backends
//! refuse an empty one. A connection is made as for a request, with its TLS. Where HTTP/2 will be spoken, which gRPC always
//! does, both sides greet each other too: that tells a backend that speaks something else at this address, and with TLS
//! 1.3, one that refuses the client's certificate.
//!
//! What only a request can show stays open: whether the path and the credentials are right.

use super::connector;
use super::endpoint::{Endpoint, Protocol};
use super::outcome::{timed_out, unreachable};
use super::quotes::Quotes;
use hyper::Uri;
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::Connection;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use std::error::Error;
use std::future::poll_fn;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tonic::codegen::Service;

/// What was found of a backend that is not out of reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It can be connected to.
    Reached,
    /// Requests go by a proxy, which alone can tell.
    ByProxy,
}

/// A backend cannot be reached now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unreachable {
    /// As it would be told of a request.
    pub reason: String,
}

type BoxError = Box<dyn Error + Send + Sync>;

/// Shows what lies below it, and that only.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Failed(#[source] BoxError);

#[derive(Debug, thiserror::Error)]
enum Greeting {
    #[error("the backend does not speak HTTP/2 at this address; see `protocol`")]
    Strange,
    #[error("the backend ends connections to this address without a word of HTTP/2; see `endpoint` and `protocol`")]
    None,
}

/// What a client begins HTTP/2 with: the preface, and a frame of settings in which nothing is set (RFC 9113, section 3.4).
const GREETING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// A frame's length, its type, its flags and its stream (section 4.1).
const FRAME_HEADER_BYTES: usize = 9;
const SETTINGS: u8 = 4;

/// Connects to a backend within the time that it may take to answer. To be called within a tokio runtime.
///
/// # Errors
/// When it cannot be connected to, or speaks another protocol.
pub async fn reach(endpoint: &Endpoint) -> Result<Reach, Unreachable> {
    match tokio::time::timeout(endpoint.timeout(), attempt(endpoint)).await {
        Ok(Ok(reach)) => Ok(reach),
        Ok(Err(error)) => Err(Unreachable { reason: unreachable(&error, &Quotes::default()) }),
        Err(_) => Err(Unreachable { reason: timed_out(endpoint.timeout()) }),
    }
}

async fn attempt(endpoint: &Endpoint) -> Result<Reach, Failed> {
    let address: Uri = endpoint.url().as_str().parse().map_err(failed)?;
    let is_grpc = endpoint.protocol() == Protocol::Grpc;
    // As the clients do: that for gRPC knows no proxies, and under another name than the address's none is asked.
    let asks_proxy = !is_grpc && (endpoint.tls().server_name.is_none() || !endpoint.has_tls());
    if asks_proxy && Matcher::from_system().intercept(&address).is_some() {
        return Ok(Reach::ByProxy);
    }
    let protocols: &[&str] = if is_grpc { &["h2"] } else { &["h2", "http/1.1"] };
    if endpoint.has_tls() {
        meet(connector::https(endpoint, protocols).map_err(failed)?, address, is_grpc).await?;
    } else {
        meet(connector::tcp(), address, is_grpc).await?;
    }
    Ok(Reach::Reached)
}

/// Connects, and greets where that is HTTP/2's way.
async fn meet<C>(mut connector: C, address: Uri, is_grpc: bool) -> Result<(), Failed>
where
    C: Service<Uri>,
    C::Response: Connection + Read + Write + Unpin,
    C::Error: Into<BoxError>,
{
    poll_fn(|context| connector.poll_ready(context)).await.map_err(failed)?;
    let connection = connector.call(address).await.map_err(failed)?;
    if is_grpc || connection.connected().is_negotiated_h2() {
        greet(&mut TokioIo::new(connection)).await?;
    }
    Ok(())
}

async fn greet(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Result<(), Failed> {
    stream.write_all(GREETING).await.map_err(failed)?;
    stream.flush().await.map_err(failed)?;
    let mut header = [0; FRAME_HEADER_BYTES];
    stream.read_exact(&mut header).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => failed(Greeting::None),
        _ => failed(error),
    })?;
    let [_, _, _, SETTINGS, ..] = header else { return Err(failed(Greeting::Strange)) };
    // Politely; the other side may have gone already.
    let _ended = stream.shutdown().await;
    Ok(())
}

fn failed(error: impl Into<BoxError>) -> Failed {
    Failed(error.into())
}

#[cfg(test)]
mod tests {
    use super::super::collector::Collector;
    use super::*;
    use std::time::Duration;
    use tokio::net::TcpListener;

    const PROTOCOLS: [Protocol; 3] = [Protocol::Grpc, Protocol::HttpProtobuf, Protocol::HttpJson];

    fn endpoint(protocol: Protocol, address: &str) -> Endpoint {
        Endpoint::new(protocol, address).expect("an endpoint").with_timeout(Duration::from_secs(5))
    }

    async fn reason(endpoint: &Endpoint) -> String {
        reach(endpoint).await.expect_err("it cannot be reached").reason
    }

    #[tokio::test]
    async fn a_backend_that_is_there_is_reached_and_gets_no_request() {
        for protocol in PROTOCOLS {
            let collector = Collector::start([]).await;
            assert_eq!(reach(&endpoint(protocol, &collector.address(protocol))).await, Ok(Reach::Reached));
            assert_eq!(collector.requests(), [], "{protocol:?}");
        }
    }

    #[tokio::test]
    async fn where_nobody_listens_nobody_is_reached() {
        for protocol in PROTOCOLS {
            // The port was free a moment ago.
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let address = format!("http://{}", listener.local_addr().expect("an address"));
            drop(listener);
            let reason = reason(&endpoint(protocol, &address)).await;
            assert!(reason.starts_with("the backend could not be reached: "), "{protocol:?}: {reason}");
            assert!(reason.contains("refused"), "{protocol:?}: {reason}");
        }
    }

    #[tokio::test]
    async fn a_name_that_nobody_has_is_told() {
        let reason = reason(&endpoint(Protocol::Grpc, "http://nobody.invalid:4317")).await;
        assert!(reason.contains("dns error"), "{reason}");
    }

    /// Takes one connection, says this, and ends it.
    async fn listener_that_says(words: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut greeting = [0; GREETING.len()];
            stream.read_exact(&mut greeting).await.expect("a greeting");
            assert_eq!(greeting, GREETING);
            stream.write_all(words).await.expect("it is read");
        });
        format!("http://{address}")
    }

    #[tokio::test]
    async fn for_grpc_a_backend_has_to_speak_http_2() {
        for (words, expected) in [
            (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], Some("see `protocol`")),
            (b"", Some("see `endpoint` and `protocol`")),
            (b"\0\0\0\x07\0\0\0\0\0", Some("see `protocol`")),
            (b"\0\0\0\x04\0\0\0\0\0", None),
        ] {
            let found = reach(&endpoint(Protocol::Grpc, &listener_that_says(words).await)).await;
            match expected {
                Some(expected) => {
                    assert!(found.as_ref().is_err_and(|it| it.reason.contains(expected)), "{expected}: {found:?}");
                }
                None => assert_eq!(found, Ok(Reach::Reached)),
            }
        }
    }

    /// Over HTTP nothing is said: what is listening may speak it or not.
    #[tokio::test]
    async fn one_that_says_nothing_is_waited_for_as_long_as_for_an_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let silent = endpoint(Protocol::Grpc, &address).with_timeout(Duration::from_millis(50));
        assert_eq!(reason(&silent).await, "the backend did not answer within 50ms");
        assert_eq!(reach(&endpoint(Protocol::HttpProtobuf, &address)).await, Ok(Reach::Reached));
    }
}

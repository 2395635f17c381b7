//! OTLP over gRPC. The client that is generated from the protocol takes messages; this one takes requests that are
//! encoded already, so that they can be sent again as they are.

use super::connector;
use super::endpoint::{Compression, Endpoint};
use super::outcome::Answer;
use super::quotes::Quotes;
use super::{ANSWER_BYTES_MAX, Client, ConnectError, USER_AGENT, Unanswered};
use bytes::{BufMut as _, Bytes};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use reqwest::header::HeaderMap;
use std::error::Error as _;
use std::iter::successors;
use std::time::Duration;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint as Address};
use tonic::{Status, TimeoutExpired};

const METHOD: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

pub(super) struct Grpc {
    client: tonic::client::Grpc<Channel>,
    headers: HeaderMap,
    timeout: Duration,
    quotes: Quotes,
}

/// Requests as they are, answers as the protocol's message.
#[derive(Clone, Copy, Default)]
struct Encoded;

impl Grpc {
    /// Connects when the first request is sent, and again whenever the connection is lost.
    pub(super) fn new(endpoint: &Endpoint) -> Result<Self, ConnectError> {
        let unusable = |error| ConnectError::new(endpoint, &error);
        let headers = endpoint.headers().map_err(unusable)?;
        let client = tonic::client::Grpc::new(channel(endpoint)?)
            .accept_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(ANSWER_BYTES_MAX);
        let client = match endpoint.compression() {
            Compression::None => client,
            Compression::Gzip => client.send_compressed(CompressionEncoding::Gzip),
            Compression::Zstd => client.send_compressed(CompressionEncoding::Zstd),
        };
        Ok(Self { client, timeout: endpoint.timeout(), quotes: Quotes::without(&headers), headers })
    }

    async fn call(&self, request: tonic::Request<Bytes>) -> Result<ExportTraceServiceResponse, Status> {
        // A clone shares the connection.
        let mut client = self.client.clone();
        // These are the words of generated clients, by which the answer is sorted.
        client.ready().await.map_err(|error| Status::unknown(format!("Service was not ready: {error}")))?;
        let response = client.unary(request, PathAndQuery::from_static(METHOD), Encoded).await?;
        Ok(response.into_inner())
    }
}

impl Client for Grpc {
    async fn send(&self, request: Bytes) -> Result<Answer, Unanswered> {
        let unanswered = || Unanswered(self.timeout);
        let mut request = tonic::Request::new(request);
        *request.metadata_mut() = MetadataMap::from_headers(self.headers.clone());
        request.set_timeout(self.timeout);
        match tokio::time::timeout(self.timeout, self.call(request)).await.map_err(|_| unanswered())? {
            Ok(response) => Ok(Answer::of_response(response, &self.quotes)),
            // The client keeps the time that it tells the backend, and is often the first to notice.
            Err(status) if is_timeout(&status) => Err(unanswered()),
            Err(status) if is_huge(&status) => Ok(Answer::of_huge_answer()),
            Err(status) => Ok(Answer::of_grpc_status(&status, &self.quotes)),
        }
    }
}

fn channel(endpoint: &Endpoint) -> Result<Channel, ConnectError> {
    let mut address = Address::from_shared(endpoint.url().to_string())
        .and_then(|address| address.user_agent(USER_AGENT))
        .map_err(|error| ConnectError::new(endpoint, &error))?
        .connect_timeout(endpoint.timeout());
    if !endpoint.has_tls() {
        return Ok(address.connect_lazy());
    }
    // What the backend takes for its own name; the connection goes to the address.
    if let Ok(origin) = endpoint.named_url().as_str().parse() {
        address = address.origin(origin);
    }
    let connector = connector::https(endpoint, &["h2"]).map_err(|error| ConnectError::new(endpoint, &error))?;
    Ok(address.connect_with_connector_lazy(connector))
}

fn is_timeout(status: &Status) -> bool {
    successors(status.source(), |error| (*error).source()).any(|error| error.is::<TimeoutExpired>())
}

/// Whether the client found the answer larger than it takes. A server says the same of a request, by the number of its own
/// limit.
fn is_huge(status: &Status) -> bool {
    let words = [format!("the limit is: {ANSWER_BYTES_MAX} bytes"), format!("size limit, of {ANSWER_BYTES_MAX} bytes")];
    words.iter().any(|words| status.message().contains(words))
}

impl Codec for Encoded {
    type Encode = Bytes;
    type Decode = ExportTraceServiceResponse;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Encoded {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, request: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(request);
        Ok(())
    }
}

impl Decoder for Encoded {
    type Item = ExportTraceServiceResponse;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<ExportTraceServiceResponse>, Status> {
        let response = ExportTraceServiceResponse::decode(buffer);
        response.map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_too_large_is_told_from_a_request_that_is() {
        let words = |limit: usize| {
            [
                format!("Error, decoded message length too large: found 100000000 bytes, the limit is: {limit} bytes"),
                format!("Error decompressing: size limit, of {limit} bytes, exceeded while decompressing message"),
            ]
        };
        for words in words(ANSWER_BYTES_MAX) {
            assert!(is_huge(&Status::out_of_range(words)));
        }
        for words in words(4 * 1024 * 1024) {
            assert!(!is_huge(&Status::out_of_range(words)));
        }
    }
}

//! OTLP over gRPC.

use super::endpoint::Endpoint;
use super::outcome::Answer;
use super::quotes::Quotes;
use super::{ConnectError, USER_AGENT};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use reqwest::header::HeaderMap;
use std::time::Duration;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint as Address};

pub(super) struct Grpc {
    client: TraceServiceClient<Channel>,
    headers: HeaderMap,
    timeout: Duration,
    quotes: Quotes,
}

impl Grpc {
    /// Connects when the first request is sent, and again whenever the connection is lost.
    pub(super) fn new(endpoint: &Endpoint) -> Result<Self, ConnectError> {
        let unusable = |error| ConnectError::new(endpoint, &error);
        let mut address = Address::from_shared(endpoint.url().to_string())
            .and_then(|address| address.user_agent(USER_AGENT))
            .map_err(unusable)?
            .connect_timeout(endpoint.timeout());
        if endpoint.url().scheme() == "https" {
            address = address.tls_config(ClientTlsConfig::new().with_native_roots()).map_err(unusable)?;
        }
        Ok(Self {
            client: TraceServiceClient::new(address.connect_lazy()),
            headers: endpoint.headers().clone(),
            timeout: endpoint.timeout(),
            quotes: Quotes::without(endpoint.headers()),
        })
    }

    pub(super) async fn send(&self, request: ExportTraceServiceRequest) -> Answer {
        let mut request = tonic::Request::new(request);
        *request.metadata_mut() = MetadataMap::from_headers(self.headers.clone());
        request.set_timeout(self.timeout);
        // A clone shares the connection.
        let mut client = self.client.clone();
        match tokio::time::timeout(self.timeout, client.export(request)).await {
            Ok(Ok(response)) => Answer::of_response(response.into_inner(), &self.quotes),
            Ok(Err(status)) => Answer::of_grpc_status(&status, &self.quotes),
            Err(_) => Answer::timed_out(self.timeout),
        }
    }
}

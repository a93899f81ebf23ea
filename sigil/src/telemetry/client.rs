//! The exporter's HTTP client: [`crate::http`] behind the exporter's trait.
//!
//! The exporter runs on a thread of its own and knows no runtime, so the request is spawned on ours.

use super::Endpoint;
use crate::exit::Failure;
use crate::http::{self, Options};
use bytes::Bytes;
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;
use tokio::runtime::Handle;

/// Sends batches to one collector.
#[derive(Debug, Clone)]
pub struct Client {
    endpoint: Endpoint,
    http: http::Client,
    runtime: Handle,
}

impl Client {
    /// A client of the collector at `endpoint`. Call it inside the runtime.
    pub fn new(endpoint: Endpoint, ca_file: Option<&Path>, timeout: Duration) -> Result<Self, Failure> {
        let http = http::Client::new(Options {
            ca_file: ca_file.map(Path::to_owned),
            timeout,
            ..Options::default()
        });
        http.prepare(&endpoint.url)?;
        Ok(Self {
            endpoint,
            http,
            runtime: Handle::current(),
        })
    }

    async fn exchange(self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        // The form that a server gets: a path; the host goes into its header.
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = path.parse()?;
        Ok(self.http.exchange(&self.endpoint.url, request).await?)
    }
}

impl HttpClient for Client {
    // Written out as the trait's macro does.
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        let client = self.clone();
        let exchanged = self.runtime.spawn(client.exchange(request));
        Box::pin(async move { exchanged.await? })
    }
}

//! The exporter's HTTP client: one connection for each batch of spans, over TLS or on this machine.
//!
//! The exporter runs on a thread of its own and knows no runtime, so the request is spawned on ours.

use super::Endpoint;
use crate::exit::Failure;
use crate::tls;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{HOST, HeaderValue};
use hyper_util::rt::TokioIo;
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

/// Bytes of an answer that are read at most: an acknowledgement is small.
const ANSWER_BYTES: usize = 64 * 1_024;

/// Sends batches to one collector.
#[derive(Clone)]
pub struct Client {
    endpoint: Endpoint,
    tls: Option<TlsConnector>,
    timeout: Duration,
    runtime: Handle,
}

impl Client {
    /// A client of the collector at `endpoint`. Call it inside the runtime.
    pub fn new(endpoint: Endpoint, ca_file: Option<&Path>, timeout: Duration) -> Result<Self, Failure> {
        let tls = if endpoint.tls {
            Some(TlsConnector::from(Arc::new(tls::client(ca_file)?)))
        } else {
            None
        };
        Ok(Self {
            endpoint,
            tls,
            timeout,
            runtime: Handle::current(),
        })
    }

    async fn exchange(self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let stream = TcpStream::connect((self.endpoint.host.as_str(), self.endpoint.port)).await?;
        match &self.tls {
            None => send(stream, request).await,
            Some(tls) => {
                let name = ServerName::try_from(self.endpoint.host.clone())?;
                send(tls.connect(name, stream).await?, request).await
            }
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
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
        let (client, timeout) = (self.clone(), self.timeout);
        let exchanged = self
            .runtime
            .spawn(async move { tokio::time::timeout(timeout, client.exchange(request)).await });
        Box::pin(async move { exchanged.await?? })
    }
}

/// One request over one connection.
async fn send<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, HttpError> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let (mut head, body) = request.into_parts();
    // The form that a server gets: a path, and the host in its header.
    if let Some(authority) = head.uri.authority() {
        head.headers.insert(HOST, HeaderValue::from_str(authority.as_str())?);
    }
    head.uri = head.uri.path_and_query().map_or("/", |path| path.as_str()).parse()?;
    let response = sender.send_request(Request::from_parts(head, Full::new(body))).await?;
    let (head, body) = response.into_parts();
    let body = Limited::new(body, ANSWER_BYTES).collect().await?.to_bytes();
    connection.abort();
    Ok(Response::from_parts(head, body))
}

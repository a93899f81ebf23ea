//! The HTTP client of this executable: traces, witnesses, anchors, and servers that are watched.
//!
//! One connection for each request, HTTP/1.1, over TLS or on this machine. Every request has a deadline, every answer a
//! size limit. Redirects are never followed: an answer is one of the server that was asked, or it is an error. With
//! [`Reach::Public`] a name that leads into a private network is refused. No error holds a header, a token or a body.

mod reach;
mod url;

pub use reach::{Reach, is_public};
pub use url::Url;

use crate::exit::Failure;
use crate::tls;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::http::request::Builder;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

/// How a client asks.
#[derive(Clone)]
pub struct Options {
    /// Authorities that servers' certificates are checked against; `None` for those of the system.
    pub ca_file: Option<PathBuf>,
    /// Until the whole answer is there.
    pub timeout: Duration,
    /// Bytes of an answer's body at most.
    pub answer_bytes: usize,
    /// Sent as `Authorization: Bearer`.
    pub bearer: Option<String>,
    /// Where it goes.
    pub reach: Reach,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ca_file: None,
            timeout: Duration::from_secs(5),
            answer_bytes: 64 * 1_024,
            bearer: None,
            reach: Reach::Anywhere,
        }
    }
}

/// Sends requests.
#[derive(Clone)]
pub struct Client {
    options: Arc<Options>,
    /// Read when the first address needs it: a client that stays on this machine needs no authorities.
    tls: Arc<OnceLock<TlsConnector>>,
    /// What a test's names lead to.
    #[cfg(test)]
    names: Option<Names>,
}

/// Resolves names in a test.
#[cfg(test)]
pub type Names = Arc<dyn Fn(&str, u16) -> Vec<std::net::SocketAddr> + Send + Sync>;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name has no address.
    #[error("the name {host} does not resolve: {source}")]
    Resolve {
        /// The name.
        host: String,
        /// Why.
        source: std::io::Error,
    },
    /// The name leads where this client does not go.
    #[error("{host} is at {ip}, which is no address of the public internet")]
    Private {
        /// The name.
        host: String,
        /// The address.
        ip: IpAddr,
    },
    /// This client goes nowhere without TLS.
    #[error("{host} is asked over https only")]
    Plain {
        /// The host.
        host: String,
    },
    /// Nobody answers there.
    #[error("connect: {0}")]
    Connect(std::io::Error),
    /// The authorities cannot be read.
    #[error("{0}")]
    Authorities(String),
    /// The server did not prove who it is, or the host is no name that a certificate has.
    #[error("TLS: {0}")]
    Tls(String),
    /// What came is no HTTP answer, or the connection ended too early.
    #[error("HTTP: {0}")]
    Http(String),
    /// The answer is larger than what was asked for.
    #[error("the answer has more than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// There was no whole answer in time.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
}

impl Client {
    /// A client that asks so.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            options: Arc::new(options),
            tls: Arc::default(),
            #[cfg(test)]
            names: None,
        }
    }

    /// The same client with names of a test's own.
    #[cfg(test)]
    pub fn resolving(self, names: Names) -> Self {
        Self {
            names: Some(names),
            ..self
        }
    }

    /// Reads the authorities where `url` needs them, so that a wrong file is told at the start.
    ///
    /// # Errors
    /// The file cannot be used, or the system has no authorities.
    pub fn prepare(&self, url: &Url) -> Result<(), Failure> {
        if url.tls && self.tls.get().is_none() {
            let config = tls::client(self.options.ca_file.as_deref())?;
            // Whoever came first has read the same file.
            let _first = self.tls.set(TlsConnector::from(Arc::new(config)));
        }
        Ok(())
    }

    /// `GET url`; the answer has any status.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn get(&self, url: &Url) -> Result<Response<Bytes>, Error> {
        self.send(url, Self::request(Method::GET, url), Bytes::new()).await
    }

    /// `GET url`, asking for this media type.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn get_as(&self, url: &Url, media_type: &'static str) -> Result<Response<Bytes>, Error> {
        let request = Self::request(Method::GET, url).header(ACCEPT, media_type);
        self.send(url, request, Bytes::new()).await
    }

    /// `POST url` with this body; the answer has any status.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn post(
        &self,
        url: &Url,
        media_type: &'static str,
        body: impl Into<Bytes>,
    ) -> Result<Response<Bytes>, Error> {
        let request = Self::request(Method::POST, url).header(CONTENT_TYPE, media_type);
        self.send(url, request, body.into()).await
    }

    fn request(method: Method, url: &Url) -> Builder {
        Request::builder().method(method).uri(url.path())
    }

    async fn send(&self, url: &Url, request: Builder, body: Bytes) -> Result<Response<Bytes>, Error> {
        let request = request.body(body).map_err(|error| Error::Http(error.to_string()))?;
        self.exchange(url, request).await
    }

    /// Sends this request to the host of `url`: its path, its method and headers are its own.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn exchange(&self, url: &Url, mut request: Request<Bytes>) -> Result<Response<Bytes>, Error> {
        let invalid = |error: &dyn std::fmt::Display| Error::Http(error.to_string());
        let host = HeaderValue::from_str(url.authority()).map_err(|error| invalid(&error))?;
        request.headers_mut().insert(HOST, host);
        if let Some(token) = &self.options.bearer {
            let value = HeaderValue::from_str(&format!("Bearer {token}"));
            // Without the cause: it may quote the token.
            let mut value = value.map_err(|_| Error::Http("the token cannot stand in a header".to_owned()))?;
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        let timeout = self.options.timeout;
        let answered = tokio::time::timeout(timeout, self.attempt(url, request)).await;
        answered.unwrap_or(Err(Error::Timeout(timeout)))
    }

    async fn attempt(&self, url: &Url, request: Request<Bytes>) -> Result<Response<Bytes>, Error> {
        let stream = self.connect(url).await?;
        if !url.tls {
            return self.over(stream, request).await;
        }
        self.prepare(url)
            .map_err(|failure| Error::Authorities(failure.to_string()))?;
        let tls = self.tls.get().expect("it was just prepared");
        let name = ServerName::try_from(url.host.clone()).map_err(|error| Error::Tls(error.to_string()))?;
        let stream = tls.connect(name, stream).await;
        self.over(stream.map_err(|error| Error::Tls(error.to_string()))?, request)
            .await
    }

    async fn connect(&self, url: &Url) -> Result<TcpStream, Error> {
        let host = || url.host.clone();
        let reach = self.options.reach;
        if reach.is_closed() && !url.tls {
            return Err(Error::Plain { host: host() });
        }
        let addresses = self.resolve(url).await;
        let addresses = addresses.map_err(|source| Error::Resolve { host: host(), source })?;
        if let Some(ip) = reach.refused(&addresses) {
            return Err(Error::Private { host: host(), ip });
        }
        // The judged addresses, not the name: it could lead elsewhere the second time.
        let stream = TcpStream::connect(addresses.as_slice()).await.map_err(Error::Connect)?;
        // A request is small and waits for its answer.
        stream.set_nodelay(true).map_err(Error::Connect)?;
        Ok(stream)
    }

    async fn resolve(&self, url: &Url) -> std::io::Result<Vec<std::net::SocketAddr>> {
        #[cfg(test)]
        if let Some(names) = &self.names {
            return Ok(names(&url.host, url.port));
        }
        Ok(tokio::net::lookup_host((url.host.as_str(), url.port)).await?.collect())
    }

    async fn over<S>(&self, stream: S, request: Request<Bytes>) -> Result<Response<Bytes>, Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let http = |error: hyper::Error| Error::Http(error.to_string());
        let shaken = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = shaken.map_err(http)?;
        // With the guard, a request that runs out of time does not leave its connection behind.
        let _connection = Aborted(tokio::spawn(connection));
        let response = sender.send_request(request.map(Full::new)).await.map_err(http)?;
        self.whole(response).await
    }

    async fn whole(&self, response: Response<Incoming>) -> Result<Response<Bytes>, Error> {
        let limit = self.options.answer_bytes;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, limit).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                Error::TooLarge { limit }
            } else {
                Error::Http(error.to_string())
            }
        })?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("timeout", &self.options.timeout)
            .field("reach", &self.options.reach)
            .finish_non_exhaustive()
    }
}

/// Ends a task when it goes.
struct Aborted<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for Aborted<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests;

//! The accept loop: a deadline for a request's head, a cap on connections, and a drain with a deadline.
//!
//! HTTP/1.1 only: the protocol detection of an HTTP/2 builder waits without a deadline for the first bytes. With TLS the
//! handshake has the deadline of a request's head, and runs beside the loop: a peer that is slow holds up nobody. A peer
//! that does not read is left. After `stop` no connection is accepted, streams end in order, requests under way finish,
//! and what is left at the drain deadline is dropped.

mod patience;

use crate::Config;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::{Extension, Router};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown, Watcher};
use patience::Patient;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tower::Service as _;

/// How long to wait after a failed `accept` (too many open files, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Tells answers that would stay open that the server stops. The default never does.
#[derive(Debug, Clone, Default)]
pub(crate) struct Draining(pub(crate) Option<watch::Receiver<bool>>);

impl Draining {
    /// Whether the stop was asked for.
    pub(crate) fn begun(&self) -> bool {
        self.0.as_ref().is_some_and(|begun| *begun.borrow())
    }

    /// Waits for the stop.
    pub(crate) async fn wait(&mut self) {
        match &mut self.0 {
            // A server that is gone has stopped.
            Some(begun) => drop(begun.wait_for(|begun| *begun).await),
            None => std::future::pending().await,
        }
    }
}

/// How long a peer may take.
#[derive(Debug, Clone, Copy)]
struct Limits {
    handshake: Duration,
    /// To read what was written.
    write: Duration,
}

/// Where connections come in.
pub struct Door {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
}

impl From<TcpListener> for Door {
    /// Plain HTTP.
    fn from(listener: TcpListener) -> Self {
        Self { listener, tls: None }
    }
}

impl Door {
    /// HTTP over TLS.
    #[must_use]
    pub fn tls(listener: TcpListener, config: Arc<ServerConfig>) -> Self {
        Self {
            listener,
            tls: Some(config.into()),
        }
    }
}

/// Answers requests at `door` with `app` until `stop` resolves and the drain is over. Returns whether every request
/// under way was answered before the drain deadline.
pub async fn serve(door: impl Into<Door>, app: Router, config: &Config, stop: impl Future<Output = ()>) -> bool {
    let Door { listener, tls } = door.into();
    let builder = builder(config);
    let limits = Limits {
        handshake: Duration::from_millis(config.header_timeout_ms),
        write: Duration::from_millis(config.write_timeout_ms),
    };
    let (drain, begun) = watch::channel(false);
    let app = app.layer(Extension(Draining(Some(begun))));
    let slots = Arc::new(Semaphore::new(config.connections));
    let draining = GracefulShutdown::new();
    let (cut, cut_off) = watch::channel(());
    let mut stop = std::pin::pin!(stop);
    loop {
        let slot = tokio::select! {
            slot = Arc::clone(&slots).acquire_owned() => slot.expect("the semaphore is never closed"),
            () = &mut stop => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (watcher, mut cut_off) = (draining.watcher(), cut_off.clone());
        let answered = answer(builder.clone(), tls.clone(), stream, peer, app.clone(), watcher, limits);
        tokio::spawn(async move {
            let _slot = slot;
            tokio::select! {
                () = answered => {}
                _ = cut_off.changed() => {}
            }
        });
    }
    drop(listener);
    drain.send_replace(true);
    let deadline = Duration::from_millis(config.drain_deadline_ms);
    let drained = tokio::time::timeout(deadline, draining.shutdown()).await.is_ok();
    if !drained {
        tracing::warn!(
            deadline_ms = config.drain_deadline_ms,
            "requests under way were cut off at the drain deadline"
        );
    }
    // The receivers that are left belong to connections, which end when the sender is gone.
    drop(cut);
    drained
}

fn builder(config: &Config) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(config.header_timeout_ms))
        // The outer function refuses what lies between its own limit and this one with a problem.
        .max_buf_size((2 * config.header_bytes).max(16 * 1024));
    builder
}

/// Answers the requests of one connection.
async fn answer(
    builder: http1::Builder,
    tls: Option<TlsAcceptor>,
    stream: TcpStream,
    peer: SocketAddr,
    app: Router,
    watcher: Watcher,
    limits: Limits,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let stream = Patient::new(stream, limits.write);
    let done = match tls {
        None => watcher.watch(connection(&builder, stream, peer, app)).await,
        Some(tls) => match tokio::time::timeout(limits.handshake, tls.accept(stream)).await {
            Ok(Ok(stream)) => watcher.watch(connection(&builder, stream, peer, app)).await,
            Ok(Err(error)) => return tracing::debug!(%error, "a TLS handshake failed"),
            Err(_elapsed) => return tracing::debug!("a TLS handshake was not finished in time"),
        },
    };
    if let Err(error) = done {
        tracing::debug!(%error, "a connection ended early");
    }
}

fn connection<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    builder: &http1::Builder,
    stream: S,
    peer: SocketAddr,
    app: Router,
) -> impl GracefulConnection<Error = hyper::Error> + Send + use<S> {
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        app.clone().call(request)
    });
    builder.serve_connection(TokioIo::new(stream), service)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Memory;
    use crate::trial::app;
    use axum::routing::get;
    use std::time::Instant;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::{Notify, oneshot};
    use tokio::task::JoinHandle;

    struct Running {
        peer: SocketAddr,
        stop: oneshot::Sender<()>,
        ended: JoinHandle<bool>,
    }

    async fn start(app: Router, config: Config) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(async move {
            serve(listener, app, &config, async {
                let _ = stopped.await;
            })
            .await
        });
        Running { peer, stop, ended }
    }

    async fn gateway(config: Config) -> Running {
        start(app(&Memory::new(), config.clone(), true).router(), config).await
    }

    async fn exchange(stream: &mut TcpStream, request: &str) -> String {
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut out = Vec::new();
        // The server closes after a request that says so.
        let _ = stream.read_to_end(&mut out).await;
        String::from_utf8_lossy(&out).into_owned()
    }

    #[tokio::test]
    async fn requests_are_answered_over_a_socket() {
        let running = gateway(Config::default()).await;
        let mut stream = TcpStream::connect(running.peer).await.unwrap();
        let answer = exchange(
            &mut stream,
            "GET /v1/head HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        )
        .await;
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.contains("\"size\":2"),
            "{answer}"
        );
        let mut stream = TcpStream::connect(running.peer).await.unwrap();
        let rebound = "GET /v1/head HTTP/1.1\r\nHost: rebound.example\r\nConnection: close\r\n\r\n";
        assert!(exchange(&mut stream, rebound).await.contains("AUTH_REQUIRED"));
        running.stop.send(()).unwrap();
        assert!(running.ended.await.unwrap());
        assert!(
            TcpStream::connect(running.peer).await.is_err(),
            "nobody listens any more"
        );
    }

    #[tokio::test]
    async fn a_head_that_never_ends_is_closed() {
        let config = Config {
            header_timeout_ms: 150,
            ..Config::default()
        };
        let running = gateway(config).await;
        for start in ["", "GET /v1/head HTTP/1.1\r\nHost: localhost\r\nX-Slow: "] {
            let mut stream = TcpStream::connect(running.peer).await.unwrap();
            let began = Instant::now();
            let answer = tokio::time::timeout(Duration::from_secs(20), exchange(&mut stream, start)).await;
            assert!(
                !answer.expect("the server closes the connection").contains("200 OK"),
                "{start:?}"
            );
            assert!(began.elapsed() >= Duration::from_millis(100), "{start:?}");
        }
    }

    #[tokio::test]
    async fn oversized_heads_are_refused() {
        let running = gateway(Config::default()).await;
        let head = |bytes: usize| {
            format!(
                "GET /v1/head HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Large: {}\r\n\r\n",
                "x".repeat(bytes)
            )
        };
        let mut stream = TcpStream::connect(running.peer).await.unwrap();
        let answer = exchange(&mut stream, &head(40_000)).await;
        assert!(
            answer.starts_with("HTTP/1.1 431") && answer.contains("HEADERS_TOO_LARGE"),
            "{answer}"
        );
        let mut stream = TcpStream::connect(running.peer).await.unwrap();
        let answer = exchange(&mut stream, &head(300_000)).await;
        assert!(!answer.contains("200 OK"), "{answer}");
    }

    /// A router with a request that says when it has begun and ends when it is told to.
    fn hanging() -> (Router, Arc<Notify>, Arc<Notify>) {
        let (begun, end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (tell, wait) = (Arc::clone(&begun), Arc::clone(&end));
        let hang = async move || {
            tell.notify_one();
            wait.notified().await;
            "done"
        };
        (Router::new().route("/hang", get(hang)), begun, end)
    }

    const HANG: &str = "GET /hang HTTP/1.1\r\nHost: localhost\r\n\r\n";

    #[tokio::test]
    async fn a_request_under_way_is_finished_after_the_stop() {
        let (router, begun, end) = hanging();
        let running = start(router, Config::default()).await;
        let peer = running.peer;
        let client = tokio::spawn(async move { exchange(&mut TcpStream::connect(peer).await.unwrap(), HANG).await });
        begun.notified().await;
        running.stop.send(()).unwrap();
        end.notify_one();
        assert!(running.ended.await.unwrap(), "everything was answered");
        assert!(client.await.unwrap().ends_with("done"));
    }

    #[tokio::test]
    async fn a_request_that_hangs_is_cut_off_at_the_deadline() {
        let (router, begun, _end) = hanging();
        let config = Config {
            drain_deadline_ms: 100,
            ..Config::default()
        };
        let running = start(router, config).await;
        let peer = running.peer;
        let client = tokio::spawn(async move { exchange(&mut TcpStream::connect(peer).await.unwrap(), HANG).await });
        begun.notified().await;
        running.stop.send(()).unwrap();
        assert!(!running.ended.await.unwrap(), "something was cut off");
        assert_eq!(client.await.unwrap(), "");
    }

    #[tokio::test]
    async fn connections_beyond_the_cap_wait() {
        let (router, begun, end) = hanging();
        let config = Config {
            connections: 1,
            ..Config::default()
        };
        let running = start(router, config).await;
        let peer = running.peer;
        let ask = move || async move {
            let request = HANG.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
            exchange(&mut TcpStream::connect(peer).await.unwrap(), &request).await
        };
        let first = tokio::spawn(ask());
        begun.notified().await;
        let second = tokio::spawn(ask());
        let early = tokio::time::timeout(Duration::from_millis(200), begun.notified()).await;
        assert!(
            early.is_err(),
            "the second one is not read while the first is under way"
        );
        end.notify_one();
        assert!(first.await.unwrap().ends_with("done"));
        begun.notified().await;
        end.notify_one();
        assert!(second.await.unwrap().ends_with("done"));
    }
}

//! The accept loop: a deadline for a request's head, a cap on connections, and a drain with a deadline.
//!
//! HTTP/1.1 only: the protocol detection of an HTTP/2 builder waits without a deadline for the first bytes, and HTTP/2
//! belongs behind TLS. After `stop` no connection is accepted, requests under way finish, and what is left at the drain
//! deadline is dropped.

use crate::Config;
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tower::Service as _;

/// How long to wait after a failed `accept` (too many open files, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers requests on `listener` with `app` until `stop` resolves and the drain is over. Returns whether every request
/// under way was answered before the drain deadline.
pub async fn serve(listener: TcpListener, app: Router, config: &Config, stop: impl Future<Output = ()>) -> bool {
    let builder = builder(config);
    let slots = Arc::new(Semaphore::new(config.connections));
    let draining = GracefulShutdown::new();
    let (cut, cut_off) = watch::channel(false);
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
        let connection = draining.watch(connection(&builder, stream, peer, app.clone()));
        let mut cut_off = cut_off.clone();
        tokio::spawn(async move {
            let _slot = slot;
            tokio::select! {
                done = connection => if let Err(error) = done {
                    tracing::debug!(%error, "a connection ended early");
                },
                _ = cut_off.changed() => {}
            }
        });
    }
    drop(listener);
    let deadline = Duration::from_millis(config.drain_deadline_ms);
    let drained = tokio::time::timeout(deadline, draining.shutdown()).await.is_ok();
    if !drained {
        tracing::warn!(
            deadline_ms = config.drain_deadline_ms,
            "requests under way were cut off at the drain deadline"
        );
    }
    // The receivers that are left belong to connections that are to end now.
    cut.send_replace(true);
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

fn connection(
    builder: &http1::Builder,
    stream: TcpStream,
    peer: SocketAddr,
    app: Router,
) -> impl GracefulConnection<Error = hyper::Error> + Send + use<> {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        app.clone().call(request)
    });
    builder.serve_connection(TokioIo::new(stream), service)
}

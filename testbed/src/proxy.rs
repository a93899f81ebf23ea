//! A TCP proxy in front of a server, which breaks what goes through it when a test says so.
//!
//! Invariant: bytes pass unchanged and in order, until a fault that the test asked for. Its port is the same before
//! and after `refuse`. It knows no protocol.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::or_fail;
use crate::port::Port;

/// No limit on the bytes that may still pass.
const UNLIMITED: u64 = u64::MAX;

/// See the module. It passes everything on until it is told otherwise.
#[derive(Debug)]
pub struct Proxy {
    port: Port,
    shared: Arc<Shared>,
    acceptor: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    flow: watch::Sender<Flow>,
    /// How many bytes may still pass before everything is cut.
    allowance: AtomicU64,
    passed: AtomicU64,
    accepted: AtomicU64,
    connections: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Flow {
    is_stalled: bool,
    delay: Duration,
}

impl Proxy {
    /// A proxy in front of `target`, on a port of its own.
    ///
    /// # Panics
    /// When no port can be had.
    pub async fn before(target: SocketAddr) -> Self {
        or_fail(Self::create(target).await)
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port.number()).into()
    }

    /// The address of the target with ours in place of its host and port: everything else of it stays.
    pub fn url(&self, target: &str) -> String {
        let (scheme, rest) = target.split_once("://").unwrap_or(("tcp", target));
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        let account = authority
            .rsplit_once('@')
            .map_or(String::new(), |(account, _)| format!("{account}@"));
        format!("{scheme}://{account}{}{tail}", self.address())
    }

    /// Closes every connection, now. New ones are accepted.
    pub async fn cut(&self) {
        let connections = std::mem::take(&mut *lock(&self.shared.connections));
        for connection in connections {
            connection.abort();
            // It ends as aborted or on its own; either way both of its sockets are closed.
            drop(connection.await);
        }
    }

    /// Refuses new connections, as a host does on which nothing listens. Connections that exist are untouched.
    pub async fn refuse(&self) {
        let acceptor = lock(&self.acceptor).take();
        if let Some(acceptor) = acceptor {
            acceptor.abort();
            drop(acceptor.await);
        }
    }

    /// Accepts and passes nothing, in both directions, until `heal`. What comes meanwhile waits.
    pub fn stall(&self) {
        self.shared.flow.send_modify(|flow| flow.is_stalled = true);
    }

    /// Holds back every piece that passes (up to 64 KiB) for this long, in both directions.
    pub fn delay(&self, delay: Duration) {
        self.shared.flow.send_modify(|flow| flow.delay = delay);
    }

    /// Closes every connection after `bytes` more have passed, counted over both directions and all connections, in
    /// the middle of a message as it may be. Once: what comes later passes.
    pub fn cut_after(&self, bytes: u64) {
        self.shared.allowance.store(bytes, Ordering::SeqCst);
    }

    /// Ends `refuse`, `stall`, `delay` and a `cut_after` that has not happened.
    ///
    /// # Panics
    /// When the port cannot be listened on again.
    pub async fn heal(&self) {
        self.shared.flow.send_modify(|flow| *flow = Flow::default());
        self.shared.allowance.store(UNLIMITED, Ordering::SeqCst);
        if lock(&self.acceptor).is_none() {
            let acceptor = or_fail(listen(self.port.number(), &self.shared).await);
            *lock(&self.acceptor) = Some(acceptor);
        }
    }

    /// How many connections were accepted since the beginning.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// How many bytes have passed since the beginning, in both directions.
    pub fn passed(&self) -> u64 {
        self.shared.passed.load(Ordering::SeqCst)
    }

    async fn create(target: SocketAddr) -> Result<Self> {
        let shared = Arc::new(Shared {
            target,
            flow: watch::Sender::new(Flow::default()),
            allowance: AtomicU64::new(UNLIMITED),
            passed: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            connections: Mutex::default(),
        });
        let port = Port::reserve()?;
        let acceptor = listen(port.number(), &shared).await?;
        Ok(Self {
            port,
            shared,
            acceptor: Mutex::new(Some(acceptor)),
        })
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(acceptor) = lock(&self.acceptor).take() {
            acceptor.abort();
        }
        self.shared.cut();
    }
}

impl Shared {
    /// Closes every connection, without waiting for it.
    fn cut(&self) {
        for connection in std::mem::take(&mut *lock(&self.connections)) {
            connection.abort();
        }
    }

    /// How many of `wanted` bytes may pass, and whether everything is to be cut behind them.
    fn spend(&self, wanted: u64) -> (u64, bool) {
        let spend = |left: u64| (left != UNLIMITED).then(|| if left <= wanted { UNLIMITED } else { left - wanted });
        match self.allowance.fetch_update(Ordering::SeqCst, Ordering::SeqCst, spend) {
            Ok(left) => (left.min(wanted), left <= wanted),
            Err(_) => (wanted, false),
        }
    }
}

/// Accepts on `port` until the task is aborted.
async fn listen(port: u16, shared: &Arc<Shared>) -> Result<JoinHandle<()>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .with_context(|| format!("the proxy cannot listen on port {port}"))?;
    let shared = Arc::clone(shared);
    Ok(tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            shared.accepted.fetch_add(1, Ordering::SeqCst);
            let mut connections = lock(&shared.connections);
            connections.retain(|connection| !connection.is_finished());
            let shared = Arc::clone(&shared);
            // An error is the end of a connection, and its clients see that.
            connections.push(tokio::spawn(async move { drop(serve(client, shared).await) }));
        }
    }))
}

async fn serve(client: TcpStream, shared: Arc<Shared>) -> Result<()> {
    let server = TcpStream::connect(shared.target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let up = pump(from_client, to_server, &shared);
    let down = pump(from_server, to_client, &shared);
    tokio::try_join!(up, down)?;
    Ok(())
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, shared: &Shared) -> Result<()> {
    let mut flow = shared.flow.subscribe();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        flow.wait_for(|flow| !flow.is_stalled).await?;
        let read = from.read(&mut buffer).await?;
        let delay = flow.wait_for(|flow| !flow.is_stalled).await?.delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if read == 0 {
            return Ok(to.shutdown().await?);
        }
        let (allowed, is_cut) = shared.spend(read as u64);
        let piece = buffer.get(..usize::try_from(allowed)?).context("more than was read")?;
        to.write_all(piece).await?;
        shared.passed.fetch_add(allowed, Ordering::SeqCst);
        if is_cut {
            shared.cut();
            // Our own task is among those that were aborted.
            std::future::pending::<()>().await;
        }
    }
}

/// Nothing that holds one of these locks can panic half-way.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_host_and_port_of_an_address_are_replaced() {
        let proxy = Proxy::before((Ipv4Addr::LOCALHOST, 1).into()).await;
        let port = proxy.address().port();
        for (target, expected) in [
            ("nats://127.0.0.1:1", format!("nats://127.0.0.1:{port}")),
            (
                "postgres://u:p@h:1/db?a=b",
                format!("postgres://u:p@127.0.0.1:{port}/db?a=b"),
            ),
            ("tls://h?x", format!("tls://127.0.0.1:{port}?x")),
        ] {
            assert_eq!(proxy.url(target), expected);
        }
    }
}

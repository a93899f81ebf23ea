//! A thousand readers of the change stream, one of which never reads: what they cost those who append, and whether the
//! server's memory stays flat.

use crate::server::{Home, Server, TOKEN};
use crate::{http, table};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

const READERS: usize = 1_000;
const CONNECTIONS: usize = 16;
const PER_REQUEST: u64 = 20;

/// The append rate with readers against that without, on the same server.
pub async fn run() {
    let home = Home::create();
    let server = Server::start(&home);
    let before = http::rate(server.address, CONNECTIONS, PER_REQUEST).await;
    let bytes = Arc::new(AtomicU64::new(0));
    let stuck = subscribe(server.address).await;
    let mut readers: Vec<JoinHandle<()>> = Vec::with_capacity(READERS);
    for _ in 1..READERS {
        let (mut stream, bytes) = (subscribe(server.address).await, Arc::clone(&bytes));
        readers.push(tokio::spawn(async move {
            let mut buffer = vec![0; 16 * 1_024];
            while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                bytes.fetch_add(read as u64, Ordering::Relaxed);
            }
        }));
    }
    let idle = server.memory_mb();
    let during = http::rate(server.address, CONNECTIONS, PER_REQUEST).await;
    table::row(
        "appends with 1,000 SSE readers, one stuck (vs without)",
        during,
        before,
        "0.80",
    );
    let open = readers.iter().filter(|reader| !reader.is_finished()).count();
    let read = bytes.load(Ordering::Relaxed) as f64 / 1e6;
    table::note(
        "  readers still connected; MB that they read",
        &format!("{open}; {read:.0}"),
    );
    table::row(
        "  memory after the load (MB vs before it)",
        server.memory_mb(),
        idle,
        "",
    );
    drop(stuck);
    readers.iter().for_each(JoinHandle::abort);
}

/// A connection that has asked for the stream of changes from now on, with its answer's head read.
async fn subscribe(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("the server accepts");
    let request = format!(
        "GET /v1/stream HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\naccept: text/event-stream\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.expect("the request is sent");
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.expect("an answer");
    assert_eq!(&head[9..], b"200", "the stream of changes is served");
    stream
}

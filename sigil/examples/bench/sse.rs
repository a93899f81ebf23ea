//! A thousand readers of the change stream, one of which never reads: what they cost those who append, and whether the
//! server's memory stays flat. Once with readers of a session each, who keep up, and once with readers of everything, who
//! at this rate cannot, and are cut off.

use crate::server::{Home, Server, TOKEN};
use crate::{http, table};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

const READERS: usize = 1_000;
const CONNECTIONS: usize = 16;
const PER_REQUEST: u64 = 20;
/// Loads with the readers connected; memory that grew with every one would not be flat.
const LOADS: usize = 3;
/// Records of one session ([`crate::load::links`]).
const SESSION: u64 = 50;
/// How long the last events may be on their way when the load is over.
const REST: Duration = Duration::from_secs(3);

/// A crowd of readers, and what they read.
struct Crowd {
    /// Holds the connection that is never read.
    _stuck: TcpStream,
    readers: Vec<JoinHandle<()>>,
    bytes: Arc<AtomicU64>,
    events: Arc<Vec<AtomicU64>>,
}

/// The append rate with readers against that without, on the same server.
pub async fn run() {
    let home = Home::create();
    let server = Server::start(&home);
    // The first load fills buffers that stay.
    http::rate(server.address, CONNECTIONS, PER_REQUEST).await;
    let before = http::rate(server.address, CONNECTIONS, PER_REQUEST).await;
    let crowd = Crowd::gather(server.address, |reader| {
        Some(format!("session=session:{}", reader as u64 * 2))
    })
    .await;
    let rates = loads(&server).await;
    tokio::time::sleep(REST).await;
    let (open, whole) = (crowd.open(), crowd.readers_with(SESSION * LOADS as u64));
    drop(crowd);
    let after = http::rate(server.address, CONNECTIONS, PER_REQUEST).await;
    let without = f64::midpoint(before, after);
    table::row(
        "appends with 1,000 SSE readers of a session each, one stuck",
        rates.iter().sum::<f64>() / rates.len() as f64,
        without,
        "0.80",
    );
    table::note(
        "  readers still connected; readers that got every record of theirs",
        &format!("{open}; {whole}"),
    );
    let crowd = Crowd::gather(server.address, |_| None).await;
    let rates = loads(&server).await;
    table::row(
        "appends with 1,000 SSE readers of everything, one stuck",
        rates.iter().sum::<f64>() / rates.len() as f64,
        without,
        "0.80",
    );
    let read = crowd.bytes.load(Ordering::Relaxed) as f64 / 1e6;
    table::note(
        "  readers still connected; MB that they read",
        &format!("{}; {read:.0}", crowd.open()),
    );
}

/// Loads the server a few times; prints its memory before and after each.
async fn loads(server: &Server) -> Vec<f64> {
    let mut memory = vec![server.memory_mb()];
    let mut rates = Vec::new();
    for _ in 0..LOADS {
        rates.push(http::rate(server.address, CONNECTIONS, PER_REQUEST).await);
        memory.push(server.memory_mb());
    }
    let list: Vec<String> = memory.iter().map(|mb| format!("{mb:.0}")).collect();
    table::note("  memory before the loads and after each (MB)", &list.join(", "));
    rates
}

impl Crowd {
    /// Connects the readers; `filter` says what each of them asks for.
    async fn gather(address: SocketAddr, filter: impl Fn(usize) -> Option<String>) -> Self {
        let stuck = subscribe(address, None).await;
        let bytes = Arc::new(AtomicU64::new(0));
        let events: Arc<Vec<AtomicU64>> = Arc::new((0..READERS).map(|_| AtomicU64::new(0)).collect());
        let mut readers = Vec::with_capacity(READERS);
        for reader in 1..READERS {
            let stream = subscribe(address, filter(reader)).await;
            let (bytes, events) = (Arc::clone(&bytes), Arc::clone(&events));
            readers.push(tokio::spawn(read(stream, reader, bytes, events)));
        }
        Self {
            _stuck: stuck,
            readers,
            bytes,
            events,
        }
    }

    fn open(&self) -> usize {
        self.readers.iter().filter(|reader| !reader.is_finished()).count()
    }

    /// How many got exactly so many records.
    fn readers_with(&self, records: u64) -> usize {
        let got = self.events.iter().map(|events| events.load(Ordering::Relaxed));
        got.filter(|got| *got == records).count()
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.readers.iter().for_each(JoinHandle::abort);
    }
}

/// Reads and counts until the stream ends.
async fn read(mut stream: TcpStream, reader: usize, bytes: Arc<AtomicU64>, events: Arc<Vec<AtomicU64>>) {
    let mut buffer = vec![0; 16 * 1_024];
    // The end of what was read before: a mark may be cut in two.
    let mut last = [0; 2];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        bytes.fetch_add(read as u64, Ordering::Relaxed);
        let mut begun = 0;
        for byte in &buffer[..read] {
            // Every record has one line `event: record`, and no line break of its own.
            begun += u64::from(last == *b"\ne" && *byte == b'v');
            last = [last[1], *byte];
        }
        events[reader].fetch_add(begun, Ordering::Relaxed);
    }
}

/// A connection that has asked for the stream of changes from now on, with the status of its answer read.
async fn subscribe(address: SocketAddr, filter: Option<String>) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("the server accepts");
    let filter = filter.map(|filter| format!("?{filter}")).unwrap_or_default();
    let request = format!(
        "GET /v1/stream{filter} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\naccept: text/event-stream\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.expect("the request is sent");
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.expect("an answer");
    assert_eq!(&head[9..], b"200", "the stream of changes is served");
    stream
}

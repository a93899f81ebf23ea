//! A thousand readers of the change stream, one of which never reads: what they cost those who append, and whether the
//! server's memory stays flat. Once with readers of a session each, who keep up, and once with readers of everything, who
//! at this rate cannot, and are cut off.
//!
//! Beside it runs a second server that gets the same loads, in turn, and has no readers: what its memory and its rate do
//! is the log's doing and the machine's, and only what the first one does besides is the readers'.

use crate::memory::{self, Load};
use crate::server::{Home, Server, TOKEN};
use crate::table;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

const READERS: usize = 1_000;
/// Loads with readers of a session each; memory that grew with every one would not be flat.
const LOADS: usize = 5;
/// Loads with readers of everything.
const LOADS_OF_ALL: usize = 2;
/// Records of one session ([`crate::load::links`]).
const SESSION: u64 = 50;

/// A crowd of readers, and what they read.
struct Crowd {
    /// Holds the connection that is never read.
    _stuck: TcpStream,
    readers: Vec<JoinHandle<()>>,
    bytes: Arc<AtomicU64>,
    events: Arc<Vec<AtomicU64>>,
}

/// One load of a server without readers, and the same one of a server with them.
struct Pair {
    alone: Load,
    with: Load,
}

/// Append rates and memory with readers against those without.
pub async fn run() {
    let homes = [Home::create(), Home::create()];
    let servers = homes.each_ref().map(Server::start);
    let address = servers[1].address;
    // The first load fills buffers that stay.
    pairs(&servers, 1, "before there are readers").await;
    let crowd = Crowd::gather(address, |reader| Some(format!("session=session:{}", reader as u64 * 2))).await;
    let loads = pairs(&servers, LOADS, "readers of a session each").await;
    let (open, whole) = (crowd.open(), crowd.readers_with(SESSION * LOADS as u64));
    drop(crowd);
    print_rates("appends with 1,000 SSE readers of a session each, one stuck", &loads);
    table::note(
        "  readers still connected; readers that got every record of theirs",
        &format!("{open}; {whole}"),
    );
    print_memory(&loads);
    let crowd = Crowd::gather(address, |_| None).await;
    let loads = pairs(&servers, LOADS_OF_ALL, "readers of everything").await;
    print_rates("appends with 1,000 SSE readers of everything, one stuck", &loads);
    let read = crowd.bytes.load(Ordering::Relaxed) as f64 / 1e6;
    table::note(
        "  readers still connected; MB that they read",
        &format!("{}; {read:.0}", crowd.open()),
    );
}

/// Loads both servers in turn, a few times, and prints the memory of each.
async fn pairs(servers: &[Server; 2], count: usize, what: &str) -> Vec<Pair> {
    let mut loads = Vec::with_capacity(count);
    for number in 1..=count {
        let alone = memory::load(&servers[0], 0).await;
        let with = memory::load(&servers[1], 0).await;
        table::note(
            &format!("memory (peak) alone; {what}, load {number} (MB)"),
            &format!(
                "{:.0} ({:.0}); {:.0} ({:.0})",
                alone.settled, alone.peak, with.settled, with.peak
            ),
        );
        loads.push(Pair { alone, with });
    }
    loads
}

fn print_rates(what: &str, loads: &[Pair]) {
    let mean = |rate: fn(&Pair) -> f64| loads.iter().map(rate).sum::<f64>() / loads.len() as f64;
    table::row(what, mean(|pair| pair.with.rate), mean(|pair| pair.alone.rate), "0.80");
}

/// What the readers add, in the last loads beside the first ones: two of each, because memory swings by what waits to be
/// written as tables.
fn print_memory(loads: &[Pair]) {
    let Some((first, last)) = loads.first_chunk::<2>().zip(loads.last_chunk::<2>()) else {
        return;
    };
    let mean = |pairs: &[Pair; 2], of: &dyn Fn(&Pair) -> f64| pairs.iter().map(of).sum::<f64>() / 2.0;
    for (what, memory) in [
        (
            "memory that readers add, last two loads vs first two (MB)",
            (|load| load.settled) as fn(&Load) -> f64,
        ),
        ("  the same of the peaks (MB)", |load| load.peak),
    ] {
        let added = |pairs: &[Pair; 2]| mean(pairs, &|pair| memory(&pair.with) - memory(&pair.alone));
        table::row(
            what,
            added(last) - added(first),
            mean(first, &|pair| memory(&pair.with)),
            "0.05",
        );
        table::note("  added by them in the last two (MB)", &format!("{:.0}", added(last)));
    }
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

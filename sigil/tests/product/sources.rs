//! One suite for everything that gives a projector the records of a ledger: the feed in this process, and the JetStream
//! stream that a real feed publishes to.

use ledger::feed::{Config, Feed as Publisher};
use ledger::{Handle, Init, SystemClock};
use ledger_client::LedgerClient as _;
use projector::{Source, StreamSource};
use record::{Auth, Author, Kind, NewRecord, Origin, Slug, Space, Tenant};
use serde_json::json;
use sigil::Feed;
use sigil::place::Place;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use testbed::Nats;

/// However loaded the machine is, this is long enough.
const PATIENCE: Duration = Duration::from_secs(60);

/// An open log.
struct Log {
    handle: Handle,
    _dir: TempDir,
}

impl Log {
    async fn create() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let place = Place::below(dir.path());
        let init = Init {
            config: place.config(),
            root_key_file: place.root_key_file(),
            log: Origin::parse("example.com/audit").expect("an origin"),
            slug: Slug::parse("audit").expect("a slug"),
            tenants: vec![Tenant::parse("default").expect("a tenant")],
        };
        ledger::create(init).await.expect("creates");
        // A test beside this one that starts a process holds every lock of ours between its fork and its exec.
        let handle = loop {
            match Handle::open(place.config()) {
                Err(ledger::Error::InUse { .. }) => tokio::task::yield_now().await,
                opened => break opened.expect("opens"),
            }
        };
        Self { handle, _dir: dir }
    }

    /// Appends events; gives the number of records then.
    async fn grow(&self, events: usize) -> u64 {
        let records = (0..events).map(|n| event(n, "")).collect();
        for result in self.handle.append_many(records).await.expect("appends") {
            result.expect("is written");
        }
        self.size().await
    }

    async fn size(&self) -> u64 {
        self.handle.head().await.expect("a head").size
    }

    async fn record(&self, offset: u64) -> Arc<[u8]> {
        let records = self.handle.read(offset, 1).await.expect("reads");
        Arc::clone(&records[0].bytes)
    }
}

fn event(n: usize, text: &str) -> NewRecord {
    use ledger::Clock as _;
    NewRecord {
        tenant: Tenant::parse("default").expect("a tenant"),
        kind: Kind::parse("audit.event").expect("a kind"),
        schema_version: 1,
        id: ledger::fresh_id(SystemClock.read().wall).expect("entropy"),
        space: Space::User,
        author: Author::new("local:test", Auth::Local),
        payload: json!({"action": format!("a{n}"), "outcome": "success", "source": "test", "data": {"text": text}}),
        links: Vec::new(),
        disclosures: Vec::new(),
    }
}

/// Everything that a source gives from an offset up to another, checked for form.
async fn read(source: &mut dyn Source, log: &Log, from: u64, until: u64) {
    let mut at = from;
    while at < until {
        let given = tokio::time::timeout(PATIENCE, source.next(at))
            .await
            .expect("in time")
            .expect("gives");
        assert!(!given.is_empty(), "at least one record");
        let bytes: usize = given.iter().map(|record| record.len()).sum();
        assert!(bytes <= 8 << 20, "no more than a few MiB at once: {bytes}");
        for record in given {
            assert_eq!(record, log.record(at).await, "the record at offset {at}, byte for byte");
            at += 1;
        }
    }
}

/// What every source does.
async fn conforms(log: &Log, source: &mut dyn Source) {
    let size = log.grow(2_500).await;
    assert_eq!(source.head().await.expect("a head"), size);
    read(source, log, 0, size).await;
    // Resumed from anywhere, also backwards.
    for from in [size - 1, 7, size / 2] {
        read(source, log, from, size).await;
    }
    // It waits while there is none, and a future that is dropped loses nothing.
    let waiting = tokio::time::timeout(Duration::from_millis(300), source.next(size));
    assert!(waiting.await.is_err(), "there is nothing at the end of the log");
    let size = log.grow(1).await;
    read(source, log, size - 1, size).await;
    assert_eq!(source.head().await.expect("a head"), size);
    // Large records come in several batches.
    let large = "x".repeat(600_000);
    let records = (0..24).map(|n| event(n, &large)).collect();
    for result in log.handle.append_many(records).await.expect("appends") {
        result.expect("is written");
    }
    let end = log.size().await;
    read(source, log, size, end).await;
    // While it grows.
    let growing = tokio::spawn({
        let handle = log.handle.clone();
        async move {
            for n in 0..200 {
                let results = handle.append_many(vec![event(n, "")]).await.expect("appends");
                results.into_iter().for_each(|result| drop(result.expect("is written")));
            }
        }
    });
    read(source, log, end, end + 200).await;
    growing.await.expect("grows");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_feed_in_this_process_conforms() {
    let log = Log::create().await;
    let mut source = Feed::new(Arc::new(log.handle.clone()));
    conforms(&log, &mut source).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_conforms() {
    let (nats, log) = (Nats::start().await, Log::create().await);
    let client = async_nats::connect(nats.url()).await.expect("connects");
    let publisher = Publisher::new(log.handle.clone(), client.clone(), Config::default());
    let publishing = tokio::spawn(publisher.run(std::future::pending()));
    let ledger = Box::new(Feed::new(Arc::new(log.handle.clone())));
    let mut source = StreamSource::new(client, Slug::parse("audit").expect("a slug"), ledger);
    conforms(&log, &mut source).await;
    publishing.abort();
}

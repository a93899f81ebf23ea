//! The JetStream source against a real nats-server: what it gives is the log, whatever happens to the stream.
#![cfg(test)]
#![expect(
    dead_code,
    reason = "the log of these tests is shared with others, which use more of it"
)]

#[path = "../log/mod.rs"]
mod log;

mod broker;
mod spoiled;

use async_nats::jetstream::{self, Context, stream};
use domain::{Catalogue, State};
use log::{Bytes, Log, Memory};
use projector::query::Pending;
use projector::{Change, Checker, Consumer, Error, Source, StreamSource};
use record::{Slug, wire};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use testbed::Nats;
use tokio::sync::watch;

static CATALOGUE: LazyLock<Arc<Catalogue>> = LazyLock::new(|| Arc::new(Catalogue::builtin()));
/// However loaded the machine is, this is long enough.
const PATIENCE: Duration = Duration::from_secs(60);

fn slug() -> Slug {
    Slug::parse("test").expect("a slug")
}

fn checker(log: &Log) -> Checker {
    Checker::new(Arc::clone(&CATALOGUE), State::new(log.origin.clone()))
}

/// The changes that a log stands for.
fn expected(log: &Log) -> Vec<Change> {
    let (_, records) = checker(log).check(&log.records).expect("the log is right");
    records.iter().flat_map(projector::Checked::changes).collect()
}

async fn connect(nats: &Nats) -> async_nats::Client {
    async_nats::connect(nats.url()).await.expect("connects")
}

/// A publisher that may do everything, and what it has published to.
struct Publisher {
    context: Context,
    base: u64,
}

impl Publisher {
    async fn create(nats: &Nats, base: u64) -> Self {
        let context = jetstream::new(connect(nats).await);
        let publisher = Self { context, base };
        publisher.create_stream().await;
        publisher
    }

    async fn create_stream(&self) {
        let config = stream::Config {
            name: wire::stream_name(&slug(), self.base),
            subjects: vec![wire::subjects(&slug())],
            ..stream::Config::default()
        };
        self.context.create_stream(config).await.expect("creates");
    }

    async fn publish(&self, bodies: &[Bytes]) {
        for body in bodies {
            let body = bytes::Bytes::from(body.to_vec());
            let ack = self.context.publish("sigil.v1.test.acme.audit.event", body).await;
            ack.expect("publishes").await.expect("is acknowledged");
        }
    }

    async fn stream(&self) -> stream::Stream {
        let name = wire::stream_name(&slug(), self.base);
        self.context.get_stream(name).await.expect("a stream")
    }

    /// What a rebuild does to a stream.
    async fn retire(&self) {
        let config = stream::Config {
            subjects: vec![wire::retired_subjects(&slug(), self.base)],
            sealed: true,
            ..self.stream().await.cached_info().config.clone()
        };
        self.context.update_stream(config).await.expect("moves it");
    }
}

/// The ledger: knows every record, and counts what it was asked for.
struct Ledger {
    memory: Memory,
    given: Arc<AtomicU64>,
}

impl Source for Ledger {
    fn next(&mut self, from: u64) -> Pending<'_, Vec<Bytes>> {
        Box::pin(async move {
            let records = self.memory.next(from).await?;
            self.given.fetch_add(records.len() as u64, Ordering::Relaxed);
            Ok(records)
        })
    }

    fn head(&mut self) -> Pending<'_, u64> {
        self.memory.head()
    }
}

/// A log that a ledger has, and a source that reads its stream.
struct Reader {
    grow: watch::Sender<Vec<Bytes>>,
    given: Arc<AtomicU64>,
    source: StreamSource,
    checker: Option<Checker>,
}

impl Reader {
    async fn new(nats: &Nats, log: &Log) -> Self {
        Self::with_ledger(nats, log, log.records.clone()).await
    }

    /// A reader whose ledger has these records.
    async fn with_ledger(nats: &Nats, log: &Log, records: Vec<Bytes>) -> Self {
        let (grow, log_of_ledger) = watch::channel(records);
        let given = Arc::default();
        let ledger = Ledger {
            memory: Memory {
                log: log_of_ledger,
                limit: 7,
            },
            given: Arc::clone(&given),
        };
        Self {
            grow,
            given,
            source: StreamSource::new(connect(nats).await, slug(), Box::new(ledger)),
            checker: Some(checker(log)),
        }
    }

    /// Consumes until this position; what it projected.
    async fn consume(&mut self, until: u64) -> Result<Vec<Change>, Error> {
        let checker = self.checker.take().expect("no failure before");
        let work = async {
            let mut consumer = Consumer::new(&mut self.source, checker).await?;
            let mut changes = Vec::new();
            while consumer.position() < until {
                let (next, batch) = consumer.next().await?;
                assert_eq!(next.position(), batch.until, "without a gap");
                changes.extend(batch.changes);
                consumer = next;
            }
            Ok((consumer.into_checker(), changes))
        };
        let outcome = tokio::time::timeout(PATIENCE, work)
            .await
            .expect("records come in time");
        outcome.map(|(checker, changes)| {
            self.checker = Some(checker);
            changes
        })
    }

    /// Records that the ledger had to give.
    fn ledger_gave(&self) -> u64 {
        self.given.load(Ordering::Relaxed)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_alone_gives_the_log() {
    let nats = Nats::start().await;
    let log = Log::sample(400);
    let publisher = Publisher::create(&nats, 0).await;
    publisher.publish(&log.records).await;
    // The ledger has nothing to give.
    let mut reader = Reader::with_ledger(&nats, &log, vec![]).await;
    let changes = reader.consume(400).await.expect("the stream is right");
    assert_eq!(changes, expected(&log));
    // A reader that begins anew with the same source gets it all again.
    reader.checker = Some(checker(&log));
    assert_eq!(reader.consume(400).await.expect("the stream is right"), expected(&log));
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_come_are_handed_on_and_a_new_reader_goes_on_where_the_old_one_stood() {
    let nats = Nats::start().await;
    let log = Log::sample(120);
    let publisher = Publisher::create(&nats, 0).await;
    publisher.publish(&log.records[..50]).await;
    let mut reader = Reader::new(&nats, &log).await;
    let mut changes = reader.consume(50).await.expect("the stream is right");
    publisher.publish(&log.records[50..80]).await;
    changes.extend(reader.consume(80).await.expect("the stream is right"));
    let mut next = Reader::new(&nats, &log).await;
    next.checker = reader.checker;
    publisher.publish(&log.records[80..]).await;
    changes.extend(next.consume(120).await.expect("the stream is right"));
    assert_eq!(changes, expected(&log));
}

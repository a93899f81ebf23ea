//! The feed to a real nats-server: what is published, and what happens when broker, stream or feed fail.

use crate::log::{Log, append, event};
use async_nats::jetstream::{self, Context};
use ledger::Handle;
use ledger::feed::{Config, Error, Feed, Phase, Reason, Status};
use ledger_client::LedgerClient as _;
use record::{Record, Slug, wire};
use std::time::Duration;
use testbed::Nats;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

mod lost;
mod messages;
mod outage;

/// However loaded the machine is, this is long enough.
const PATIENCE: Duration = Duration::from_secs(60);

/// A feed that runs.
struct Running {
    status: watch::Receiver<Status>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), Error>>,
}

impl Running {
    async fn start(handle: &Handle, nats: &Nats, config: Config) -> Self {
        let feed = Feed::new(handle.clone(), connect(nats).await, config);
        let (stop, stopped) = oneshot::channel();
        let status = feed.status();
        let stopped = async {
            let _either = stopped.await;
        };
        let task = tokio::spawn(feed.run(stopped));
        Self { status, stop, task }
    }

    /// Waits until the status is as asked, and gives it.
    async fn until(&mut self, what: &str, wanted: impl Fn(&Status) -> bool) -> Status {
        let reached = tokio::time::timeout(PATIENCE, self.status.wait_for(|status| wanted(status)));
        if let Ok(Ok(status)) = reached.await {
            return status.clone();
        }
        panic!("{what} was not reached: {:?}", self.status.borrow().clone())
    }

    async fn published(&mut self, records: u64) -> Status {
        self.until("the record", |status| {
            status.published >= records && status.phase == Phase::Live
        })
        .await
    }

    async fn diverged(&mut self) -> Reason {
        let status = self.until("divergence", |status| matches!(status.phase, Phase::Diverged(_)));
        match status.await.phase {
            Phase::Diverged(divergence) => divergence.reason,
            other => panic!("{other:?}"),
        }
    }

    /// Drops the feed at whatever point it is, as a crash would, apart from the connection.
    async fn abort(self) {
        self.task.abort();
        assert!(self.task.await.expect_err("it was aborted").is_cancelled());
    }

    async fn stop(self) {
        self.stop.send(()).expect("it runs");
        self.task.await.expect("no panic").expect("no failure");
    }
}

async fn connect(nats: &Nats) -> async_nats::Client {
    let connect = async_nats::ConnectOptions::new().retry_on_initial_connect();
    let client = connect.connect(nats.url()).await.expect("connects");
    client.flush().await.expect("flushes");
    client
}

async fn context(nats: &Nats) -> Context {
    jetstream::new(connect(nats).await)
}

fn slug() -> Slug {
    Slug::parse("audit").expect("a slug")
}

/// A short patience with the server, so that faults are noticed soon.
fn quick() -> Config {
    Config {
        ack_timeout_ms: 1_000,
        timeout_ms: 2_000,
        ..Config::default()
    }
}

fn automatic() -> Config {
    Config {
        rebuild_automatically: true,
        ..quick()
    }
}

/// Appends this many events.
async fn grow(handle: &Handle, events: usize) -> u64 {
    let records = (0..events).map(|at| event(&format!("tool.call{at}"))).collect();
    for result in handle.append_many(records).await.expect("appends") {
        result.expect("is written");
    }
    handle.head().await.expect("a head").size
}

/// Every message of the stream with this base: sequence, subject, body.
async fn messages(context: &Context, base: u64) -> Vec<(u64, String, Vec<u8>)> {
    let stream = context
        .get_stream(wire::stream_name(&slug(), base))
        .await
        .expect("a stream");
    let state = &stream.cached_info().state;
    let mut all = Vec::new();
    for sequence in state.first_sequence.max(1)..=state.last_sequence {
        let message = stream.get_raw_message(sequence).await.expect("a message");
        all.push((message.sequence, message.subject.to_string(), message.payload.to_vec()));
    }
    all
}

/// Checks that the stream with this base holds the log from there to its end, and nothing else.
async fn assert_holds(context: &Context, handle: &Handle, base: u64) {
    let mut records = Vec::new();
    while let Some(from) = Some(base + records.len() as u64)
        && from < handle.head().await.expect("a head").size
    {
        records.extend(handle.read(from, 1_000).await.expect("reads"));
    }
    let messages = messages(context, base).await;
    assert_eq!(messages.len(), records.len(), "as many messages as records");
    for ((sequence, subject, body), record) in messages.iter().zip(&records) {
        assert_eq!(wire::offset(base, *sequence), Some(record.offset));
        assert_eq!(
            body.as_slice(),
            &*record.bytes,
            "byte for byte at offset {}",
            record.offset
        );
        let record = Record::parse(body.clone()).expect("a record");
        assert_eq!(*subject, wire::subject(&slug(), &record.tenant, &record.kind));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_is_published_and_receipts_say_so() {
    let (nats, log) = (Nats::start().await, Log::create().await);
    let handle = log.open();
    assert_eq!(*handle.published().borrow(), None, "no feed, no stream");
    let first = append(&handle, event("before")).await;
    assert!(!first.published);
    let mut feed = Running::start(&handle, &nats, Config::default()).await;
    feed.published(first.committed.offset + 1).await;
    let size = grow(&handle, 300).await;
    let status = feed.published(size).await;
    assert_eq!(status.stream, Some(wire::stream_name(&slug(), 0)));
    assert_eq!(*handle.published().borrow(), Some(size));
    assert_holds(&context(&nats).await, &handle, 0).await;
    // The same record again: the answer now says that the stream has it.
    let record = event("again");
    let receipt = append(&handle, record.clone()).await;
    feed.published(receipt.committed.offset + 1).await;
    let again = append(&handle, record).await;
    assert!(again.replayed && again.published);
    feed.stop().await;
    assert_eq!(handle.published().borrow().expect("a feed"), size + 1);
}

//! The log's JetStream stream as a source, with another source behind it for what the stream does not give.
//!
//! The stream is a copy that anybody with the right to publish may have spoiled, and that the broker may have lost. So it
//! is believed in nothing: a record is named by its offset, messages that repeat one are dropped, and whatever is
//! missing, late, or refused by the checker is asked of the fallback, which is the ledger. The log goes on at its own
//! pace whatever happens to the broker; this source follows it without a gap and without a repetition.

mod copies;
mod reading;

pub use copies::Copies;

use crate::query::Pending;
use crate::{Error, Source};
use async_nats::Client;
use async_nats::connection::State;
use async_nats::jetstream::Context;
use async_nats::jetstream::context::ContextBuilder;
use futures_util::TryStreamExt as _;
use reading::{Ended, Reading};
use record::{Slug, wire};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// How long the server may take to answer a request.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Silence of the stream after which the ledger is asked whether there is more, and the server which stream is the newest.
const IDLE: Duration = Duration::from_secs(1);
/// How long a stream that is looked for may take to come before the ledger is read instead.
const MOMENT: Duration = Duration::from_secs(2);
/// Pause before the stream is looked for again, or the ledger after a failure.
const RETRY: Duration = Duration::from_millis(500);
/// Under load, records are handed on at most 40 times a second, in larger batches; one that comes alone goes at once.
const PACE: Duration = Duration::from_millis(25);

/// Reads the newest stream of a log, and below and beside it the fallback.
pub struct StreamSource {
    client: Client,
    log: Slug,
    fallback: Box<dyn Source>,
    reading: Option<Reading>,
    /// A stream is being looked for.
    search: Option<Search>,
    /// Not before this time again.
    search_again: Option<Instant>,
    /// The stream is behind the log, so the fallback is asked at the same time.
    lagging: bool,
    /// Records of the fallback that came while the stream was waited for, and the offset of the first.
    kept: Option<(u64, Vec<Arc<[u8]>>)>,
    /// When records were handed on last.
    last: Option<Instant>,
}

/// A search for the newest stream, on a task of its own: a server that hangs holds nothing up.
struct Search {
    since: Instant,
    task: JoinHandle<Result<Reading, Ended>>,
}

impl Search {
    /// Begins to look for the newest stream of `log`, to read it from `from` on.
    fn begin(context: Context, log: Slug, from: u64) -> Self {
        let search = async move {
            let base = newest(&context, &log).await?;
            let base = base.ok_or_else(|| Ended("there is none".to_owned()))?;
            let stream = context.get_stream(wire::stream_name(&log, base)).await;
            let stream = stream.map_err(|error| Ended(error.to_string()))?;
            let sequence = wire::sequence(base, from).unwrap_or(1);
            Reading::begin(context, &stream, base, sequence).await
        };
        Self {
            since: Instant::now(),
            task: tokio::spawn(search),
        }
    }
}

impl Drop for Search {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What has come from the stream where a record is due.
enum Found {
    /// The record and some that follow it.
    Records(Vec<Arc<[u8]>>),
    /// Only later ones.
    Later,
    /// Nothing yet.
    Nothing,
}

impl StreamSource {
    /// The stream of the log with this slug, over a connected client; `fallback` is the ledger.
    #[must_use]
    pub fn new(client: Client, log: Slug, fallback: Box<dyn Source>) -> Self {
        Self {
            client,
            log,
            fallback,
            reading: None,
            search: None,
            search_again: None,
            lagging: false,
            kept: None,
            last: None,
        }
    }

    async fn records(&mut self, from: u64) -> Result<Vec<Arc<[u8]>>, Error> {
        loop {
            if let Some((at, records)) = self.kept.take()
                && at == from
            {
                return Ok(records);
            }
            if let Some(Err(ended)) = self.reading.as_mut().map(Reading::check) {
                self.lose(&ended);
            }
            let Some(base) = self.reading.as_ref().map(|reading| reading.base) else {
                if let Some(records) = self.without_stream(from).await {
                    return Ok(records);
                }
                continue;
            };
            let Some(sequence) = wire::sequence(base, from) else {
                return self.fallback.next(from).await;
            };
            match self.streamed(sequence).await {
                Ok(Found::Records(records)) => return Ok(records),
                // Sequences are missing from the stream: the ledger has the records.
                Ok(Found::Later) => return self.fallback.next(from).await,
                Ok(Found::Nothing) => self.wait(from).await,
                Err(ended) => self.lose(&ended),
            }
        }
    }

    /// The stream cannot be read on: it is looked for again.
    fn lose(&mut self, Ended(reason): &Ended) {
        tracing::debug!(reason, "the stream is looked for again");
        self.reading = None;
    }

    /// Looks for the stream in the background and reads the ledger meanwhile, after a moment in which the stream may come.
    /// Gives nothing when the stream was found, or after a pause.
    async fn without_stream(&mut self, from: u64) -> Option<Vec<Arc<[u8]>>> {
        let connected = self.client.connection_state() == State::Connected;
        if self.search.is_none() && connected && self.search_again.is_none_or(|at| at <= Instant::now()) {
            self.search = Some(Search::begin(self.context(), self.log.clone(), from));
        }
        let Some(search) = self.search.as_mut() else {
            return self.ledger_for(from, RETRY).await;
        };
        let found = tokio::time::timeout_at((search.since + MOMENT).into(), &mut search.task).await;
        let found = match found {
            Ok(found) => found,
            Err(_) => tokio::select! {
                found = &mut search.task => found,
                records = self.fallback.next(from) => return given(records).await,
            },
        };
        self.search = None;
        match found.unwrap_or_else(|error| Err(Ended(error.to_string()))) {
            Ok(reading) => self.reading = Some(reading),
            Err(Ended(reason)) => {
                tracing::warn!(log = %self.log, reason, "the stream is not there: reading from the ledger");
                self.search_again = Some(Instant::now() + RETRY);
            }
        }
        None
    }

    /// Records of the ledger, if it has some within this time.
    async fn ledger_for(&mut self, from: u64, patience: Duration) -> Option<Vec<Arc<[u8]>>> {
        let records = tokio::time::timeout(patience, self.fallback.next(from)).await;
        given(records.ok()?).await
    }

    /// What has come from the stream at `sequence`.
    async fn streamed(&mut self, sequence: u64) -> Result<Found, Ended> {
        let Some(reading) = self.reading.as_mut() else {
            return Ok(Found::Nothing);
        };
        if reading.has_passed(sequence) {
            return Err(Ended("the reader went back".to_owned()));
        }
        reading.skip_to(sequence);
        match reading.first() {
            Some(first) if first == sequence => {
                self.lagging = false;
                self.fill(sequence).await.map(Found::Records)
            }
            Some(_) => Ok(Found::Later),
            None => Ok(Found::Nothing),
        }
    }

    /// Waits a little for a fuller batch under load, and takes what follows.
    async fn fill(&mut self, sequence: u64) -> Result<Vec<Arc<[u8]>>, Ended> {
        let until = self.last.map(|last| last + PACE);
        let Some(reading) = self.reading.as_mut() else {
            return Ok(Vec::new());
        };
        while let Some(until) = until.filter(|until| *until > Instant::now())
            && !reading.is_full()
        {
            match tokio::time::timeout_at(until.into(), reading.receive()).await {
                // What is here is whole: what ended shows at the next call.
                Ok(Err(_)) | Err(_) => break,
                Ok(Ok(())) => {}
            }
        }
        self.last = Some(Instant::now());
        Ok(reading.take(sequence))
    }

    /// Waits for something to come from the stream; while it is behind the log, for the fallback too.
    async fn wait(&mut self, from: u64) {
        let Some(reading) = self.reading.as_mut() else {
            return;
        };
        let received = if self.lagging {
            tokio::select! {
                received = reading.receive() => Some(received),
                records = self.fallback.next(from) => {
                    self.kept = given(records).await.map(|records| (from, records));
                    return;
                }
                () = tokio::time::sleep(IDLE) => None,
            }
        } else {
            tokio::time::timeout(IDLE, reading.receive()).await.ok()
        };
        let ended = match received {
            Some(received) => received,
            // Whoever does not answer this is not waited for.
            None => match tokio::time::timeout(IDLE, self.look(from)).await {
                Ok(looked) => looked,
                Err(_) => Err(Ended("the server does not answer".to_owned())),
            },
        };
        if let Err(ended) = ended {
            self.lose(&ended);
        }
    }

    /// After some silence: whether the log has more, and whether this is still the newest stream.
    async fn look(&mut self, from: u64) -> Result<(), Ended> {
        self.lagging = self.fallback.head().await.is_ok_and(|head| head > from);
        let newest = newest(&self.context(), &self.log).await?;
        let known = self.reading.as_ref().map(|reading| reading.base);
        if newest == known {
            return Ok(());
        }
        Err(Ended("another stream is the newest".to_owned()))
    }

    fn context(&self) -> Context {
        ContextBuilder::new().timeout(TIMEOUT).build(self.client.clone())
    }
}

/// What the ledger gave; nothing after a pause, when it failed for the moment.
async fn given(records: Result<Vec<Arc<[u8]>>, Error>) -> Option<Vec<Arc<[u8]>>> {
    match records {
        Ok(records) => Some(records),
        Err(error) => {
            tracing::debug!(%error, "the ledger does not answer");
            tokio::time::sleep(RETRY).await;
            None
        }
    }
}

/// The highest base of all streams of the log.
async fn newest(context: &Context, log: &Slug) -> Result<Option<u64>, Ended> {
    let names: Result<Vec<String>, _> = context.stream_names().try_collect().await;
    let names = names.map_err(|error| Ended(error.to_string()))?;
    Ok(names.iter().filter_map(|name| wire::stream_base(log, name)).max())
}

impl Source for StreamSource {
    fn next(&mut self, from: u64) -> Pending<'_, Vec<Arc<[u8]>>> {
        Box::pin(self.records(from))
    }

    /// The ledger's own answer: a stream may say anything about the log's length.
    fn head(&mut self) -> Pending<'_, u64> {
        self.fallback.head()
    }

    fn fallback(&mut self) -> Option<&mut dyn Source> {
        Some(&mut *self.fallback)
    }
}

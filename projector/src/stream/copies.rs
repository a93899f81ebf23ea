//! The copies that a log's streams hold, read once, without a ledger behind them: what is left when the log is lost.
//!
//! Of several streams the newest that has room for an offset is asked for it; streams that were retired or sealed still
//! hold what was published to them. What comes is believed in nothing: whoever restores checks every record.

use super::TIMEOUT;
use super::reading::{Ended, Reading};
use crate::Error;
use async_nats::Client;
use async_nats::jetstream::Context;
use async_nats::jetstream::context::ContextBuilder;
use async_nats::jetstream::stream::Stream;
use futures_util::TryStreamExt as _;
use record::{Slug, wire};
use std::sync::Arc;
use std::time::Duration;

/// How long the next message of a stream may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A stream and the first offset behind its last message.
struct Held {
    base: u64,
    end: u64,
    stream: Stream,
}

/// Everything that the streams of a log hold.
pub struct Copies {
    context: Context,
    /// By base, the highest last.
    held: Vec<Held>,
    reading: Option<Reading>,
}

impl Copies {
    /// Looks at every stream of the log as it is now.
    ///
    /// # Errors
    /// [`Error::Source`] when the server does not answer.
    pub async fn survey(client: Client, log: &Slug) -> Result<Self, Error> {
        let context = ContextBuilder::new().timeout(TIMEOUT).build(client);
        let failed = |error: &dyn std::fmt::Display| Error::Source(format!("the streams cannot be listed: {error}"));
        let names: Vec<String> = context
            .stream_names()
            .try_collect()
            .await
            .map_err(|error| failed(&error))?;
        let mut held = Vec::new();
        for name in names {
            let Some(base) = wire::stream_base(log, &name) else {
                continue;
            };
            let stream = context.get_stream(name).await.map_err(|error| failed(&error))?;
            let end = base + stream.cached_info().state.last_sequence;
            held.push(Held { base, end, stream });
        }
        held.sort_unstable_by_key(|held| held.base);
        Ok(Self {
            context,
            held,
            reading: None,
        })
    }

    /// The first offset that no stream holds.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.held.iter().map(|held| held.end).max().unwrap_or(0)
    }

    /// The messages from offset `from` on that follow one another, at least one; none when no stream holds that offset.
    ///
    /// # Errors
    /// [`Error::Source`] when the server falls silent or a stream lacks a message in its middle.
    pub async fn next(&mut self, from: u64) -> Result<Vec<Arc<[u8]>>, Error> {
        let Some(held) = self.held.iter().rev().find(|held| held.base <= from && from < held.end) else {
            return Ok(Vec::new());
        };
        let failed = |Ended(reason): Ended| Error::Source(format!("the stream from offset {}: {reason}", held.base));
        let sequence =
            wire::sequence(held.base, from).ok_or_else(|| failed(Ended("it has no such offset".to_owned())))?;
        let mut reading = match self.reading.take().filter(|reading| reading.base == held.base) {
            Some(reading) => reading,
            None => Reading::begin(self.context.clone(), &held.stream, held.base, sequence)
                .await
                .map_err(failed)?,
        };
        loop {
            reading.skip_to(sequence);
            match reading.first() {
                Some(first) if first == sequence => break,
                Some(_) => return Err(failed(Ended(format!("the message of offset {from} is missing")))),
                None => {}
            }
            let received = tokio::time::timeout(PATIENCE, reading.receive()).await;
            let silent = |_| failed(Ended("the server is silent".to_owned()));
            received.map_err(silent)?.map_err(failed)?;
        }
        reading.drain().map_err(failed)?;
        let taken = reading.take(sequence);
        self.reading = Some(reading);
        Ok(taken)
    }
}

//! The comparison of what a stream holds with the log: message by message, without trusting either end.

use super::failure::Failure;
use super::message::Message;
use super::status::Reason;
use crate::Handle;
use async_nats::jetstream;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::stream::Stream;
use futures_util::StreamExt as _;
use ledger_client::LedgerClient as _;
use record::{Record, Slug, wire};
use std::time::Duration;

/// Messages and bytes of one request.
const FETCH: usize = 256;
const FETCH_BYTES: usize = 4 * 1_024 * 1_024;
/// The server forgets a consumer that nobody asks for this long.
const FORGOTTEN: Duration = Duration::from_secs(30);

/// A stream and the log that it should hold.
pub(super) struct Comparison<'a> {
    pub(super) handle: &'a Handle,
    pub(super) slug: &'a Slug,
    pub(super) stream: &'a Stream,
    pub(super) base: u64,
    pub(super) timeout: Duration,
}

impl Comparison<'_> {
    /// The first sequence from `from` to `last` whose message is not the record that belongs there, and why; `None` when
    /// all are right.
    pub(super) async fn first_wrong(&self, from: u64, last: u64) -> Result<Option<(u64, Reason)>, Failure> {
        let mut next = from.max(1);
        if next > last {
            return Ok(None);
        }
        let consumer = self.consumer(next).await?;
        while next <= last {
            let messages = self.fetch(&consumer, last + 1 - next).await?;
            if messages.is_empty() {
                return Err(Failure::Passing(
                    "the stream gave no message where it has some".to_owned(),
                ));
            }
            if let Some(wrong) = self.compare(&mut next, &messages).await? {
                return Ok(Some(wrong));
            }
        }
        Ok(None)
    }

    /// Compares a run of messages; moves `next` behind those that are right.
    async fn compare(&self, next: &mut u64, messages: &[jetstream::Message]) -> Result<Option<(u64, Reason)>, Failure> {
        let offset = |sequence| wire::offset(self.base, sequence).unwrap_or(u64::MAX);
        let from = offset(*next);
        let mut records = Vec::new();
        while records.len() < messages.len() {
            let more = self
                .handle
                .read(from + records.len() as u64, messages.len() - records.len());
            match more.await? {
                more if more.is_empty() => break,
                more => records.extend(more),
            }
        }
        let mut records = records.iter();
        for message in messages {
            let sequence = message.info().map_err(Failure::passing)?.stream_sequence;
            let wrong = |reason| Ok(Some((*next, reason)));
            if sequence != *next {
                return wrong(Reason::Foreign {
                    sequence: *next,
                    offset: offset(*next),
                });
            }
            let right = match records.next() {
                Some(record) => {
                    Message::of(self.handle.origin(), self.slug, record)?.is(&message.subject, &message.payload)
                }
                None => self
                    .check_beyond(offset(sequence), &message.payload)
                    .await
                    .map(|()| false)?,
            };
            if !right {
                return wrong(self.reason(sequence, offset(sequence), &message.payload));
            }
            *next += 1;
        }
        Ok(None)
    }

    /// A message behind the log's end: a record that this ledger signed there says that the log lost it.
    async fn check_beyond(&self, offset: u64, body: &[u8]) -> Result<(), Failure> {
        let Ok(record) = Record::parse(body.to_vec()) else {
            return Ok(());
        };
        let ours = record.log == *self.handle.origin() && self.handle.holds_key(&record.pub_key);
        if ours && record.verify_signature(&record.pub_key).is_ok() && record.offset >= offset {
            let found = self.handle.head().await?.size;
            // It may have been appended since the log was read.
            if record.offset >= found {
                let signed = record.offset;
                return Err(Failure::LogBehind { found, signed });
            }
        }
        Ok(())
    }

    fn reason(&self, sequence: u64, offset: u64, body: &[u8]) -> Reason {
        match Record::parse(body.to_vec()) {
            Ok(record) if record.log != *self.handle.origin() => Reason::OtherLog {
                log: record.log.to_string(),
            },
            _ => Reason::Foreign { sequence, offset },
        }
    }

    async fn consumer(&self, from: u64) -> Result<jetstream::consumer::Consumer<pull::Config>, Failure> {
        let config = pull::Config {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: from },
            ack_policy: AckPolicy::None,
            inactive_threshold: FORGOTTEN,
            memory_storage: true,
            num_replicas: 1,
            ..pull::Config::default()
        };
        self.stream.create_consumer(config).await.map_err(Failure::passing)
    }

    async fn fetch(
        &self,
        consumer: &jetstream::consumer::Consumer<pull::Config>,
        most: u64,
    ) -> Result<Vec<jetstream::Message>, Failure> {
        let most = usize::try_from(most).unwrap_or(FETCH).min(FETCH);
        let fetch = consumer.fetch().max_messages(most).max_bytes(FETCH_BYTES);
        let mut batch = fetch.messages().await.map_err(Failure::passing)?;
        let mut messages = Vec::with_capacity(most);
        loop {
            match tokio::time::timeout(self.timeout, batch.next()).await {
                Ok(Some(Ok(message))) => messages.push(message),
                // The limit in bytes ends a fetch with a status that this client takes for a failure.
                Ok(Some(Err(error))) if messages.is_empty() => return Err(Failure::passing(error)),
                Ok(Some(Err(_)) | None) => return Ok(messages),
                Err(_) => return Err(Failure::Passing("the server does not answer in time".to_owned())),
            }
        }
    }
}

//! The pipeline: records go out one after the other, each naming the sequence that must precede it, and their
//! acknowledgements are awaited from the front of a bounded queue.
//!
//! An acknowledgement counts only if it names the expected sequence and no duplicate. Anything else ends the pipeline;
//! whoever began it looks at the stream itself and begins again. Nothing that is still under way can do harm then: every
//! message names its stream and its predecessor, so that it lands in its own place or nowhere.
//!
//! Crash points: a record that was published and not acknowledged, or acknowledged and not noted, is found in the stream
//! by the next comparison.

use super::failure::Failure;
use super::message::Message;
use super::{Config, WINDOW};
use crate::Handle;
use async_nats::jetstream::publish::PublishAck;
use async_nats::jetstream::response::Response;
use async_nats::{Client, StatusCode, Subscriber};
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _};
use ledger_client::trace::TRACEPARENT;
use ledger_client::{Committed, LedgerClient as _};
use record::{Slug, wire};
use std::collections::VecDeque;
use std::time::Instant;
use tokio::sync::watch;

/// Records of one read.
const READ: usize = 256;

/// A stream that holds the log up to some record, and what is on its way into it.
pub(super) struct Pump<'a> {
    pub(super) handle: &'a Handle,
    pub(super) client: &'a Client,
    pub(super) config: &'a Config,
    pub(super) slug: &'a Slug,
    pub(super) stream: &'a str,
    pub(super) base: u64,
    acks: Subscriber,
    inbox: String,
    /// Offset of the next record to publish.
    next: u64,
    /// Records read and not yet published.
    waiting: VecDeque<Committed>,
    flying: VecDeque<Flying>,
    flying_bytes: usize,
}

/// A record whose acknowledgement is awaited.
struct Flying {
    offset: u64,
    bytes: usize,
    since: Instant,
}

/// What a stream needs so that records can be published to it.
pub(super) struct Place<'a> {
    pub(super) handle: &'a Handle,
    pub(super) client: &'a Client,
    pub(super) config: &'a Config,
    pub(super) slug: &'a Slug,
    pub(super) stream: &'a str,
    pub(super) base: u64,
}

impl<'a> Pump<'a> {
    /// A pump that goes on with the record at `next`.
    pub(super) async fn new(place: Place<'a>, next: u64) -> Result<Self, Failure> {
        let Place {
            handle,
            client,
            config,
            slug,
            stream,
            base,
        } = place;
        let inbox = client.new_inbox();
        let acks = client.subscribe(format!("{inbox}.*")).await.map_err(Failure::passing)?;
        Ok(Self {
            handle,
            client,
            config,
            slug,
            stream,
            base,
            acks,
            inbox,
            next,
            waiting: VecDeque::new(),
            flying: VecDeque::new(),
            flying_bytes: 0,
        })
    }

    /// Publishes what is committed and what will be, until something fails. `published` follows the acknowledgements.
    pub(super) async fn run(mut self, mut published: impl FnMut(u64)) -> Failure {
        let mut committed = self.handle.committed();
        loop {
            let step = self.step(&mut committed, &mut published).await;
            if let Err(failure) = step {
                return failure;
            }
        }
    }

    async fn step(
        &mut self,
        committed: &mut watch::Receiver<u64>,
        published: &mut impl FnMut(u64),
    ) -> Result<(), Failure> {
        // What is here already costs no wait; the caller hears of it once.
        let mut heard = None;
        while let Some(ack) = self.acks.next().now_or_never() {
            heard = Some(self.acknowledged(ack)?);
        }
        if let Some(size) = heard {
            published(size);
        }
        if self.has_room() {
            if let Some(record) = self.waiting.pop_front() {
                return self.publish(record).await;
            }
            if *committed.borrow_and_update() > self.next {
                self.waiting.extend(self.handle.read(self.next, READ).await?);
                return Ok(());
            }
        }
        self.wait(committed, published).await
    }

    /// Waits for an acknowledgement, for a commit while there is room, or until the front is overdue.
    async fn wait(
        &mut self,
        committed: &mut watch::Receiver<u64>,
        published: &mut impl FnMut(u64),
    ) -> Result<(), Failure> {
        let (room, flying) = (self.has_room(), !self.flying.is_empty());
        let due = self.flying.front().map(|front| front.since + self.config.ack_timeout());
        tokio::select! {
            ack = self.acks.next() => {
                published(self.acknowledged(ack)?);
                Ok(())
            }
            changed = committed.changed(), if room => {
                changed.map_err(|_| Failure::Passing("the ledger is closed".to_owned()))
            }
            () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now).into()), if flying => {
                Err(Failure::Passing("the server does not acknowledge in time".to_owned()))
            }
        }
    }

    fn has_room(&self) -> bool {
        let window = usize::try_from(WINDOW).unwrap_or(usize::MAX).min(self.config.in_flight);
        self.flying.len() < window && self.flying_bytes < self.config.in_flight_bytes
    }

    async fn publish(&mut self, record: Committed) -> Result<(), Failure> {
        let offset = record.offset;
        let message = Message::of(self.handle.origin(), self.slug, &record)?;
        let mut headers = message.headers;
        // The sequence before this record's is its distance from the base.
        headers.insert(async_nats::header::NATS_EXPECTED_STREAM, self.stream);
        headers.insert(
            async_nats::header::NATS_EXPECTED_LAST_SEQUENCE,
            (offset - self.base).to_string(),
        );
        if let Some(trace) = self.handle.trace(offset) {
            headers.insert(TRACEPARENT, trace.traceparent());
        }
        let reply = format!("{}.{offset}", self.inbox);
        let publish = self
            .client
            .publish_with_reply_and_headers(message.subject, reply, headers, message.body);
        match tokio::time::timeout(self.config.ack_timeout(), publish).await {
            Ok(sent) => sent.map_err(Failure::passing)?,
            Err(_) => return Err(Failure::Passing("the connection takes no messages".to_owned())),
        }
        self.flying.push_back(Flying {
            offset,
            bytes: record.bytes.len(),
            since: Instant::now(),
        });
        self.flying_bytes += record.bytes.len();
        self.next = offset + 1;
        Ok(())
    }

    /// Notes an acknowledgement of the front and says how many records the stream has now.
    fn acknowledged(&mut self, ack: Option<async_nats::Message>) -> Result<u64, Failure> {
        let ack = ack.ok_or_else(|| Failure::Passing("the connection is closed".to_owned()))?;
        let front = self.flying.pop_front();
        let front = front.ok_or_else(|| Failure::Passing("an answer came to nothing".to_owned()))?;
        let offset = ack.subject.rsplit('.').next().and_then(|offset| offset.parse().ok());
        if offset != Some(front.offset) {
            return Err(Failure::Passing("answers came in another order".to_owned()));
        }
        check_ack(&ack, wire::sequence(self.base, front.offset))?;
        self.flying_bytes -= front.bytes;
        Ok(front.offset + 1)
    }
}

/// Whether the message was stored at `sequence`. Every other answer is a reason to look at the stream.
fn check_ack(answer: &async_nats::Message, sequence: Option<u64>) -> Result<(), Failure> {
    if answer.status == Some(StatusCode::NO_RESPONDERS) {
        return Err(Failure::Passing("no stream takes the log's subjects".to_owned()));
    }
    let payload: &Bytes = &answer.payload;
    match serde_json::from_slice(payload) {
        Ok(Response::Ok::<PublishAck>(ack)) if !ack.duplicate && Some(ack.sequence) == sequence => Ok(()),
        Ok(Response::Ok(ack)) => Err(Failure::Passing(format!(
            "the server acknowledged sequence {}{} where {} follows",
            ack.sequence,
            if ack.duplicate { " as a duplicate" } else { "" },
            sequence.unwrap_or_default()
        ))),
        Ok(Response::Err { error }) => Err(Failure::Passing(format!("the server refused a record: {error}"))),
        Err(_) => Err(Failure::Passing("the server's answer is no acknowledgement".to_owned())),
    }
}

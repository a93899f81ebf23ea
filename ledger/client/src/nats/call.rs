//! One request and its reply: signing, sending in parts, waiting, and checking what comes back.

use super::dispatch::{Arrived, Ticket, Waiting};
use super::keys::ReplyKey;
use super::{Config, now, random};
use crate::trace::{self, TraceContext};
use crate::wire::{
    Frame, OpenedReply, Part, Request, RequestId, Status, Verb, chunk, command_message, read_error, subject,
};
use crate::{Error, Refusal};
use async_nats::connection::State;
use bytes::Bytes;
use record::{Signature, Timestamp};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Pause before a reply that does not verify leads to another question for the keys.
const KEYS_PAUSE: Duration = Duration::from_secs(1);

/// Everything that sends and receives; the tasks of a client share it.
pub(super) struct Wire {
    pub(super) config: Config,
    pub(super) nats: async_nats::Client,
    /// Where replies go, without the request's id.
    pub(super) inbox: String,
    pub(super) waiting: Waiting,
    pub(super) reply_key: ReplyKey,
    /// When the keys were last asked for.
    pub(super) keys_asked: tokio::sync::Mutex<Option<Instant>>,
}

/// A request that was sent.
pub(super) struct Sent {
    ticket: Ticket,
    until: Instant,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failed {
    /// The ledger has not got the request.
    NotSent(&'static str),
    /// Whether it was carried out is not known.
    NoAnswer,
    /// The ledger says why.
    Answered(Error),
}

impl Failed {
    /// What the asker of a read is told.
    pub(super) fn of_read(self) -> Error {
        match self {
            Self::NotSent(reason) => unavailable(reason),
            Self::NoAnswer => unavailable("the ledger did not answer in time"),
            Self::Answered(error) => error,
        }
    }

    /// What the asker of a write is told about record `id`.
    pub(super) fn of_write(&self, id: record::RecordId) -> Error {
        let unknown = |reason: &str| Error::CommitUnknown {
            id,
            reason: reason.to_owned(),
        };
        match self {
            Self::NotSent(reason) => unavailable(reason),
            Self::NoAnswer => unknown("the ledger did not answer in time"),
            // Somebody sent a copy, and the copy came first: what became of it is not known here.
            Self::Answered(Error::CommandRefused(Refusal::Repeated)) => unknown("the command was repeated on its way"),
            Self::Answered(error) => error.clone(),
        }
    }
}

fn unavailable(reason: &str) -> Error {
    Error::Unavailable {
        reason: reason.to_owned(),
    }
}

impl Wire {
    /// Sends a request and waits for its reply.
    pub(super) async fn call(&self, verb: Verb, body: &[u8]) -> Result<Bytes, Failed> {
        let timeout = Duration::from_millis(self.config.timeout_ms);
        let sent = self
            .send(verb, self.config.key.name(), body, timeout, trace::current())
            .await?;
        self.answer(sent).await
    }

    /// Signs and sends.
    pub(super) async fn send(
        &self,
        verb: Verb,
        caller: &str,
        body: &[u8],
        timeout: Duration,
        trace: Option<TraceContext>,
    ) -> Result<Sent, Failed> {
        if self.nats.connection_state() != State::Connected {
            return Err(Failed::NotSent("the bus is not connected"));
        }
        let id = random().map(RequestId::new);
        let id = id.map_err(|_| Failed::NotSent("the operating system gives no randomness"))?;
        let issued_at = now();
        let life = i64::try_from(timeout.as_micros()).unwrap_or(i64::MAX);
        let request = Request {
            log: &self.config.pin.log,
            gateway: self.config.key.name(),
            id,
            issued_at,
            expires_at: Timestamp::from_micros(issued_at.micros().saturating_add(life)).unwrap_or(Timestamp::MAX),
            caller,
            verb,
            body,
        };
        let document = Bytes::from(request.document());
        let frame = Frame {
            request_id: id,
            gateway: self.config.key.name().to_owned(),
            signature: self.config.key.sign(&command_message(&document)),
            part: Part::whole(document.len()),
        };
        let sent = Sent {
            ticket: self.waiting.ticket(id),
            until: Instant::now() + timeout,
        };
        let (to, reply_to) = (subject(&self.config.slug, Some(verb)), format!("{}.{id}", self.inbox));
        for (part, bytes) in chunk::split(&document) {
            let mut headers = frame.headers(part);
            if let Some(trace) = &trace {
                headers.insert(trace::TRACEPARENT, trace.traceparent());
                trace
                    .tracestate()
                    .into_iter()
                    .for_each(|state| headers.insert(trace::TRACESTATE, state));
            }
            let publish = self
                .nats
                .publish_with_reply_and_headers(to.clone(), reply_to.clone(), headers, bytes);
            // A part that is missing is a request that is never carried out.
            match timeout_at(sent.until, publish).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return Err(Failed::NotSent("the bus takes no messages")),
            }
        }
        Ok(sent)
    }

    /// Waits for the reply to what was sent: its body, or the error that it holds.
    pub(super) async fn answer(&self, mut sent: Sent) -> Result<Bytes, Failed> {
        let id = sent.ticket.id();
        loop {
            match timeout_at(sent.until, sent.ticket.next()).await {
                Err(_) | Ok(None) => return Err(Failed::NoAnswer),
                Ok(Some(Arrived::NobodyListens)) => return Err(Failed::NotSent("no ledger listens on the bus")),
                Ok(Some(Arrived::Document(document, signature))) => {
                    let signed = timeout_at(sent.until, self.verifies(&document, &signature)).await;
                    if !signed.unwrap_or(false) {
                        tracing::warn!(request = %id, "a reply was not signed by the pinned ledger and is ignored");
                        continue;
                    }
                    let (log, name) = (&self.config.pin.log, self.config.key.name());
                    match OpenedReply::read(&document, log, name, id) {
                        Some(OpenedReply {
                            status: Status::Ok,
                            body,
                        }) => return Ok(body),
                        Some(reply) => return Err(Failed::Answered(read_error(&reply.body))),
                        None => tracing::warn!(request = %id, "a reply answers another request and is ignored"),
                    }
                }
            }
        }
    }

    /// Whether the ledger signed `document`, by a key that may just have been rotated.
    async fn verifies(&self, document: &Bytes, signature: &Signature) -> bool {
        if self.reply_key.verifies(document, signature) {
            return true;
        }
        let mut asked = self.keys_asked.lock().await;
        // Another request may have asked meanwhile.
        if self.reply_key.verifies(document, signature) {
            return true;
        }
        if asked.is_some_and(|asked| asked.elapsed() < KEYS_PAUSE) {
            return false;
        }
        let learned = self.ask_keys().await;
        *asked = Some(Instant::now());
        learned && self.reply_key.verifies(document, signature)
    }

    /// Asks for genesis and rotations; `true` once a reply has proven itself.
    async fn ask_keys(&self) -> bool {
        let timeout = Duration::from_millis(self.config.timeout_ms);
        let sent = self
            .send(Verb::Keys, self.config.key.name(), b"{}", timeout, None)
            .await;
        let Ok(mut sent) = sent else { return false };
        let (pin, name, id) = (&self.config.pin, self.config.key.name(), sent.ticket.id());
        while let Ok(Some(Arrived::Document(document, signature))) = timeout_at(sent.until, sent.ticket.next()).await {
            if self.reply_key.learn(pin, name, id, &document, &signature) {
                return true;
            }
        }
        false
    }
}

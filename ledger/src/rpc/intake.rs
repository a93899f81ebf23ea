//! From messages to whole requests: header fields read, parts put together, all of it bounded.
//!
//! Nothing is believed yet, so what a stranger can make the service hold is bounded in number, bytes and time.

use super::Config;
use async_nats::{HeaderMap, Message, Subject};
use bytes::Bytes;
use ledger_client::wire::chunk::Broken;
use ledger_client::wire::{Assembly, Frame, Verb};
use ledger_client::{Error, Refusal};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A whole request, of which nothing is checked.
pub(super) struct Arrival {
    pub(super) reply: Subject,
    pub(super) frame: Frame,
    pub(super) verb: Option<Verb>,
    pub(super) headers: HeaderMap,
    pub(super) document: Bytes,
}

/// What came of a message.
pub(super) enum Taken {
    /// A request is whole.
    Whole(Arrival),
    /// Parts are missing.
    Partial,
    /// It cannot be carried out; its sender is told.
    Refused(Subject, Frame, Error),
    /// Nobody can be told.
    Dropped,
}

/// Requests of which parts are missing, by reply subject: a sender has one for each request.
pub(super) struct Intake {
    limit: usize,
    most: usize,
    patience: Duration,
    partial: HashMap<String, (Instant, Assembly)>,
}

impl Intake {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            limit: config.request_bytes,
            most: config.partial_requests,
            patience: Duration::from_millis(config.partial_wait_ms),
            partial: HashMap::new(),
        }
    }

    /// Takes one message.
    pub(super) fn take(&mut self, message: Message, now: Instant) -> Taken {
        let headers = message.headers.unwrap_or_default();
        let (Some(reply), Some(frame)) = (message.reply, Frame::read(Some(&headers))) else {
            return Taken::Dropped;
        };
        let refused = |frame, refusal| Taken::Refused(reply.clone(), frame, Error::CommandRefused(refusal));
        match Assembly::check(frame.part, message.payload.len(), self.limit) {
            Ok(()) => {}
            Err(Broken::TooLarge) => return refused(frame, Refusal::TooLarge),
            Err(Broken::Mismatch) => return refused(frame, Refusal::Malformed),
        }
        let document = if frame.part.count == 1 {
            message.payload
        } else {
            match self.add(&reply, &frame, message.payload, now) {
                Ok(Some(document)) => document,
                Ok(None) => return Taken::Partial,
                Err(error) => return Taken::Refused(reply, frame, error),
            }
        };
        Taken::Whole(Arrival {
            verb: message.subject.rsplit('.').next().and_then(Verb::parse),
            reply,
            frame,
            headers,
            document,
        })
    }

    fn add(&mut self, reply: &Subject, frame: &Frame, payload: Bytes, now: Instant) -> Result<Option<Bytes>, Error> {
        self.forget_late(now);
        if !self.partial.contains_key(reply.as_str()) {
            let held: usize = self.partial.values().map(|(_, assembly)| assembly.bytes()).sum();
            if self.partial.len() >= self.most || held > self.most.saturating_mul(self.limit) / 4 {
                return Err(Error::Overloaded);
            }
            self.partial
                .insert(reply.to_string(), (now, Assembly::new(frame.clone())));
        }
        let Some((_, assembly)) = self.partial.get_mut(reply.as_str()) else {
            return Ok(None);
        };
        let added = if assembly.frame().request_id == frame.request_id {
            assembly.add(frame, payload)
        } else {
            Err(Broken::Mismatch)
        };
        if !matches!(added, Ok(None)) {
            self.partial.remove(reply.as_str());
        }
        added.map_err(|_| Error::CommandRefused(Refusal::Malformed))
    }

    /// Gives up requests whose parts have not come.
    fn forget_late(&mut self, now: Instant) {
        let patience = self.patience;
        self.partial
            .retain(|_, (since, _)| now.duration_since(*since) <= patience);
    }
}

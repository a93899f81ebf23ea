//! One subscription for every reply: puts parts together and hands documents to whoever waits for them.
//!
//! Nothing is believed here. A document that turns out to be forged is dropped by its receiver, who goes on waiting: whoever
//! can write to the inbox can delay an answer, not make one.

use crate::wire::{Assembly, Frame, REPLY_BYTES, RequestId};
use async_nats::{Message, StatusCode, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt as _;
use record::Signature;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// Documents that wait for one receiver; more are dropped.
const DOCUMENTS: usize = 4;
/// Documents for one receiver that are being put together.
const ASSEMBLIES: usize = 4;

/// What came for a request.
pub(super) enum Arrived {
    /// The server knows nobody who would receive the request.
    NobodyListens,
    /// A document that says it answers.
    Document(Bytes, Signature),
}

/// Requests that wait for their replies.
#[derive(Clone, Default)]
pub(super) struct Waiting(Arc<Mutex<HashMap<RequestId, Receiver>>>);

struct Receiver {
    documents: mpsc::Sender<Arrived>,
    assemblies: Vec<Assembly>,
}

/// A place in the list of waiting requests; given up when dropped.
pub(super) struct Ticket {
    waiting: Waiting,
    id: RequestId,
    arrivals: mpsc::Receiver<Arrived>,
}

impl Waiting {
    /// Takes a place for the replies to `id`.
    pub(super) fn ticket(&self, id: RequestId) -> Ticket {
        let (documents, arrivals) = mpsc::channel(DOCUMENTS);
        let receiver = Receiver {
            documents,
            assemblies: Vec::new(),
        };
        self.lock().insert(id, receiver);
        Ticket {
            waiting: self.clone(),
            id,
            arrivals,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RequestId, Receiver>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Receives until the subscription ends.
    pub(super) async fn receive(self, mut replies: Subscriber) {
        while let Some(message) = replies.next().await {
            self.take(message);
        }
    }

    fn take(&self, message: Message) {
        let id = message.subject.rsplit('.').next().and_then(RequestId::parse);
        let Some(id) = id else { return };
        let mut waiting = self.lock();
        // Nobody waits any more: the answer came too late, or twice.
        let Some(receiver) = waiting.get_mut(&id) else { return };
        let arrived = if message.status == Some(StatusCode::NO_RESPONDERS) {
            Some(Arrived::NobodyListens)
        } else {
            receiver.assemble(id, &message)
        };
        if let Some(arrived) = arrived {
            // A receiver that has documents enough needs no more.
            let _full = receiver.documents.try_send(arrived);
        }
    }
}

impl Receiver {
    fn assemble(&mut self, id: RequestId, message: &Message) -> Option<Arrived> {
        let frame = Frame::read(message.headers.as_ref()).filter(|frame| frame.request_id == id)?;
        Assembly::check(frame.part, message.payload.len(), REPLY_BYTES).ok()?;
        let payload = message.payload.clone();
        if frame.part.count == 1 {
            return Some(Arrived::Document(payload, frame.signature));
        }
        let same = |assembly: &Assembly| assembly.frame().signature == frame.signature;
        let at = match self.assemblies.iter().position(same) {
            Some(at) => at,
            None if self.assemblies.len() < ASSEMBLIES => {
                self.assemblies.push(Assembly::new(frame.clone()));
                self.assemblies.len() - 1
            }
            None => return None,
        };
        let whole = self.assemblies.get_mut(at)?.add(&frame, payload);
        if !matches!(whole, Ok(None)) {
            self.assemblies.swap_remove(at);
        }
        whole.ok()?.map(|document| Arrived::Document(document, frame.signature))
    }
}

impl Ticket {
    /// The next thing that comes for the request.
    pub(super) async fn next(&mut self) -> Option<Arrived> {
        self.arrivals.recv().await
    }

    /// The request.
    pub(super) const fn id(&self) -> RequestId {
        self.id
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.waiting.lock().remove(&self.id);
    }
}

//! Appends on their way out: those that wait at the same time share a request, and keep their order.
//!
//! A request is sent as soon as one may be: the first record never waits for company. While as many requests as
//! configured are under way, records gather, so that requests grow with the load and their signatures weigh less.

use super::call::{Failed, Sent, Wire};
use super::follow::advance;
use crate::trace::TraceContext;
use crate::wire::{Verb, body};
use crate::{Error, Receipt};
use record::RecordId;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::time::Instant;

/// Bytes of items in one request, unless a single one is larger.
const REQUEST_BYTES: usize = 256 * 1_024;

/// One record on its way.
pub(super) struct Item {
    pub(super) id: RecordId,
    /// As it stands in the request.
    pub(super) bytes: Vec<u8>,
    pub(super) caller: String,
    pub(super) trace: Option<TraceContext>,
    pub(super) since: Instant,
    pub(super) room: OwnedSemaphorePermit,
    pub(super) answer: oneshot::Sender<Result<Receipt, Error>>,
}

/// Sends what comes, until nobody can send any more.
pub(super) async fn run(wire: Arc<Wire>, mut items: mpsc::UnboundedReceiver<Item>, committed: watch::Sender<u64>) {
    let flights = Arc::new(Semaphore::new(wire.config.in_flight.max(1)));
    let mut carried = None;
    loop {
        let first = match carried.take() {
            Some(item) => Some(item),
            None => items.recv().await,
        };
        let Some(first) = first else { return };
        let Ok(flight) = Arc::clone(&flights).acquire_owned().await else {
            return;
        };
        let (batch, next) = gather(&wire, first, &mut items);
        carried = next;
        let batch = refuse_late(&wire, batch);
        if batch.is_empty() {
            continue;
        }
        // Sent from here, one after the other, so that requests leave in order; only the answers are waited for apart.
        let sent = send(&wire, &batch).await;
        let (wire, committed) = (Arc::clone(&wire), committed.clone());
        tokio::spawn(async move {
            let _flight = flight;
            finish(&wire, batch, sent, &committed).await;
        });
    }
}

/// What waits now, up to one request; what does not fit any more comes first next time.
fn gather(wire: &Wire, first: Item, items: &mut mpsc::UnboundedReceiver<Item>) -> (Vec<Item>, Option<Item>) {
    let mut bytes = first.bytes.len();
    let mut batch = vec![first];
    while batch.len() < wire.config.request_records {
        let Ok(item) = items.try_recv() else { break };
        bytes += item.bytes.len();
        if bytes > REQUEST_BYTES {
            return (batch, Some(item));
        }
        batch.push(item);
    }
    (batch, None)
}

/// Records that waited too long are refused: nobody may wait for them any more.
fn refuse_late(wire: &Wire, batch: Vec<Item>) -> Vec<Item> {
    let patience = Duration::from_millis(wire.config.queue_wait_ms + wire.config.timeout_ms);
    let (late, timely): (Vec<_>, Vec<_>) = batch.into_iter().partition(|item| item.since.elapsed() > patience);
    for item in late {
        let _gone = item.answer.send(Err(Error::Overloaded));
    }
    timely
}

async fn send(wire: &Wire, batch: &[Item]) -> Result<Sent, Failed> {
    let body = body::append(batch.iter().map(|item| item.bytes.as_slice()));
    let first = batch.first().map_or("", |item| item.caller.as_str());
    let one_caller = batch.iter().all(|item| item.caller == first);
    let caller = if one_caller { first } else { wire.config.key.name() };
    // A request has one parent: where several traces meet, the first goes on.
    let trace = batch.iter().find_map(|item| item.trace.clone());
    let timeout = Duration::from_millis(wire.config.timeout_ms);
    wire.send(Verb::Append, caller, &body, timeout, trace).await
}

async fn finish(wire: &Wire, batch: Vec<Item>, sent: Result<Sent, Failed>, committed: &watch::Sender<u64>) {
    let results = match sent {
        Err(failed) => Err(failed),
        Ok(sent) => wire.answer(sent).await.and_then(|answer| {
            let results = body::read_results(&answer).filter(|results| results.len() == batch.len());
            results.ok_or_else(|| {
                let reason = "the ledger's answer has another number of results".to_owned();
                Failed::Answered(Error::Corrupt(reason))
            })
        }),
    };
    let last = results
        .iter()
        .flatten()
        .flatten()
        .map(|receipt| receipt.committed.offset + 1)
        .max();
    last.into_iter().for_each(|size| advance(committed, size));
    match results {
        Ok(results) => {
            for (item, result) in batch.into_iter().zip(results) {
                answer(item, |id| result.map_err(|error| Failed::Answered(error).of_write(id)));
            }
        }
        Err(failed) => batch
            .into_iter()
            .for_each(|item| answer(item, |id| Err(failed.of_write(id)))),
    }
}

fn answer(item: Item, result: impl FnOnce(RecordId) -> Result<Receipt, Error>) {
    let Item { id, answer, room, .. } = item;
    drop(room);
    // The asker may have gone; the record stays.
    let _gone = answer.send(result(id));
}

//! The tail of the log: what the change stream is fed from.
//!
//! One task a gateway reads the log, while anybody listens, and parses each record once into a [`Ring`] of recent events
//! that all readers share. A [`Reader`] is a cursor and nothing more: in the ring while it keeps up, in the read model
//! until it has caught up. So memory is bounded by the ring whatever a reader does, and an append waits for none of them.
//! Only committed records are seen, because both the log and the read model hold no others.

mod budget;
mod event;
mod filter;
mod history;
mod marks;
mod reader;
mod ring;
mod start;

pub(crate) use event::Event;
pub(crate) use filter::Filter;
pub(crate) use reader::{Read, Reader};
pub(crate) use ring::Scope;
pub(crate) use start::{After, Start, find_start, last, position_ahead};

use crate::Config;
use crate::error::{Code, Problem};
use budget::Budget;
use ledger_client::{Kind, LedgerClient};
use ring::Ring;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

/// Records of one read of the log at most.
const READ: usize = 512;
/// Under load the log is read, and readers are woken, after this pause: at most 40 times a second. A record that comes
/// alone is handed on at once.
const PACE: Duration = Duration::from_millis(25);
/// What each reader adds to the pause, so that a thousand are woken eight times a second.
const PACE_OF_READER: Duration = Duration::from_micros(100);
/// Pause after the ledger failed.
const RETRY: Duration = Duration::from_millis(500);
/// Readers that ask the read model or the log for what the ring no longer has, at a time.
const HISTORY_READS: usize = 4;

/// The one tail of a gateway.
pub(crate) struct Tail {
    ledger: Arc<dyn LedgerClient>,
    ring_bytes: usize,
    most: usize,
    seats: Arc<Semaphore>,
    current: Mutex<Weak<Ring>>,
    history: Semaphore,
    budget: Budget,
    lag_drops: AtomicU64,
}

/// A reader's place at the tail: the ring it reads, and one of the streams that may be open at a time.
pub(crate) struct Seat {
    tail: Arc<Tail>,
    ring: Arc<Ring>,
    _permit: OwnedSemaphorePermit,
}

impl Tail {
    /// A tail of `ledger`.
    pub(crate) fn new(ledger: Arc<dyn LedgerClient>, config: &Config) -> Self {
        Self {
            ledger,
            ring_bytes: config.stream_buffer_bytes,
            most: config.streams,
            seats: Arc::new(Semaphore::new(config.streams)),
            budget: Budget::new(config.stream_bytes_per_second),
            current: Mutex::default(),
            history: Semaphore::new(HISTORY_READS),
            lag_drops: AtomicU64::new(0),
        }
    }

    /// A place for one more reader. The first one starts the task that reads the log, the last one to leave ends it.
    ///
    /// # Errors
    /// `TOO_MANY_STREAMS`.
    pub(crate) fn join(self: &Arc<Self>) -> Result<Seat, Problem> {
        let permit = Arc::clone(&self.seats).try_acquire_owned().map_err(|_| {
            let detail = format!(
                "{} streams are open, which is as many as this gateway serves",
                self.most
            );
            Problem::new(Code::TooManyStreams, detail)
        })?;
        Ok(Seat {
            tail: Arc::clone(self),
            ring: self.ring(),
            _permit: permit,
        })
    }

    /// Streams that are open.
    pub(crate) fn readers(&self) -> usize {
        self.most.saturating_sub(self.seats.available_permits())
    }

    /// Readers that were cut off because they fell behind the ring.
    pub(crate) fn lag_drops(&self) -> u64 {
        self.lag_drops.load(Ordering::Relaxed)
    }

    fn ring(self: &Arc<Self>) -> Arc<Ring> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ring) = current.upgrade().filter(|ring| !ring.is_over()) {
            return ring;
        }
        let committed = self.ledger.committed();
        let (ring, gone) = Ring::new(*committed.borrow(), self.ring_bytes);
        let ring = Arc::new(ring);
        *current = Arc::downgrade(&ring);
        tokio::spawn(follow(Arc::clone(self), Arc::downgrade(&ring), gone, committed));
        ring
    }
}

/// Reads the log into the ring until nobody holds it any more.
async fn follow(tail: Arc<Tail>, ring: Weak<Ring>, mut gone: watch::Receiver<()>, mut committed: watch::Receiver<u64>) {
    let mut failing = false;
    let mut last: Option<Instant> = None;
    loop {
        let Some(next) = ring.upgrade().map(|ring| ring.end()) else {
            return;
        };
        tokio::select! {
            _ = gone.changed() => return,
            more = wait(&tail, &mut committed, next, last) => if more.is_err() {
                return close(&ring, Code::LedgerUnavailable, "the ledger is closed");
            },
        }
        last = Some(Instant::now());
        let read = tail.ledger.read(next, READ).await;
        let Some(ring) = ring.upgrade() else { return };
        match read.and_then(|records| parse(next, &records)) {
            Ok(events) => {
                failing = false;
                ring.push(events);
            }
            Err(error) if error.kind() == Kind::Corrupt => {
                tracing::error!(%error, offset = next, "the change stream ends: a record cannot be read");
                return ring.close(Code::LogCorrupt, "a record of the log cannot be read");
            }
            Err(error) => {
                if !failing {
                    tracing::warn!(%error, offset = next, "the change stream stands still until the ledger answers");
                }
                failing = true;
                drop(ring);
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// Waits until the log is longer than `next`; after a recent read, for more records at once.
async fn wait(
    tail: &Tail,
    committed: &mut watch::Receiver<u64>,
    next: u64,
    last: Option<Instant>,
) -> Result<(), watch::error::RecvError> {
    committed.wait_for(|size| *size > next).await?;
    if let Some(last) = last {
        let readers = u32::try_from(tail.readers()).unwrap_or(u32::MAX);
        let pace = PACE + PACE_OF_READER.saturating_mul(readers);
        let full = committed.wait_for(|size| *size >= next + READ as u64);
        // Either enough for a full read, or the time is up; a closed ledger shows in the read.
        let _either = tokio::time::timeout_at(last + pace, full).await;
    }
    Ok(())
}

fn parse(next: u64, records: &[ledger_client::Committed]) -> Result<Vec<Event>, ledger_client::Error> {
    if records.is_empty() {
        let reason = format!("the ledger has no record at offset {next}");
        return Err(ledger_client::Error::Unavailable { reason });
    }
    let parsed = records.iter().zip(next..).map(|(record, expected)| {
        Event::parse(Arc::clone(&record.bytes))
            .filter(|event| event.offset == expected && record.offset == expected)
            .ok_or_else(|| ledger_client::Error::Corrupt(format!("no record at offset {expected}")))
    });
    parsed.collect()
}

fn close(ring: &Weak<Ring>, code: Code, detail: &'static str) {
    if let Some(ring) = ring.upgrade() {
        ring.close(code, detail);
    }
}

impl Seat {
    fn dropped_behind(&self) {
        self.tail.lag_drops.fetch_add(1, Ordering::Relaxed);
    }
}

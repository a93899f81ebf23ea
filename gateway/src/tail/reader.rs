//! One stream's cursor: through history until it meets the ring, and then along the ring.
//!
//! Invariant: every matching record from the start on is given once, in the log's order. `next` is the offset below which
//! everything was given; it only grows, and both history and ring are asked from there on.

use super::history::{History, Page};
use super::ring::{Scope, Taken, Tide};
use super::{Filter, Seat, Start};
use crate::error::{Code, Problem};
use ledger_client::LedgerClient;
use projector::query::{Queries, TimelineRequest};
use std::sync::Arc;
use tokio::sync::watch;
use tokio::time::Instant;

/// Bytes after which a chunk is handed out.
const ROOM: usize = 32 * 1024;

/// A cursor.
pub(crate) struct Reader {
    seat: Seat,
    scope: Scope,
    filter: Filter,
    history: History,
    tide: watch::Receiver<Tide>,
    next: u64,
    /// When the next piece may be taken.
    turn: Instant,
    /// The ring was reached: falling behind it ends the stream.
    live: bool,
    /// The last number that was passed, given or not.
    resume: Option<u64>,
}

/// What a reader has.
#[derive(Debug)]
pub(crate) enum Read {
    /// Server-sent events.
    Frames(Vec<u8>),
    /// Nothing yet, and more to look at.
    Progress,
    /// Everything was looked at, or it is not this reader's turn: [`Reader::wait`].
    Current,
    /// The stream ends.
    Over(Problem),
}

impl Reader {
    /// A cursor for `scope` with the conditions of `asked`, from `start` on.
    pub(crate) fn new(
        seat: Seat,
        ledger: Arc<dyn LedgerClient>,
        queries: Arc<dyn Queries>,
        scope: Scope,
        asked: TimelineRequest,
        start: Start,
    ) -> Self {
        Self {
            tide: seat.ring.tide(),
            filter: Filter::of(&asked),
            history: History::new(ledger, queries, scope.clone(), asked),
            seat,
            scope,
            next: start.next,
            turn: Instant::now(),
            live: false,
            resume: start.resume,
        }
    }

    /// After which number the stream goes on elsewhere.
    pub(crate) const fn resume(&self) -> Option<u64> {
        self.resume
    }

    /// What comes next, without waiting for the log. Not to be cancelled.
    pub(crate) async fn read(&mut self) -> Read {
        if Instant::now() < self.turn {
            return Read::Current;
        }
        // Seen before the ring is asked: what is pushed in between wakes the next wait.
        let tide = *self.tide.borrow_and_update();
        let mut out = Vec::new();
        match self
            .seat
            .ring
            .take(&self.scope, &self.filter, self.next, ROOM, &mut out)
        {
            Taken::Behind if self.live => {
                let detail = "this reader is too slow: what it has not read is no longer kept for it";
                Read::Over(Problem::new(Code::StreamLagged, detail))
            }
            Taken::Behind => self.catch_up().await,
            Taken::Upto { next, passed } => {
                (self.live, self.next) = (true, next);
                self.resume = passed.or(self.resume);
                match tide.over {
                    _ if !out.is_empty() => {
                        self.turn = self.seat.tail.budget.pay(out.len());
                        Read::Frames(out)
                    }
                    Some((code, detail)) => Read::Over(Problem::new(code, detail)),
                    None => Read::Current,
                }
            }
        }
    }

    /// Waits for this reader's turn, or until the log has more or ends.
    pub(crate) async fn wait(&mut self) {
        if Instant::now() < self.turn {
            return tokio::time::sleep_until(self.turn).await;
        }
        // The reader holds the ring, and the ring the sender.
        let _closed = self.tide.changed().await;
    }

    async fn catch_up(&mut self) -> Read {
        let page = {
            let _turn = self.seat.tail.history.acquire().await;
            self.history.page(self.next).await
        };
        match page {
            Err(problem) => Read::Over(problem),
            Ok(Page {
                next,
                passed,
                frames,
                cost,
            }) => {
                self.next = next;
                self.resume = passed.or(self.resume);
                self.turn = self.seat.tail.budget.pay(cost);
                if frames.is_empty() {
                    Read::Progress
                } else {
                    Read::Frames(frames)
                }
            }
        }
    }

    fn is_behind(&self) -> bool {
        self.live && self.seat.ring.is_behind(self.next)
    }
}

impl Drop for Reader {
    /// A reader that is cut off at its socket is counted like one that was told.
    fn drop(&mut self) {
        if self.is_behind() {
            self.seat.dropped_behind();
        }
    }
}

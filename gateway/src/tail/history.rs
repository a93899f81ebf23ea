//! Records that the ring no longer has: one tenant's from the read model, everybody's from the log.
//!
//! Where the read model has not come as far as the cursor, the log is read instead, so that a lagging read model delays
//! nobody and leaves no gap.

use super::{Event, Filter, Scope};
use crate::error::{Code, Problem};
use crate::sse;
use ledger_client::LedgerClient;
use projector::query::{Order, Place, Queries, TimelineRequest};
use record::Timestamp;
use std::sync::Arc;

/// Records of one look into the log.
const LOG_READ: usize = 256;
/// Rows of a page: the first one, and the most.
const ROWS: u16 = 16;
const MOST_ROWS: u16 = 256;
/// What a row costs beside a record of the ring: somebody has to look it up.
const COST_OF_ROW: usize = 4;
/// Bytes that a page should have about.
const PAGE_BYTES: usize = 32 * 1024;

/// Where a reader's past comes from.
pub(super) struct History {
    ledger: Arc<dyn LedgerClient>,
    queries: Arc<dyn Queries>,
    scope: Scope,
    asked: TimelineRequest,
    filter: Filter,
}

/// A piece of the past.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// Everything below was looked at.
    pub(super) next: u64,
    /// The number of the last record that was looked at, where it is known.
    pub(super) passed: Option<u64>,
    /// Server-sent events.
    pub(super) frames: Vec<u8>,
    /// Bytes that a piece from the ring would have at the same cost.
    pub(super) cost: usize,
}

impl History {
    pub(super) fn new(
        ledger: Arc<dyn LedgerClient>,
        queries: Arc<dyn Queries>,
        scope: Scope,
        asked: TimelineRequest,
    ) -> Self {
        Self {
            ledger,
            queries,
            scope,
            filter: Filter::of(&asked),
            asked: TimelineRequest {
                order: Order::RecordedAscending,
                limit: ROWS,
                ..asked
            },
        }
    }

    /// What follows from offset `from` on.
    ///
    /// # Errors
    /// What the read model or the ledger answers.
    pub(super) async fn page(&mut self, from: u64) -> Result<Page, Problem> {
        if self.scope != Scope::All {
            let page = self.page_of_read_model(from).await?;
            if page.next > from {
                return Ok(page);
            }
        }
        self.page_of_log(from).await
    }

    async fn page_of_read_model(&mut self, from: u64) -> Result<Page, Problem> {
        self.asked.after = from.checked_sub(1).map(|offset| Place {
            at: Timestamp::MIN,
            offset,
        });
        let found = self.queries.timeline(self.asked.clone()).await?;
        let (mut frames, mut next, mut passed) = (Vec::new(), from, None);
        for row in found.rows {
            let event = Event::parse(row.bytes.into()).ok_or_else(damaged)?;
            next = event.offset + 1;
            passed = Some(self.scope.id(&event));
            sse::write_record(self.scope.id(&event), &event.bytes, &mut frames);
        }
        if !found.more {
            next = next.max(found.position);
        }
        self.asked.limit = match frames.len() {
            0..PAGE_BYTES => self.asked.limit.saturating_mul(2).min(MOST_ROWS),
            _ => (self.asked.limit / 2).max(1),
        };
        let cost = frames.len().saturating_mul(COST_OF_ROW);
        Ok(Page {
            next,
            passed,
            frames,
            cost,
        })
    }

    async fn page_of_log(&self, from: u64) -> Result<Page, Problem> {
        let (mut frames, mut next, mut passed, mut cost) = (Vec::new(), from, None, 0_usize);
        for record in self.ledger.read(from, LOG_READ).await? {
            if frames.len() >= PAGE_BYTES {
                break;
            }
            let event = Event::parse(record.bytes).filter(|event| event.offset == next);
            let event = event.ok_or_else(|| Problem::new(Code::LogCorrupt, "a record of the log cannot be read"))?;
            next = event.offset + 1;
            // Each is read and parsed for this reader alone, whether it is shown or not.
            cost = cost.saturating_add(event.bytes.len());
            if !self.scope.shows(&event) {
                continue;
            }
            passed = Some(self.scope.id(&event));
            if self.filter.matches(&event) {
                sse::write_record(self.scope.id(&event), &event.bytes, &mut frames);
            }
        }
        if next == from {
            return Err(Problem::new(
                Code::LedgerUnavailable,
                "the ledger has no record where one is committed",
            ));
        }
        Ok(Page {
            next,
            passed,
            frames,
            cost,
        })
    }
}

fn damaged() -> Problem {
    Problem::new(Code::ReadModelDamaged, "the stored bytes are not a record")
}

//! Where a stream begins: the number that a client read last, as an offset of the log.

use super::{Event, Scope, Seat};
use crate::Shared;
use crate::error::{Code, Problem};
use projector::query::{Order, Span, TimelineRequest};
use record::Tenant;
use std::time::Duration;
use tokio::time::Instant;

/// After what a client wants to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// Only what is recorded from now on.
    Now,
    /// Everything.
    Start,
    /// What follows this number.
    Number(u64),
}

/// Where a cursor begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Start {
    /// The first offset that may be given.
    pub(crate) next: u64,
    /// The number that the stream resumes after, where there is one.
    pub(crate) resume: Option<u64>,
}

/// The last record of a tenant in one snapshot of the read model.
pub(crate) struct Last {
    /// Its number in the tenant's chain and its offset; `None` when the tenant has no record.
    pub(crate) seq_offset: Option<(u64, u64)>,
    /// Number of records that the snapshot had.
    pub(crate) position: u64,
}

/// Finds the start of a stream of `scope`.
///
/// # Errors
/// `POSITION_AHEAD` when no record has that number, `PROJECTION_LAGGING` when that cannot be said yet; what the read
/// model answers.
pub(crate) async fn find_start(shared: &Shared, seat: &Seat, scope: &Scope, after: After) -> Result<Start, Problem> {
    let head = *shared.ledger.committed().borrow();
    match (scope, after) {
        (_, After::Start) => Ok(Start { next: 0, resume: None }),
        (Scope::All, After::Now) => Ok(Start {
            next: head,
            resume: head.checked_sub(1),
        }),
        (Scope::All, After::Number(number)) if number < head => Ok(Start {
            next: number + 1,
            resume: Some(number),
        }),
        (Scope::All, After::Number(number)) => Err(position_ahead(number, head.checked_sub(1))),
        (Scope::Tenant(tenant), After::Now) => {
            let last = last(shared, tenant).await?;
            // The number may be older than the offset, where the read model lags: who goes on from it misses nothing.
            Ok(Start {
                next: last.position.max(head),
                resume: last.seq_offset.map(|(seq, _)| seq),
            })
        }
        (Scope::Tenant(tenant), After::Number(seq)) => {
            let offset = match seat.ring.offset_of(tenant, seq) {
                Some(offset) => offset,
                None => find_offset(shared, tenant, seq, head).await?,
            };
            Ok(Start {
                next: offset + 1,
                resume: Some(seq),
            })
        }
    }
}

/// The offset of the record `seq` of `tenant`, once the read model has applied `head` records or has the record.
async fn find_offset(shared: &Shared, tenant: &Tenant, seq: u64, head: u64) -> Result<u64, Problem> {
    let until = Instant::now() + Duration::from_millis(shared.config.min_position_timeout_ms);
    let mut pause = Duration::from_millis(2);
    loop {
        // Before the row is looked up: a row that is missing at this position is in no record below it.
        let position = shared.queries.position().await?;
        if let Some(row) = shared.queries.record_at(tenant.clone(), seq).await? {
            return Ok(row.offset);
        }
        if position >= head {
            let last = last(shared, tenant).await?;
            return Err(position_ahead(seq, last.seq_offset.map(|(seq, _)| seq)));
        }
        let now = Instant::now();
        if now >= until {
            let detail = format!("the read model is at {position} and does not know yet whether record {seq} exists");
            return Err(Problem::new(Code::ProjectionLagging, detail));
        }
        tokio::time::sleep_until(until.min(now + pause)).await;
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// The end of a tenant's chain as the read model knows it.
///
/// # Errors
/// What the read model answers.
pub(crate) async fn last(shared: &Shared, tenant: &Tenant) -> Result<Last, Problem> {
    let request = TimelineRequest {
        tenant: tenant.clone(),
        terms: Vec::new(),
        happened: Span::default(),
        recorded: Span::default(),
        order: Order::RecordedDescending,
        after: None,
        limit: 1,
    };
    let page = shared.queries.timeline(request).await?;
    let row = page.rows.into_iter().next();
    let event = row.map(|row| {
        let event = Event::parse(row.bytes.into());
        event.ok_or_else(|| Problem::new(Code::ReadModelDamaged, "the stored bytes are not a record"))
    });
    Ok(Last {
        seq_offset: event.transpose()?.map(|event| (event.seq, event.offset)),
        position: page.position,
    })
}

/// Nothing has this number: the client read it from another log, or from one that lost records.
pub(crate) fn position_ahead(number: u64, last: Option<u64>) -> Problem {
    let end = last.map_or_else(
        || "there is no record".to_owned(),
        |last| format!("the last record is {last}"),
    );
    Problem::new(Code::PositionAhead, format!("no record has the number {number}: {end}"))
}

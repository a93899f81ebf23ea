//! Answers: each from one snapshot, with the position that the snapshot had reached.

use crate::bounds::Bounds;
use crate::fault::{damaged, fault, integer, number};
use crate::{ReadModel, condition, page, parked, planner, statements};
use projector::Error;
use projector::query::{CanonEntry, Order, Page, Pending, Queries, Row, Span, TimelineRequest};
use record::{RecordId, Tenant, Timestamp};
use sqlx::SqliteConnection;

/// A row as it is read: offset, at, bytes.
type Read = (i64, i64, Vec<u8>);

/// Rows of the largest page.
const LARGEST: u16 = 500;

impl Queries for ReadModel {
    fn position(&self) -> Pending<'_, u64> {
        Box::pin(async move { Ok(self.snapshot().await?.1) })
    }

    fn record(&self, tenant: Tenant, id: RecordId) -> Pending<'_, Option<Row>> {
        Box::pin(async move {
            let (mut snapshot, _) = self.snapshot().await?;
            let found = sqlx::query_as(statements::SELECT_RECORD)
                .bind(tenant.as_str())
                .bind(id.as_bytes().as_slice());
            let found = found.fetch_optional(&mut *snapshot).await.map_err(fault)?;
            found.map(row).transpose()
        })
    }

    fn record_at(&self, tenant: Tenant, seq: u64) -> Pending<'_, Option<Row>> {
        Box::pin(async move {
            // No chain is that long.
            let Ok(seq) = i64::try_from(seq) else { return Ok(None) };
            let (mut snapshot, _) = self.snapshot().await?;
            let found = sqlx::query_as(statements::SELECT_RECORD_AT)
                .bind(tenant.as_str())
                .bind(seq);
            let found = found.fetch_optional(&mut *snapshot).await.map_err(fault)?;
            found.map(row).transpose()
        })
    }

    fn timeline(&self, request: TimelineRequest) -> Pending<'_, Page> {
        Box::pin(async move {
            let (mut snapshot, position) = self.snapshot().await?;
            read_page(&mut snapshot, &request, position).await
        })
    }

    fn parked_count(&self, tenant: Tenant) -> Pending<'_, u64> {
        Box::pin(async move {
            let (mut snapshot, _) = self.snapshot().await?;
            parked::count(&mut snapshot, &tenant).await
        })
    }

    fn canon_entry(&self, tenant: Tenant, key: String) -> Pending<'_, Option<CanonEntry>> {
        Box::pin(async move {
            let (mut snapshot, _) = self.snapshot().await?;
            let found = sqlx::query_as(statements::SELECT_CANON).bind(tenant.as_str()).bind(key);
            let found: Option<(Vec<u8>, u8, i64)> = found.fetch_optional(&mut *snapshot).await.map_err(fault)?;
            let entry = |(value, min_loa, offset)| {
                let offset = number(offset)?;
                Ok(CanonEntry { value, min_loa, offset })
            };
            found.map(entry).transpose()
        })
    }
}

async fn read_page(snapshot: &mut SqliteConnection, request: &TimelineRequest, position: u64) -> Result<Page, Error> {
    let mut page = Page {
        rows: Vec::new(),
        more: false,
        position,
        parked: parked::count(snapshot, &request.tenant).await?,
    };
    let limit = request.limit.clamp(1, LARGEST);
    let request = TimelineRequest {
        limit,
        ..request.clone()
    };
    let (from, until) = offsets(snapshot, request.recorded, position).await?;
    let bounds = Bounds::new(&request, from, until);
    if bounds.is_empty() {
        return Ok(page);
    }
    let Some(conditions) = condition::look_up(snapshot, &request).await? else {
        return Ok(page);
    };
    let plan = planner::plan(snapshot, &request, conditions, bounds, integer(position)).await?;
    let mut select = page::select(&plan);
    let read: Vec<Read> = select.build_query_as().fetch_all(snapshot).await.map_err(fault)?;
    page.rows = read.into_iter().map(row).collect::<Result<_, _>>()?;
    match request.order {
        Order::RecordedAscending => page.rows.sort_unstable_by_key(|row| row.offset),
        Order::RecordedDescending => page.rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.offset)),
        Order::HappenedAscending => page.rows.sort_unstable_by_key(|row| (row.at, row.offset)),
        Order::HappenedDescending => page
            .rows
            .sort_unstable_by_key(|row| std::cmp::Reverse((row.at, row.offset))),
    }
    page.more = page.rows.len() > usize::from(limit);
    page.rows.truncate(usize::from(limit));
    Ok(page)
}

/// The offsets whose sequencing times lie in `recorded`.
async fn offsets(snapshot: &mut SqliteConnection, recorded: Span, position: u64) -> Result<(u64, u64), Error> {
    let (mut from, mut until) = (0, position);
    if let Some(time) = recorded.from {
        from = offset_of(snapshot, time, position).await?;
    }
    if let Some(time) = recorded.until {
        until = offset_of(snapshot, time, position).await?;
    }
    Ok((from, until))
}

async fn offset_of(snapshot: &mut SqliteConnection, time: Timestamp, position: u64) -> Result<u64, Error> {
    let found = sqlx::query_scalar(statements::SELECT_OFFSET_OF_TS)
        .bind(time.micros())
        .bind(integer(position));
    let found: Option<i64> = found.fetch_optional(snapshot).await.map_err(fault)?;
    number(found.ok_or_else(|| damaged("a row of `timeline` is missing: rebuild it from the log"))?)
}

fn row((offset, at, bytes): Read) -> Result<Row, Error> {
    let at = Timestamp::from_micros(at);
    Ok(Row {
        offset: number(offset)?,
        at: at.ok_or_else(|| damaged("a row has a time that no record can have: rebuild it from the log"))?,
        bytes,
    })
}

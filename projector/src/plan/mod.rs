//! How a page of a timeline is read, the same for every read model: bounds, conditions, driver, order.
//!
//! Pure but for [`Tables`], which a sub-crate implements in its own SQL: look-ups in the dictionary, counts of few rows,
//! and the rows of a finished [`Plan`]. Two read models that hold the same rows give the same page.

mod bounds;
mod condition;
mod planner;

pub use bounds::{Axis, Bounds};
pub use condition::{Column, Condition, FEW, TextRange};
pub use planner::{Driver, Plan, SORTED};

use crate::Error;
use crate::query::{Order, Page, Pending, Row, Span, TimelineRequest};
use record::Timestamp;

/// Rows of the largest page.
const LARGEST: u16 = 500;

/// What a page is read from: the tables of one read model, in one snapshot.
pub trait Tables: Send {
    /// The first offset, from 0 to `position`, from which on no record of the tenant was sequenced before `time`.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Database`].
    fn offset_of<'a>(&'a mut self, tenant: &'a str, time: Timestamp, position: u64) -> Pending<'a, u64>;

    /// Id and count of a timeline of the dictionary.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Database`].
    fn timeline<'a>(
        &'a mut self,
        tenant: &'a str,
        label: &'static str,
        target: &'a str,
    ) -> Pending<'a, Option<(i64, u64)>>;

    /// Ids and counts of the timelines of a label whose target lies in a range: all of them, or `limit` of more.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Database`].
    fn timelines<'a>(
        &'a mut self,
        tenant: &'a str,
        label: &'static str,
        targets: &'a TextRange,
        limit: i64,
    ) -> Pending<'a, Vec<(i64, u64)>>;

    /// The number of rows behind `driver`, at most `limit`; only those within the plan's bounds along `along`, where
    /// given.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Database`].
    fn count<'a>(&'a mut self, plan: &'a Plan, driver: &'a Driver, along: Option<Axis>, limit: i64)
    -> Pending<'a, u64>;

    /// Number of parked records of the tenant.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Database`].
    fn parked<'a>(&'a mut self, tenant: &'a str) -> Pending<'a, u64>;

    /// The rows of a page, in any order.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Database`].
    fn rows<'a>(&'a mut self, plan: &'a Plan) -> Pending<'a, Vec<Row>>;
}

/// The page that `request` asks for, of tables that hold `position` records.
///
/// # Errors
/// [`Error::Damaged`], [`Error::Database`].
pub async fn page(tables: &mut dyn Tables, request: &TimelineRequest, position: u64) -> Result<Page, Error> {
    let mut page = Page {
        rows: Vec::new(),
        more: false,
        position,
        parked: tables.parked(request.tenant.as_str()).await?,
    };
    let limit = request.limit.clamp(1, LARGEST);
    let request = TimelineRequest {
        limit,
        ..request.clone()
    };
    let (from, until) = offsets(tables, &request, position).await?;
    let bounds = Bounds::new(&request, from, until);
    if bounds.is_empty() {
        return Ok(page);
    }
    let Some(conditions) = condition::look_up(tables, &request).await? else {
        return Ok(page);
    };
    let plan = planner::plan(tables, &request, conditions, bounds, position).await?;
    page.rows = tables.rows(&plan).await?;
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

/// The offsets whose sequencing times lie in the request's `recorded`.
async fn offsets(tables: &mut dyn Tables, request: &TimelineRequest, position: u64) -> Result<(u64, u64), Error> {
    let Span { from, until } = request.recorded;
    let tenant = request.tenant.as_str();
    let (mut first, mut end) = (0, position);
    if let Some(time) = from {
        first = tables.offset_of(tenant, time, position).await?;
    }
    if let Some(time) = until {
        end = tables.offset_of(tenant, time, position).await?;
    }
    Ok((first, end))
}

/// A position or an offset as SQL holds it.
fn integer(number: u64) -> i64 {
    i64::try_from(number).expect("no number in a record exceeds 2^53-1")
}

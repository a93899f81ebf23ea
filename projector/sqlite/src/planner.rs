//! How a page is read: from which rows, along which column, and whether they must be sorted.
//!
//! The driver is the condition that leaves the fewest rows: the timeline with the smallest count, a column whose rows
//! are few, else the tenant's rows. Everything else is a probe per row. Rows come in the order asked for, straight from
//! an index, unless a bound on the other column, or a gathered set, leaves at most [`SORTED`] rows to sort. Statistics of
//! SQLite are not used: the same question is planned the same way everywhere.

use crate::bounds::{Axis, Bounds, axis};
use crate::condition::{Column, Condition, TextRange};
use crate::fault::fault;
use crate::page;
use projector::Error;
use projector::query::TimelineRequest;
use sqlx::SqliteConnection;

/// Rows that may be sorted for one page.
pub(crate) const SORTED: i64 = 4_096;
/// What a column counts for that has more rows than were counted. Against a timeline larger than this, reading the
/// column's rows finds a page soon.
const MANY: u64 = 16 * SORTED as u64;

/// The rows that a page is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Driver {
    /// All of the tenant's.
    Tenant,
    /// One timeline.
    Timeline(i64),
    /// The union of few timelines, sorted.
    Timelines(Vec<i64>),
    /// One value of a column.
    Column(Column, String),
    /// A range of values of a column, sorted.
    Columns(Column, TextRange),
}

/// A page's plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) tenant: String,
    pub(crate) driver: Driver,
    /// Which index the driver's rows come from.
    pub(crate) along: Axis,
    /// What the page is ordered by.
    pub(crate) order: Axis,
    pub(crate) down: bool,
    pub(crate) bounds: Bounds,
    /// All conditions but the driver's own.
    pub(crate) filters: Vec<Condition>,
    /// Rows to read, one more than the page has.
    pub(crate) limit: i64,
}

/// Plans `request` over `bounds`; counts a few rows where that decides.
pub(crate) async fn plan(
    snapshot: &mut SqliteConnection,
    request: &TimelineRequest,
    conditions: Vec<Condition>,
    bounds: Bounds,
    position: i64,
) -> Result<Plan, Error> {
    let (order, down) = axis(request.order);
    let mut plan = Plan {
        tenant: request.tenant.as_str().to_owned(),
        driver: Driver::Tenant,
        along: order,
        order,
        down,
        bounds,
        filters: conditions,
        limit: i64::from(request.limit) + 1,
    };
    choose_driver(snapshot, &mut plan).await?;
    let other = match order {
        Axis::Offset => Axis::At,
        Axis::At => Axis::Offset,
    };
    let indexed = !matches!(plan.driver, Driver::Timelines(_) | Driver::Columns(..));
    if indexed && bounds.narrows(other, position) {
        let few = count(snapshot, &plan, &plan.driver, Some(other)).await?;
        if few.is_some() {
            plan.along = other;
        }
    }
    Ok(plan)
}

async fn choose_driver(snapshot: &mut SqliteConnection, plan: &mut Plan) -> Result<(), Error> {
    let mut best: Option<(u64, Driver, Option<usize>)> = None;
    for (at, condition) in plan.filters.iter().enumerate() {
        let Some((driver, size, exact)) = candidate(snapshot, plan, condition).await? else {
            continue;
        };
        if best.as_ref().is_none_or(|(smallest, ..)| size < *smallest) {
            best = Some((size, driver, exact.then_some(at)));
        }
    }
    if let Some((_, driver, own)) = best {
        plan.driver = driver;
        if let Some(own) = own {
            plan.filters.remove(own);
        }
    }
    Ok(())
}

/// What `condition` would drive, with its number of rows, and whether it then needs no probe of its own.
async fn candidate(
    snapshot: &mut SqliteConnection,
    plan: &Plan,
    condition: &Condition,
) -> Result<Option<(Driver, u64, bool)>, Error> {
    Ok(match condition {
        Condition::Linked {
            timeline,
            count,
            negated: false,
        } => Some((Driver::Timeline(*timeline), *count, true)),
        Condition::LinkedAny {
            few: Some((timelines, count)),
            negated: false,
            ..
        } => match timelines.as_slice() {
            [one] => Some((Driver::Timeline(*one), *count, true)),
            _ if *count <= SORTED as u64 => Some((Driver::Timelines(timelines.clone()), *count, true)),
            _ => None,
        },
        Condition::Is {
            column,
            text,
            negated: false,
        } => {
            let driver = Driver::Column(*column, text.clone());
            let size = count(snapshot, plan, &driver, None).await?.unwrap_or(MANY);
            Some((driver, size, true))
        }
        Condition::Starts {
            column,
            texts,
            negated: false,
        } => {
            let driver = Driver::Columns(*column, texts.clone());
            count(snapshot, plan, &driver, None)
                .await?
                .map(|size| (driver, size, true))
        }
        _ => None,
    })
}

/// The number of rows behind `driver`, within the bounds along `along` where given; `None` when they are more than may be
/// sorted.
async fn count(
    snapshot: &mut SqliteConnection,
    plan: &Plan,
    driver: &Driver,
    along: Option<Axis>,
) -> Result<Option<u64>, Error> {
    let mut sql = page::count(plan, driver, along, SORTED + 1);
    let rows = sql.build_query_scalar().fetch_one(snapshot);
    let rows: i64 = rows.await.map_err(fault)?;
    Ok(u64::try_from(rows).ok().filter(|_| rows <= SORTED))
}

//! How a page is read: from which rows, along which column, and whether they must be sorted.
//!
//! The driver is the condition that leaves the fewest rows: the timeline with the smallest count, a column whose rows
//! are few, else the tenant's rows. Everything else is a probe per row. Rows come in the order asked for, straight from
//! an index, unless a bound on the other column, or a gathered set, leaves at most [`SORTED`] rows to sort. The
//! statistics of a database are not used: the same question is planned the same way everywhere.

use super::bounds::axis;
use super::{Axis, Bounds, Column, Condition, Tables, TextRange, integer};
use crate::Error;
use crate::query::TimelineRequest;

/// Rows that may be sorted for one page.
pub const SORTED: i64 = 4_096;
/// What a column counts for that has more rows than were counted. Against a timeline larger than this, reading the
/// column's rows finds a page soon.
const MANY: u64 = 16 * SORTED as u64;

/// The rows that a page is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Driver {
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
pub struct Plan {
    /// Whose rows.
    pub tenant: String,
    /// Where they come from.
    pub driver: Driver,
    /// Which index the driver's rows come from.
    pub along: Axis,
    /// What the page is ordered by.
    pub order: Axis,
    /// Whether downwards.
    pub down: bool,
    /// Where they may lie.
    pub bounds: Bounds,
    /// All conditions but the driver's own.
    pub filters: Vec<Condition>,
    /// Rows to read, one more than the page has.
    pub limit: i64,
}

/// Plans `request` over `bounds`; counts a few rows where that decides.
pub(crate) async fn plan(
    tables: &mut dyn Tables,
    request: &TimelineRequest,
    conditions: Vec<Condition>,
    bounds: Bounds,
    position: u64,
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
    choose_driver(tables, &mut plan).await?;
    let other = match order {
        Axis::Offset => Axis::At,
        Axis::At => Axis::Offset,
    };
    let indexed = !matches!(plan.driver, Driver::Timelines(_) | Driver::Columns(..));
    if indexed && bounds.narrows(other, integer(position)) {
        let few = count(tables, &plan, &plan.driver, Some(other)).await?;
        if few.is_some() {
            plan.along = other;
        }
    }
    Ok(plan)
}

async fn choose_driver(tables: &mut dyn Tables, plan: &mut Plan) -> Result<(), Error> {
    let mut best: Option<(u64, Driver, Option<usize>)> = None;
    for (at, condition) in plan.filters.iter().enumerate() {
        let Some((driver, size, exact)) = candidate(tables, plan, condition).await? else {
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
    tables: &mut dyn Tables,
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
            let size = count(tables, plan, &driver, None).await?.unwrap_or(MANY);
            Some((driver, size, true))
        }
        Condition::Starts {
            column,
            texts,
            negated: false,
        } => {
            let driver = Driver::Columns(*column, texts.clone());
            count(tables, plan, &driver, None)
                .await?
                .map(|size| (driver, size, true))
        }
        _ => None,
    })
}

/// The number of rows behind `driver`, within the bounds along `along` where given; `None` when they are more than may be
/// sorted.
async fn count(
    tables: &mut dyn Tables,
    plan: &Plan,
    driver: &Driver,
    along: Option<Axis>,
) -> Result<Option<u64>, Error> {
    let rows = tables.count(plan, driver, along, SORTED + 1).await?;
    Ok((rows <= SORTED as u64).then_some(rows))
}

//! A page of a timeline with what proves it complete, as of an offset under a checkpoint.
//!
//! The ledger is asked once, with at most as many records as the read model had applied when the page was read, so that
//! no proof is about a row that the page could not have. A page that ends at a bound of `recorded_from` or `recorded_to`
//! brings the neighbour outside, which shows that the bound and nothing else ended it.
//!
//! Invariant: what is served as proven has been counted. Rows that are not what the log proves are the read model's
//! damage, and refused as that.

mod superset;
mod write;

pub(crate) use write::note_tag;

use super::name::Name;
use super::reason::Reason;
use super::unreadable;
use crate::Shared;
use crate::error::{Code, Problem};
use ledger_client::proof::{Answer, Question, Stretch, TimelineProof};
use ledger_client::{Error, Kind, Refusal};
use projector::query::{Order, Page, Place, Row, Span, TimelineRequest};
use record::Tenant;

/// Whether a page is proven complete.
#[derive(Debug)]
pub(crate) enum Completeness {
    /// It is, with what shows it.
    Proven(Box<Proven>),
    /// It is not, and why.
    NotProvable(Reason),
}

/// What proves a page.
#[derive(Debug)]
pub(crate) struct Proven {
    /// The timeline that the proof is about.
    name: Name,
    /// The other timelines that were asked for.
    and: Vec<Name>,
    /// What stands in the one timeline and not in all the others.
    others: Vec<Row>,
    before: Option<Row>,
    after: Option<Row>,
    proof: Box<TimelineProof>,
}

/// Rows outside a page on either side.
#[derive(Default)]
struct Neighbours {
    before: Option<Row>,
    after: Option<Row>,
}

/// Which ends of the timeline, or of the span of time that was asked for, a page reaches.
#[derive(Clone, Copy)]
struct Ends {
    older: bool,
    newer: bool,
}

impl Ends {
    const fn of(request: &TimelineRequest, page: &Page) -> Self {
        let (first, last) = (request.after.is_none(), !page.more);
        match request.order {
            Order::RecordedAscending | Order::HappenedAscending => Self {
                older: first,
                newer: last,
            },
            Order::RecordedDescending | Order::HappenedDescending => Self {
                older: last,
                newer: first,
            },
        }
    }
}

/// Why there is no proof; a problem where there is no answer either.
enum Without {
    Reason(Reason),
    Problem(Problem),
}

impl From<Reason> for Without {
    fn from(reason: Reason) -> Self {
        Self::Reason(reason)
    }
}

impl From<Problem> for Without {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// A page, and the row outside its first end where a bound of time is that end. Both are read at once.
///
/// # Errors
/// What the read model answers.
pub(crate) async fn read(shared: &Shared, request: &TimelineRequest) -> Result<(Page, Option<Row>), Problem> {
    let page = shared.queries.timeline(request.clone());
    let Some(outside) = outside_first_end(request) else {
        return Ok((page.await?, None));
    };
    let (page, outside) = tokio::join!(page, shared.queries.timeline(outside));
    let (page, mut outside) = (page?, outside?);
    let row = outside.rows.pop();
    let row = row.filter(|_| stays_outside(request.order, page.position, outside.position));
    Ok((page, row))
}

/// Whether the row outside, read at one position, is the one outside the page that was read at another. `ts` never
/// decreases: the first row behind a bound stays the first, but the last one before it is followed by others until the
/// bound has passed.
fn stays_outside(order: Order, page: u64, outside: u64) -> bool {
    order == Order::RecordedDescending || outside >= page
}

/// What asks for the row next to the bound at which the first page begins.
fn outside_first_end(request: &TimelineRequest) -> Option<TimelineRequest> {
    let (order, recorded) = match (request.order, request.recorded) {
        (Order::RecordedAscending, Span { from: Some(from), .. }) => (
            Order::RecordedDescending,
            Span {
                from: None,
                until: Some(from),
            },
        ),
        (Order::RecordedDescending, Span { until: Some(until), .. }) => (
            Order::RecordedAscending,
            Span {
                from: Some(until),
                until: None,
            },
        ),
        _ => return None,
    };
    let outside = TimelineRequest {
        recorded,
        order,
        limit: 1,
        ..request.clone()
    };
    let is_one = Name::all(request).is_ok_and(|names| names.len() == 1);
    Some(outside).filter(|outside| is_one && outside.after.is_none())
}

/// Proves that `page` is what `request` asks for; `outside` came with it.
///
/// # Errors
/// `READ_MODEL_DAMAGED` when the log proves other rows; what the read model or the ledger answers.
pub(crate) async fn prove(
    shared: &Shared,
    request: &TimelineRequest,
    page: &Page,
    outside: Option<Row>,
) -> Result<Completeness, Problem> {
    match try_prove(shared, request, page, outside).await {
        Ok(proven) => Ok(Completeness::Proven(Box::new(proven))),
        Err(Without::Reason(reason)) => Ok(Completeness::NotProvable(reason)),
        Err(Without::Problem(problem)) => Err(problem),
    }
}

async fn try_prove(
    shared: &Shared,
    request: &TimelineRequest,
    page: &Page,
    outside: Option<Row>,
) -> Result<Proven, Without> {
    let mut names = Name::all(request)?;
    if page.rows.is_empty() && request.after.is_some() {
        return Err(Reason::PageAhead.into());
    }
    let ends = Ends::of(request, page);
    match names.pop() {
        Some(name) if names.is_empty() => {
            let beside = neighbours(shared, request, page, ends, outside).await?;
            let proof = ask(shared, &request.tenant, &name, page, Some(&beside)).await?;
            judge(name, page, ends, beside, proof)
        }
        last => {
            names.extend(last);
            superset::prove(shared, request, names, page, ends).await
        }
    }
}

/// What the ledger proves about a timeline: its head, and with `beside` the stretch from the page's first to its last row,
/// those beside it included.
async fn ask(
    shared: &Shared,
    tenant: &Tenant,
    name: &Name,
    page: &Page,
    beside: Option<&Neighbours>,
) -> Result<Box<TimelineProof>, Without> {
    let stretch = beside.and_then(|beside| {
        let rows = page.rows.iter().chain(&beside.before).chain(&beside.after);
        let offsets = rows.map(|row| row.offset);
        Some(Stretch {
            first: offsets.clone().min()?,
            last: offsets.max()?,
        })
    });
    let question = Question::Timeline {
        tenant: tenant.to_string(),
        label: name.label.to_owned(),
        target: name.target.clone(),
        at_most: page.position,
        stretch,
    };
    match shared.ledger.prove(question).await {
        Ok(Answer::Timeline(proof)) => Ok(proof),
        Ok(Answer::Unprovable(why)) => Err(Reason::from(why).into()),
        Ok(_) => Err(unreadable().into()),
        // Of a sound question the ledger refuses only a stretch whose ends are not in the timeline: rows that it never had.
        Err(Error::CommandRefused(Refusal::Malformed)) if stretch.is_some() => {
            tracing::error!(?stretch, "a row of a timeline is not in it");
            let detail = "the read model has a row in a timeline that the log does not have there";
            Err(Problem::new(Code::ReadModelDamaged, detail).into())
        }
        Err(error) if error.kind() == Kind::Unavailable => Err(Reason::LedgerUnavailable.into()),
        Err(error) => Err(Problem::from(error).into()),
    }
}

/// The rows next to the page, where a bound of time ends it. `outside` is known already: where there was none, one may have
/// come before the page was read.
async fn neighbours(
    shared: &Shared,
    request: &TimelineRequest,
    page: &Page,
    ends: Ends,
    outside: Option<Row>,
) -> Result<Neighbours, Problem> {
    let one = async |order: Order, recorded: Span, beside: Option<&Row>| {
        let place = beside.map(|row| Place {
            at: row.at,
            offset: row.offset,
        });
        let request = TimelineRequest {
            // Behind a row of the page the next one is found without its time.
            recorded: if place.is_some() { Span::default() } else { recorded },
            order,
            after: place,
            limit: 1,
            ..request.clone()
        };
        Ok::<_, Problem>(shared.queries.timeline(request).await?.rows.pop())
    };
    let oldest = page.rows.iter().min_by_key(|row| row.offset);
    let newest = page.rows.iter().max_by_key(|row| row.offset);
    let mut beside = Neighbours::default();
    if request.order == Order::RecordedAscending {
        beside.before = outside;
    } else {
        beside.after = outside;
    }
    if let (Some(from), true, None) = (request.recorded.from, ends.older, &beside.before) {
        let earlier = Span {
            from: None,
            until: Some(from),
        };
        beside.before = one(Order::RecordedDescending, earlier, oldest).await?;
    }
    if let (Some(until), true, None) = (request.recorded.until, ends.newer, &beside.after) {
        let later = Span {
            from: Some(until),
            until: None,
        };
        beside.after = one(Order::RecordedAscending, later, newest).await?;
    }
    Ok(beside)
}

/// Whether the rows are exactly the positions that the proof is about, as far as the page claims to reach.
fn judge(
    name: Name,
    page: &Page,
    ends: Ends,
    beside: Neighbours,
    proof: Box<TimelineProof>,
) -> Result<Proven, Without> {
    let as_of = proof.as_of;
    let covered = |row: &Row| row.offset < as_of;
    let rows = page.rows.iter().filter(|row| covered(row)).count() as u64;
    let newer = page.rows.len() as u64 > rows;
    let too_new = beside.before.as_ref().is_some_and(|before| !covered(before));
    let (before, after) = (beside.before.filter(covered), beside.after.filter(covered));
    let members = rows + u64::from(before.is_some()) + u64::from(after.is_some());
    let head = proof.map.end.as_ref().filter(|end| end.key.is_none());
    let count = head.map_or(0, |head| head.count);
    let fits = match &proof.range {
        // The page ends before it reaches what a checkpoint covers, or asks for a time behind it.
        None if members == 0 && count > 0 && (too_new || newer && !ends.older) => {
            return Err(Reason::NotYet.into());
        }
        None => members == 0 && count == 0,
        Some(range) => {
            let newer_end = !(ends.newer || newer) || after.is_some() || range.until == count;
            let older_end = !ends.older || before.is_some() || range.from == 0;
            range.until.checked_sub(range.from) == Some(members) && newer_end && older_end
        }
    };
    if !fits {
        return Err(damaged(as_of, members, count).into());
    }
    Ok(Proven {
        name,
        and: Vec::new(),
        others: Vec::new(),
        before,
        after,
        proof,
    })
}

/// The problem of rows that are not those that the log proves.
fn damaged(as_of: u64, members: u64, count: u64) -> Problem {
    tracing::error!(
        as_of,
        members,
        count,
        "the rows of a timeline are not those that the log proves"
    );
    let detail = "the read model's rows are not those that the log proves";
    Problem::new(Code::ReadModelDamaged, detail)
}

#[cfg(test)]
mod tests;

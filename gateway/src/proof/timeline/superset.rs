//! A page of which several conditions hold at once, proven by the timeline of one of them: the smallest.
//!
//! The log has no tree of an intersection. It has one for each condition, and every record of the intersection stands in
//! each of them. So the answer brings what stands in one of them beside and between the page's rows, and whoever verifies
//! finds among these records, all of which are proven, the page himself.
//!
//! Invariant: of every proven record it is known here, from its bytes, whether it belongs on the page; where the read
//! model says otherwise, that is its damage.

use super::{Ends, Name, Proven, Without, ask, damaged, judge, neighbours};
use crate::Shared;
use crate::error::{Code, Problem};
use crate::proof::reason::Reason;
use projector::query::{Order, Page, Row, TimelineRequest};
use record::Timestamp;
use serde::Deserialize;

/// Records that an answer brings at most, those of the page among them.
const MOST_ROWS: u16 = 500;
/// Bytes of what it brings beside the page, at most.
const MOST_BYTES: usize = 4 << 20;
/// Conditions among which the smallest is looked for; those behind them are only compared.
const CANDIDATES: usize = 8;

/// What of a record decides whether it belongs on a page.
#[derive(Deserialize)]
struct Said {
    kind: String,
    links: Vec<Link>,
    ts: String,
}

#[derive(Deserialize)]
struct Link {
    label: String,
    target: String,
}

impl Said {
    fn read(row: &Row) -> Result<Self, Problem> {
        serde_json::from_slice(&row.bytes)
            .map_err(|_| Problem::new(Code::ReadModelDamaged, "the stored bytes are not a record"))
    }

    fn is_in(&self, name: &Name) -> bool {
        match name.label {
            "kind" => self.kind == name.target,
            label => self
                .links
                .iter()
                .any(|link| link.label == label && link.target == name.target),
        }
    }
}

/// Proves that the rows of `page` are those that stand in all of the timelines.
pub(super) async fn prove(
    shared: &Shared,
    request: &TimelineRequest,
    mut names: Vec<Name>,
    page: &Page,
    ends: Ends,
) -> Result<Proven, Without> {
    let name = names.remove(smallest(shared, request, &names, page).await?);
    let terms = request.terms.iter().filter(|term| name.is_asked_by(term)).take(1);
    let request = TimelineRequest {
        terms: terms.cloned().collect(),
        ..request.clone()
    };
    let whole = stretch(shared, &request, page).await?;
    let beside = neighbours(shared, &request, &whole, ends, None).await?;
    let proof = ask(shared, &request.tenant, &name, &whole, Some(&beside)).await?;
    let proven = judge(name, &whole, ends, beside, proof)?;
    let others = part(whole, page, &names, proven.proof.as_of)?;
    if others.iter().map(|row| row.bytes.len()).sum::<usize>() > MOST_BYTES {
        return Err(Reason::StretchTooLong.into());
    }
    Ok(Proven {
        and: names,
        others,
        ..proven
    })
}

/// The number of the timeline that has the fewest records.
async fn smallest(shared: &Shared, request: &TimelineRequest, names: &[Name], page: &Page) -> Result<usize, Without> {
    let mut smallest = (u64::MAX, 0);
    for (at, name) in names.iter().enumerate().take(CANDIDATES) {
        let proof = ask(shared, &request.tenant, name, page, None).await?;
        let head = proof.map.end.filter(|end| end.key.is_none());
        smallest = smallest.min((head.map_or(0, |head| head.count), at));
    }
    Ok(smallest.1)
}

/// What stands in the timeline that `request` asks for from where `page` begins to where it ends.
async fn stretch(shared: &Shared, request: &TimelineRequest, page: &Page) -> Result<Page, Without> {
    let mut request = TimelineRequest {
        limit: MOST_ROWS,
        ..request.clone()
    };
    let descending = request.order == Order::RecordedDescending;
    let last = page.rows.last().filter(|_| page.more);
    if let Some(last) = last {
        // Nothing behind the page's last row is needed: its time keeps most of it away.
        let ts = Timestamp::parse(&Said::read(last)?.ts);
        if descending {
            request.recorded.from = ts.max(request.recorded.from);
        } else {
            let behind = ts.and_then(|ts| Timestamp::from_micros(ts.micros().saturating_add(1)));
            let bounds = [behind, request.recorded.until];
            request.recorded.until = bounds.into_iter().flatten().min();
        }
    }
    let mut whole = shared.queries.timeline(request).await.map_err(Problem::from)?;
    let reached = match last {
        None => !whole.more,
        Some(last) => !whole.more || whole.rows.iter().any(|row| row.offset == last.offset),
    };
    if !reached {
        return Err(Reason::StretchTooLong.into());
    }
    if let Some(last) = last {
        whole.rows.retain(|row| match descending {
            true => row.offset >= last.offset,
            false => row.offset <= last.offset,
        });
    }
    // Where the page ends is the page's to say; and no proof may be about more than either read could see.
    whole.more = page.more;
    whole.position = whole.position.min(page.position);
    Ok(whole)
}

/// What of `whole`, below `as_of`, does not belong on the page; everything else there is on it, and nothing else.
fn part(whole: Page, page: &Page, and: &[Name], as_of: u64) -> Result<Vec<Row>, Problem> {
    let covered = |row: &Row| row.offset < as_of;
    let mut shown = page.rows.iter().filter(|row| covered(row)).map(|row| row.offset);
    let mut others = Vec::new();
    let members = whole.rows.len() as u64;
    for row in whole.rows.into_iter().filter(covered) {
        let said = Said::read(&row)?;
        if !and.iter().all(|name| said.is_in(name)) {
            others.push(row);
        } else if shown.next() != Some(row.offset) {
            return Err(damaged(as_of, members, page.rows.len() as u64));
        }
    }
    match shown.next() {
        None => Ok(others),
        Some(_) => Err(damaged(as_of, members, page.rows.len() as u64)),
    }
}

//! A page of a timeline with what proves it complete, as of an offset under a checkpoint.
//!
//! The ledger is asked once, with at most as many records as the read model had applied when the page was read, so that
//! no proof is about a row that the page could not have. A page that ends at a bound of `recorded_from` or `recorded_to`
//! brings the neighbour outside, which shows that the bound and nothing else ended it.
//!
//! Invariant: what is served as proven has been counted. Rows that are not what the log proves are the read model's
//! damage, and refused as that.

use super::name::Name;
use super::reason::Reason;
use super::unreadable;
use crate::Shared;
use crate::error::{Code, Problem};
use ledger_client::Kind;
use ledger_client::proof::{Answer, Question, Stretch, TimelineProof};
use projector::query::{Order, Page, Place, Row, Span, TimelineRequest};
use serde_json::{Map, Value, json};

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
    name: Name,
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

/// Proves that `page` is what `request` asks for.
///
/// # Errors
/// `READ_MODEL_DAMAGED` when the log proves other rows; what the read model or the ledger answers.
pub(crate) async fn prove(shared: &Shared, request: &TimelineRequest, page: &Page) -> Result<Completeness, Problem> {
    let name = match Name::of(request) {
        Ok(name) => name,
        Err(reason) => return Ok(Completeness::NotProvable(reason)),
    };
    if page.rows.is_empty() && request.after.is_some() {
        return Ok(Completeness::NotProvable(Reason::PageAhead));
    }
    let ends = Ends::of(request, page);
    let beside = neighbours(shared, request, page, ends).await?;
    let offsets = || {
        let rows = page.rows.iter().chain(&beside.before).chain(&beside.after);
        rows.map(|row| row.offset)
    };
    let stretch = offsets().min().zip(offsets().max());
    let question = Question::Timeline {
        tenant: request.tenant.to_string(),
        label: name.label.to_owned(),
        target: name.target.clone(),
        at_most: page.position,
        stretch: stretch.map(|(first, last)| Stretch { first, last }),
    };
    let proof = match shared.ledger.prove(question).await {
        Ok(Answer::Timeline(proof)) => proof,
        Ok(Answer::Unprovable(why)) => return Ok(Completeness::NotProvable(why.into())),
        Ok(_) => return Err(unreadable()),
        Err(error) if error.kind() == Kind::Unavailable => {
            return Ok(Completeness::NotProvable(Reason::LedgerUnavailable));
        }
        Err(error) => return Err(error.into()),
    };
    judge(name, page, ends, beside, proof)
}

/// The rows next to the page, where a bound of time ends it.
async fn neighbours(
    shared: &Shared,
    request: &TimelineRequest,
    page: &Page,
    ends: Ends,
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
    if let (Some(from), true) = (request.recorded.from, ends.older) {
        let earlier = Span {
            from: None,
            until: Some(from),
        };
        beside.before = one(Order::RecordedDescending, earlier, oldest).await?;
    }
    if let (Some(until), true) = (request.recorded.until, ends.newer) {
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
) -> Result<Completeness, Problem> {
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
            return Ok(Completeness::NotProvable(Reason::NotYet));
        }
        None => members == 0 && count == 0,
        Some(range) => {
            let newer_end = !(ends.newer || newer) || after.is_some() || range.until == count;
            let older_end = !ends.older || before.is_some() || range.from == 0;
            range.until.checked_sub(range.from) == Some(members) && newer_end && older_end
        }
    };
    if !fits {
        tracing::error!(
            as_of,
            members,
            count,
            "the rows of a timeline are not those that the log proves"
        );
        let detail = "the read model's rows are not those that the log proves";
        return Err(Problem::new(Code::ReadModelDamaged, detail));
    }
    Ok(Completeness::Proven(Box::new(Proven {
        name,
        before,
        after,
        proof,
    })))
}

impl Completeness {
    /// The value of the header `Sigil-Completeness`.
    pub(crate) const fn as_str(&self) -> &'static str {
        match self {
            Self::Proven(_) => "proven",
            Self::NotProvable(_) => "not_provable",
        }
    }

    /// What names this state of the answer beside its rows; `None` when the next one may differ without a sign.
    pub(crate) fn tag(&self) -> Option<String> {
        match self {
            Self::Proven(proven) => Some(note_tag(&proven.proof.checkpoint)),
            Self::NotProvable(reason) => reason.is_of_question().then(String::new),
        }
    }

    /// The members that the answer has beside a page without proof.
    ///
    /// # Errors
    /// Never: a proof is plain JSON.
    pub(crate) fn write(&self, request: &TimelineRequest, page: &Page, out: &mut Vec<u8>) -> Result<(), Problem> {
        match self {
            Self::NotProvable(reason) => {
                let reason = reason.to_json();
                let members = format!(",\"completeness\":\"not_provable\",\"reason\":{reason}");
                out.extend_from_slice(members.as_bytes());
                Ok(())
            }
            Self::Proven(proven) => proven.write(request, page, out),
        }
    }
}

impl Proven {
    fn write(&self, request: &TimelineRequest, page: &Page, out: &mut Vec<u8>) -> Result<(), Problem> {
        let newer = page.rows.iter().map(|row| row.offset);
        let newer: Vec<u64> = newer.filter(|offset| *offset >= self.proof.as_of).collect();
        let (query, newer) = (self.query(request), json!(newer));
        let members = format!(",\"completeness\":\"proven\",\"query\":{query},\"unproven\":{newer},\"boundary\":{{");
        out.extend_from_slice(members.as_bytes());
        let sides = [("before", &self.before), ("after", &self.after)];
        for (at, (side, row)) in sides
            .iter()
            .filter_map(|(side, row)| Some((side, row.as_ref()?)))
            .enumerate()
        {
            let comma = if at > 0 { "," } else { "" };
            out.extend_from_slice(format!("{comma}\"{side}\":").as_bytes());
            out.extend_from_slice(&row.bytes);
        }
        out.extend_from_slice(b"},\"proof\":");
        serde_json::to_writer(&mut *out, &*self.proof)
            .map_err(|_| Problem::new(Code::Internal, "the proof cannot be written"))
    }

    /// The question as it was understood; a verifier holds it against what was asked.
    fn query(&self, request: &TimelineRequest) -> Value {
        let order = if request.order == Order::RecordedAscending {
            "asc"
        } else {
            "desc"
        };
        let mut query = Map::new();
        query.insert("tenant".to_owned(), json!(request.tenant.as_str()));
        query.insert("label".to_owned(), json!(self.name.label));
        query.insert("target".to_owned(), json!(self.name.target));
        query.insert("order".to_owned(), json!(order));
        query.insert("limit".to_owned(), json!(request.limit));
        let bounds = [
            ("recorded_from", request.recorded.from),
            ("recorded_to", request.recorded.until),
        ];
        for (name, time) in bounds {
            if let Some(time) = time {
                query.insert(name.to_owned(), json!(time.to_string()));
            }
        }
        query.insert("cursor".to_owned(), json!(request.after.is_some()));
        Value::Object(query)
    }
}

/// A short name of a checkpoint with its cosignatures.
pub(crate) fn note_tag(note: &str) -> String {
    let hash = blake3::hash(note.as_bytes()).to_hex();
    hash.get(..16).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;

//! A saved answer of the API: authentic, side by side, nothing left out, in order, within its span of time.
//!
//! The rows below `as_of`, with the neighbours that show the ends of the span, must be exactly the positions that the
//! range proof is about. Where the page claims to begin at the head or to end at the last row, the range must reach the
//! head, or position 0, or a neighbour that lies outside the span. Rows at or above `as_of` are listed and not claimed.
//!
//! The query is the answer's own word: compare it with what was asked.

use super::ProofOptions;
use super::case::Case;
use super::climb::Head;
use super::form::{self, GroundText, Members, RangeText, TimelineText};
use super::report::{ProofReport, Subject};
use super::rows::{Row, Signatures, refused};
use crate::check::Check;
use crate::finding::Finding;
use record::Timestamp;
use serde_json::Value;
use tlog::{Error, Node, verify_range};

/// What the answer says it answers.
struct Query {
    newest_first: bool,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    /// Whether a page came before this one.
    continues: bool,
    has_more: bool,
}

/// The answer as it came.
struct Answer {
    rows: Vec<Row>,
    before: Option<Row>,
    after: Option<Row>,
    unproven: Vec<u64>,
    query: Query,
    ground: GroundText,
    proof: TimelineText,
}

/// Verifies a saved answer of `GET /v1/audit/timeline?...&proof=true`. Never fails: what is wrong is in the report.
#[must_use]
pub fn verify_answer(bytes: &[u8], options: &ProofOptions<'_>) -> ProofReport {
    let mut case = Case::new(Subject::Answer, options);
    case.findings
        .not_asked(Check::Disclosure, "no opened values were given");
    if options.keys.is_empty() {
        let reason = "the checkpoint vouches for the key that a record names";
        case.findings.not_asked(Check::Key, reason);
    }
    match read(bytes) {
        Ok(Read::Proven(answer)) => check(&mut case, &answer),
        Ok(Read::NotProvable(reason)) => {
            let reason = format!("the server gave no proof: {reason}");
            case.missed(&Check::PROOF, &reason);
        }
        Err(finding) => {
            case.push(finding);
            case.missed(&Check::PROOF, "the answer cannot be read");
        }
    }
    case.finish(&Check::PROOF)
}

enum Read {
    Proven(Box<Answer>),
    NotProvable(String),
}

fn read(bytes: &[u8]) -> Result<Read, Finding> {
    let document = form::document(bytes)?;
    let members = Members::open(&document, "")?;
    match members.text("completeness")? {
        "proven" => {}
        "not_provable" | "superset" => {
            let reason = members.get("reason").map_or(String::new(), reason_words);
            return Ok(Read::NotProvable(reason));
        }
        _ => return Err(form::wrong("/completeness", "proven or not_provable")),
    }
    let (ground, proof) = TimelineText::read(members.need("proof")?, "/proof")?;
    let rows = members.list("data")?.iter().enumerate();
    let rows = rows
        .map(|(at, value)| {
            let pointer = format!("/data/{at}");
            Ok((form::record_bytes(value, &pointer)?, pointer))
        })
        .collect::<Result<Vec<_>, Finding>>()?;
    let (before, after) = match members.get("boundary") {
        None => (None, None),
        Some(boundary) => {
            let boundary = Members::strict(boundary, "/boundary", &["after", "before"])?;
            (neighbour(&boundary, "before")?, neighbour(&boundary, "after")?)
        }
    };
    let unproven = members.maybe("unproven", "an array of offsets", |list| {
        list.as_array()?.iter().map(Value::as_u64).collect::<Option<Vec<_>>>()
    })?;
    Ok(Read::Proven(Box::new(Answer {
        query: Query::read(&members, &proof)?,
        rows: Row::examine_all(rows),
        before,
        after,
        unproven: unproven.unwrap_or_default(),
        ground,
        proof,
    })))
}

fn reason_words(reason: &Value) -> String {
    let member = |name: &str| reason.get(name).and_then(Value::as_str);
    let text = reason.as_str().or_else(|| member("text")).or_else(|| member("detail"));
    text.or_else(|| member("code")).unwrap_or("no reason given").to_owned()
}

fn neighbour(boundary: &Members<'_>, name: &str) -> Result<Option<Row>, Finding> {
    let pointer = boundary.pointer(name);
    let row = boundary
        .get(name)
        .map(|value| Ok(Row::examine(form::record_bytes(value, &pointer)?, pointer)));
    row.transpose()
}

impl Query {
    fn read(answer: &Members<'_>, proof: &TimelineText) -> Result<Self, Finding> {
        let query = Members::open(answer.need("query")?, "/query")?;
        for (name, proven) in [
            ("tenant", &proof.tenant),
            ("label", &proof.label),
            ("target", &proof.target),
        ] {
            let asked = query.get(name).and_then(Value::as_str).unwrap_or_default();
            if asked != proven {
                let detail = "the proof is about another timeline than the query";
                let finding = Finding::new(Check::Completeness, format!("/query/{name}"), detail);
                return Err(finding.wanted(asked, proven));
            }
        }
        let time = |name: &str| query.maybe(name, "a time as in `ts`", |time| Timestamp::parse(time.as_str()?));
        Ok(Self {
            newest_first: match query.text("order")? {
                "desc" => true,
                "asc" => false,
                _ => return Err(form::wrong("/query/order", "desc or asc")),
            },
            from: time("recorded_from")?,
            to: time("recorded_to")?,
            continues: query
                .maybe("cursor", "true or false", Value::as_bool)?
                .unwrap_or_default(),
            has_more: answer.read("has_more", "true or false", Value::as_bool)?,
        })
    }

    fn words(&self, name: &str) -> String {
        let span = match (self.from, self.to) {
            (None, None) => String::new(),
            (Some(from), None) => format!(" from {from}"),
            (None, Some(to)) => format!(" before {to}"),
            (Some(from), Some(to)) => format!(" from {from} to before {to}"),
        };
        let order = if self.newest_first {
            "newest first"
        } else {
            "oldest first"
        };
        let page = match (self.continues, self.has_more) {
            (false, false) => "all of it",
            (false, true) => "the first page",
            (true, true) => "a page",
            (true, false) => "the last page",
        };
        format!("{name}{span}, {order}: {page}")
    }
}

fn check(case: &mut Case<'_>, answer: &Answer) {
    let mut signatures = Signatures::default();
    let mut sound = true;
    let neighbours = answer.before.iter().chain(&answer.after);
    for row in answer.rows.iter().chain(neighbours) {
        sound &= case.take_findings(row, &mut signatures);
        if let Some(said) = &row.said {
            case.check_log(&said.envelope.log, said.envelope.offset, &row.pointer);
        }
    }
    refused(&signatures.take())
        .into_iter()
        .for_each(|finding| case.push(finding));
    case.facts.records = answer.rows.len() as u64;
    let Some(head) = climb(case, answer) else {
        let reason = "the proof does not lead to the checkpoint";
        return case.missed(&PLACED, reason);
    };
    let Some(page) = Page::sort(case, answer) else {
        let reason = "a row cannot be read";
        return case.missed(&PLACED, reason);
    };
    let belong = page.check_membership(case, &answer.proof);
    page.check_span(case, &answer.query);
    page.check_order(case);
    page.check_ends(case, answer, &head);
    if sound && belong {
        page.check_range(case, answer, &head);
    } else {
        let reason = "a row was changed or does not belong here, so places cannot be computed";
        case.missed(&[Check::Inclusion], reason);
    }
    let name = answer.query.words(&answer.proof.name());
    case.facts.claims.push(format!(
        "{name}: {} proven rows, complete below offset {}",
        page.rows.len(),
        answer.proof.as_of
    ));
}

/// What needs a proof that holds.
const PLACED: [Check; 4] = [Check::Inclusion, Check::Completeness, Check::Chain, Check::Time];

fn climb(case: &mut Case<'_>, answer: &Answer) -> Option<Head> {
    let checkpoint = case.checkpoint(&answer.ground.checkpoint, None, "/proof/checkpoint");
    let ground = checkpoint.and_then(|checkpoint| case.ground(&checkpoint, &answer.ground, "/proof"));
    case.check_age(ground.map(|ground| ground.ts));
    case.climb(&answer.proof, &ground?, "/proof")
}

/// The rows that are to be proven, oldest first, with their neighbours.
struct Page<'a> {
    before: Option<&'a Row>,
    rows: Vec<&'a Row>,
    after: Option<&'a Row>,
    /// Whether there are rows that are too new.
    has_newer: bool,
}

impl<'a> Page<'a> {
    /// Parts the rows at `as_of` and puts them into the order of the log.
    fn sort(case: &mut Case<'_>, answer: &'a Answer) -> Option<Self> {
        let rows = &answer.rows;
        let offsets: Option<Vec<u64>> = rows.iter().map(offset).collect();
        let offsets = offsets?;
        let in_order = match answer.query.newest_first {
            true => offsets.is_sorted_by(|a, b| a > b),
            false => offsets.is_sorted_by(|a, b| a < b),
        };
        if !in_order {
            let detail = "the rows are not in the order that was asked for, or one is repeated";
            case.push(Finding::new(Check::Completeness, "/data", detail));
        }
        let newer: Vec<u64> = offsets
            .iter()
            .copied()
            .filter(|offset| *offset >= answer.proof.as_of)
            .collect();
        let mut listed = answer.unproven.clone();
        let mut found = newer.clone();
        listed.sort_unstable();
        found.sort_unstable();
        if listed != found {
            let detail = "the list of unproven rows is not that of the rows at or above as_of";
            let finding = Finding::new(Check::Completeness, "/unproven", detail);
            case.push(finding.wanted(format!("{found:?}"), format!("{listed:?}")));
        }
        case.facts.unproven = found;
        let mut proven: Vec<&Row> = rows
            .iter()
            .filter(|row| offset(row).is_some_and(|offset| offset < answer.proof.as_of))
            .collect();
        proven.sort_by_key(|row| offset(row));
        Some(Self {
            before: answer.before.as_ref(),
            rows: proven,
            after: answer.after.as_ref(),
            has_newer: !newer.is_empty(),
        })
    }

    /// Everything that the range is about, oldest first.
    fn stretch(&self) -> impl Iterator<Item = &'a Row> + Clone {
        let rows = self.rows.clone();
        self.before.into_iter().chain(rows).chain(self.after)
    }

    /// Whether every row is one of the timeline's.
    fn check_membership(&self, case: &mut Case<'_>, proof: &TimelineText) -> bool {
        let mut all = true;
        for row in self.stretch() {
            let Some(envelope) = row.said.as_ref().map(|said| &said.envelope) else {
                continue;
            };
            let belongs = match proof.label.as_str() {
                "" => true,
                "kind" => envelope.kind.as_str() == proof.target,
                label => envelope
                    .links
                    .iter()
                    .any(|link| link.label() == label && link.target() == proof.target),
            };
            let same_tenant = envelope.tenant.as_str() == proof.tenant;
            all &= same_tenant && belongs;
            if !same_tenant {
                let finding = Finding::new(
                    Check::Completeness,
                    format!("{}/tenant", row.pointer),
                    "the row is another tenant's",
                );
                case.push(finding.wanted(&proof.tenant, &envelope.tenant).at(envelope.offset));
            } else if !belongs {
                let detail = "the row is not of the timeline that was asked for";
                case.push(Finding::new(Check::Completeness, row.pointer.clone(), detail).at(envelope.offset));
            }
        }
        all
    }

    /// Rows lie within the span of time, neighbours outside.
    fn check_span(&self, case: &mut Case<'_>, query: &Query) {
        let early = |row: &Row| query.from.is_some_and(|from| ts(row).is_some_and(|ts| ts < from));
        let late = |row: &Row| query.to.is_some_and(|to| ts(row).is_some_and(|ts| ts >= to));
        let mut wrong = |row: &Row, detail: &str| {
            let finding = Finding::new(Check::Completeness, format!("{}/ts", row.pointer), detail);
            case.push(offset(row).map_or(finding.clone(), |offset| finding.at(offset)));
        };
        for row in self.rows.iter().filter(|row| early(row) || late(row)) {
            wrong(row, "the row lies outside the span of time that was asked for");
        }
        for row in self.before.iter().filter(|row| !early(row)) {
            wrong(row, "the neighbour before does not lie before the span of time");
        }
        for row in self.after.iter().filter(|row| !late(row)) {
            wrong(row, "the neighbour behind does not lie behind the span of time");
        }
    }

    /// What neighbouring rows say about each other: times, places in the chain, links between them.
    fn check_order(&self, case: &mut Case<'_>) {
        for (older, newer) in self.stretch().zip(self.stretch().skip(1)) {
            let (Some(old), Some(new)) = (&older.said, &newer.said) else {
                continue;
            };
            let (old, new) = (&old.envelope, &new.envelope);
            if new.ts < old.ts {
                let finding = Finding::new(
                    Check::Time,
                    format!("{}/ts", newer.pointer),
                    "earlier than the row before",
                );
                case.push(finding.wanted(format!("{} or later", old.ts), new.ts).at(new.offset));
            }
            if old.tenant != new.tenant || old.offset == new.offset {
                continue;
            }
            let (member, detail) = match new.seq.checked_sub(old.seq) {
                None | Some(0) => (
                    "/seq",
                    "the row does not stand behind the one before in the tenant's chain",
                ),
                Some(1) if new.prev != Some(old.hash) => ("/prev", "the row does not continue the one before"),
                Some(_) => continue,
            };
            case.push(Finding::new(Check::Chain, format!("{}{member}", newer.pointer), detail).at(new.offset));
        }
    }

    /// Whether the page reaches as far as it claims.
    fn check_ends(&self, case: &mut Case<'_>, answer: &Answer, head: &Head) {
        let query = &answer.query;
        let count = head.0.map_or(0, |(count, _)| count);
        let (from, until) = match &answer.proof.range {
            Some(range) => (range.from, range.until),
            None if count == 0 => (0, 0),
            None if self.stretch().next().is_some() => {
                let detail = "the proof has no range, although rows lie below as_of";
                return case.push(Finding::new(Check::Completeness, "/proof/range", detail));
            }
            // All rows are too new, and the page ends before it reaches what is proven.
            None if self.has_newer && query.newest_first && query.has_more => {
                let reason = "every row is newer than the newest map: ask again in a moment";
                return case.missed(&[Check::Completeness], reason);
            }
            None if query.continues => {
                let reason = "an empty page behind others says nothing about what it follows";
                return case.missed(&[Check::Completeness], reason);
            }
            None => {
                let finding = Finding::new(
                    Check::Completeness,
                    "/data",
                    "rows are left out: the page shows none of them",
                );
                return case.push(finding.wanted(format!("rows of {count}"), "none"));
            }
        };
        let (first, last) = (!query.continues, !query.has_more);
        // A page without proven rows that has more behind it never reached the proven ones.
        let passed_by = self.rows.is_empty() && query.has_more;
        let head_due = if query.newest_first { first && !passed_by } else { last };
        let tail_due = if query.newest_first { last } else { first && !passed_by };
        if head_due && until != count && self.after.is_none() {
            let finding = Finding::new(Check::Completeness, "/proof/range/until", "newer rows are left out");
            case.push(finding.wanted(count, until));
        }
        if tail_due && from != 0 && self.before.is_none() {
            let finding = Finding::new(Check::Completeness, "/proof/range/from", "older rows are left out");
            case.push(finding.wanted(0, from));
        }
    }

    /// Holds the rows against the timeline's root.
    fn check_range(&self, case: &mut Case<'_>, answer: &Answer, head: &Head) {
        let leaves: Vec<Node> = self
            .stretch()
            .filter_map(|row| Some(row.said.as_ref()?.timeline_leaf))
            .collect();
        match (&answer.proof.range, head.0) {
            (None, _) if leaves.is_empty() => {}
            // Told by the check of the ends, unless there is no such timeline at all.
            (None, Some(_)) => {}
            (Some(_), None) | (None, None) => {
                let detail = "the timeline is proven to be empty, and the page has rows of it";
                case.push(Finding::new(Check::Completeness, "/data", detail));
            }
            (Some(range), Some((count, root))) => {
                // A row that is missing moves all others: only then is it worth saying which stands elsewhere.
                match compare_range(range, &leaves, count, &root) {
                    Some(finding) => case.push(finding),
                    None => self.check_chain_positions(case, answer, range),
                }
            }
        }
    }

    /// On the whole chain a record's position is its `seq`.
    fn check_chain_positions(&self, case: &mut Case<'_>, answer: &Answer, range: &RangeText) {
        if !answer.proof.label.is_empty() {
            return;
        }
        for (row, position) in self.stretch().zip(range.from..) {
            let Some(envelope) = row.said.as_ref().map(|said| &said.envelope) else {
                continue;
            };
            if envelope.seq != position {
                let detail = "the row stands elsewhere in its tenant's chain";
                let finding = Finding::new(Check::Chain, format!("{}/seq", row.pointer), detail);
                case.push(finding.wanted(position, envelope.seq).at(envelope.offset));
            }
        }
    }
}

/// Holds leaves against a range of a timeline.
fn compare_range(range: &RangeText, leaves: &[Node], count: u64, root: &Node) -> Option<Finding> {
    let positions = range.until.saturating_sub(range.from);
    if positions != leaves.len() as u64 {
        let detail = match positions > leaves.len() as u64 {
            true => "rows are left out: the page has fewer than the range",
            false => "the page has more rows than the range",
        };
        let finding = Finding::new(Check::Completeness, "/data", detail);
        return Some(finding.wanted(format!("{positions} rows"), format!("{} rows", leaves.len())));
    }
    if range.until > count {
        let detail = "the range reaches beyond the timeline's head";
        let finding = Finding::new(Check::Completeness, "/proof/range/until", detail);
        return Some(finding.wanted(format!("{count} at most"), range.until));
    }
    match verify_range(range.from, leaves, count, root, &range.nodes) {
        Ok(()) => None,
        Err(error @ Error::ProofLength { .. }) => {
            let detail = format!("the range proof does not fit: {error}");
            Some(Finding::new(Check::Inclusion, "/proof/range/nodes", detail))
        }
        Err(error) => {
            let detail = format!("these rows are not the ones at their positions: {error}");
            Some(Finding::new(Check::Inclusion, "/proof/range", detail))
        }
    }
}

fn offset(row: &Row) -> Option<u64> {
    Some(row.said.as_ref()?.envelope.offset)
}

fn ts(row: &Row) -> Option<Timestamp> {
    Some(row.said.as_ref()?.envelope.ts)
}

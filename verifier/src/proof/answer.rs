//! A saved answer of the API: authentic, side by side, nothing left out, in order, within its span of time.
//!
//! The rows below `as_of`, with the neighbours that show the ends of the span, must be exactly the positions that the
//! range proof is about. Where the page claims to begin at the head or to end at the last row, the range must reach the
//! head, or position 0, or a neighbour that lies outside the span. Rows at or above `as_of` are listed and not claimed.
//!
//! Where several conditions hold at once, the proof is of the timeline of one of them and the answer brings what else
//! stands in that one: the rows are found here again, as those of which the other conditions hold too.
//!
//! The query is the answer's own word: compare it with what was asked.

use super::ProofOptions;
use super::case::Case;
use super::climb::{Ground, Head};
use super::form::{self, GroundText, Members, TimelineText};
use super::page::Page;
use super::query::Query;
use super::report::{ProofReport, Subject};
use super::rows::{Row, Signatures, refused};
use crate::check::Check;
use crate::finding::Finding;
use serde_json::Value;

/// The answer as it came.
pub(super) struct Answer {
    pub(super) rows: Vec<Row>,
    /// What stands in the timeline between the rows, and is not asked for.
    pub(super) others: Vec<Row>,
    pub(super) before: Option<Row>,
    pub(super) after: Option<Row>,
    pub(super) unproven: Vec<u64>,
    pub(super) query: Query,
    ground: GroundText,
    pub(super) proof: TimelineText,
}

/// Verifies a saved answer of `GET /v1/audit/timeline?...&proof=true`. Never fails: what is wrong is in the report.
#[must_use]
pub fn verify_answer(bytes: &[u8], options: &ProofOptions<'_>) -> ProofReport {
    let mut case = Case::new(Subject::Answer, options);
    case.findings
        .not_asked(Check::Disclosure, "no opened values were given");
    if options.keys.is_empty() {
        let reason = "no record keys were given: the checkpoint vouches for what the rows say";
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
    let several = match members.text("completeness")? {
        "proven" => false,
        "superset" => true,
        "not_provable" => {
            let reason = members.get("reason").map_or(String::new(), reason_words);
            return Ok(Read::NotProvable(reason));
        }
        _ => return Err(form::wrong("/completeness", "proven, superset or not_provable")),
    };
    let (ground, proof) = TimelineText::read(members.need("proof")?, "/proof")?;
    let others = match (several, members.get("others")) {
        (true, _) => records(&members, "others")?,
        (false, None) => Vec::new(),
        (false, Some(_)) => {
            return Err(form::wrong(
                "/others",
                "of an answer that is proven by its own timeline",
            ));
        }
    };
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
        query: Query::read(&members, &proof, several)?,
        rows: Row::examine_all(records(&members, "data")?),
        others: Row::examine_all(others),
        before,
        after,
        unproven: unproven.unwrap_or_default(),
        ground,
        proof,
    })))
}

/// The records of a list, each with its place.
fn records(answer: &Members<'_>, name: &str) -> Result<Vec<(Vec<u8>, String)>, Finding> {
    let records = answer.list(name)?.iter().enumerate();
    let records = records.map(|(at, value)| {
        let pointer = format!("/{name}/{at}");
        Ok((form::record_bytes(value, &pointer)?, pointer))
    });
    records.collect()
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

fn check(case: &mut Case<'_>, answer: &Answer) {
    let mut signatures = Signatures::default();
    let mut sound = true;
    let neighbours = answer.before.iter().chain(&answer.after);
    for row in answer.rows.iter().chain(&answer.others).chain(neighbours) {
        sound &= case.take_findings(row, &mut signatures);
        if let Some(said) = &row.said {
            case.check_log(&said.envelope.log, said.envelope.offset, &row.pointer);
        }
    }
    refused(&signatures.take())
        .into_iter()
        .for_each(|finding| case.push(finding));
    case.facts.records = answer.rows.len() as u64;
    let Some((ground, head)) = climb(case, answer) else {
        let reason = "the proof does not lead to the checkpoint";
        return case.missed(&PLACED, reason);
    };
    let Some(page) = Page::sort(case, answer) else {
        let reason = "a row cannot be read";
        return case.missed(&PLACED, reason);
    };
    let belong = page.check_membership(case, &answer.proof);
    check_parted(case, answer);
    page.check_span(case, &answer.query);
    page.check_order(case);
    page.check_ends(case, answer, &head);
    check_keys(case, &page, &ground);
    if sound && belong {
        page.check_range(case, answer, &head);
    } else {
        let reason = "a row was changed or does not belong here, so places cannot be computed";
        case.missed(&[Check::Inclusion], reason);
    }
    let name = answer.query.words(&answer.proof.name());
    let place = answer.proof.range.as_ref().map(|range| {
        let count = head.0.map_or(0, |(count, _)| count);
        format!(", positions {} to before {} of {count}", range.from, range.until)
    });
    case.facts.claims.push(format!(
        "{name}: {} proven rows{}, complete below offset {}",
        answer.rows.len() - page.newer.len(),
        place.unwrap_or_default(),
        answer.proof.as_of
    ));
    if !answer.query.and.is_empty() {
        case.facts.claims.push(format!(
            "found among {} proven rows of {}",
            page.rows.len(),
            answer.proof.name()
        ));
    }
}

/// Rows are those of which all conditions hold, and the others those of which one does not.
fn check_parted(case: &mut Case<'_>, answer: &Answer) {
    let asked_for = |row: &Row| row.said.as_ref().map(|said| answer.query.is_asked_for(&said.envelope));
    let lists = [
        (
            &answer.rows,
            false,
            "the row does not meet all conditions that were asked for",
        ),
        (
            &answer.others,
            true,
            "rows are left out: this one is asked for and stands among the others",
        ),
    ];
    for (rows, wrong, detail) in lists {
        for row in rows.iter().filter(|row| asked_for(row) == Some(wrong)) {
            let finding = Finding::new(Check::Completeness, row.pointer.clone(), detail);
            let offset = row.said.as_ref().map(|said| said.envelope.offset);
            case.push(offset.map_or(finding.clone(), |offset| finding.at(offset)));
        }
    }
}

/// Without keys to compare with, the only record key that the checkpoint vouches for is that of its own last leaf: a
/// timeline binds what its records say, not who signed them.
fn check_keys(case: &mut Case<'_>, page: &Page<'_>, ground: &Ground) {
    if !case.options.keys.is_empty() {
        return;
    }
    let is_other = |row: &Row| {
        row.said
            .as_ref()
            .is_some_and(|said| said.envelope.pub_key != ground.pub_key)
    };
    if page.newer.iter().copied().any(is_other) {
        let reason = "a row that no checkpoint covers names a key that nothing vouches for";
        case.missed(&[Check::Key], reason);
    }
    if page.stretch().any(is_other) {
        let note =
            "a row names another record key than the newest map root: what the row says is proven, its key is not";
        case.facts.notes.push(note.to_owned());
    }
}

/// What needs a proof that holds.
const PLACED: [Check; 4] = [Check::Inclusion, Check::Completeness, Check::Chain, Check::Time];

fn climb(case: &mut Case<'_>, answer: &Answer) -> Option<(Ground, Head)> {
    let checkpoint = case.checkpoint(&answer.ground.checkpoint, None, "/proof/checkpoint");
    let ground = checkpoint.and_then(|checkpoint| case.ground(&checkpoint, &answer.ground, "/proof"));
    case.check_age(ground.map(|ground| ground.ts));
    let ground = ground?;
    Some((ground, case.climb(&answer.proof, &ground, "/proof")?))
}

//! One record with its proof (C2SP tlog-proof@v1), and the opened values of a record.

use super::ProofOptions;
use super::case::Case;
use super::form::{self, Members};
use super::report::{ProofReport, Subject};
use super::rows::Row;
use crate::check::Check;
use crate::finding::Finding;
use record::{Opening, Record};
use tlog::{ProofText, verify_inclusion};

/// Verifies that `record` is in the log, by the text of a `.tlog-proof`.
#[must_use]
pub fn verify_record_proof(record: &[u8], proof: &str, options: &ProofOptions<'_>) -> ProofReport {
    let mut case = Case::new(Subject::Record, options);
    unasked(&mut case, &[Check::Disclosure], "no opened values were given");
    check(&mut case, record, proof);
    case.finish(&Check::PROOF)
}

/// Verifies opened values of `record`: `{"disclosures": [{"pointer", "salt", "value"}]}`, as the API gives them. The
/// record's place in the log is checked when `proof` is given.
#[must_use]
pub fn verify_disclosures(
    record: &[u8],
    disclosures: &[u8],
    proof: Option<&str>,
    options: &ProofOptions<'_>,
) -> ProofReport {
    let mut case = Case::new(Subject::Record, options);
    match proof {
        Some(proof) => check(&mut case, record, proof),
        None => {
            let row = Row::examine(record.to_vec(), String::new());
            case.take_row(&row);
            if let Some(said) = &row.said {
                case.check_log(&said.envelope.log, said.envelope.offset, "");
            }
            let reason = "no proof of its place was given";
            case.missed(&[Check::Inclusion, Check::Checkpoints], reason);
            if options.keys.is_empty() {
                let reason = "nothing says whether the key that the record names is the log's";
                case.missed(&[Check::Key, Check::Signature], reason);
            }
            unasked(&mut case, &[Check::Freshness, Check::Witnesses], reason);
            alone(&mut case);
        }
    }
    check_openings(&mut case, record, disclosures);
    case.finish(&Check::PROOF)
}

fn check(case: &mut Case<'_>, record: &[u8], proof: &str) {
    alone(case);
    if case.options.keys.is_empty() {
        unasked(
            case,
            &[Check::Key],
            "the checkpoint vouches for the key that the record names",
        );
    }
    case.facts.records = 1;
    let row = Row::examine(record.to_vec(), String::new());
    let sound = case.take_row(&row);
    let proof = match ProofText::parse(proof) {
        Ok(proof) => proof,
        Err(error) => {
            case.push(Finding::new(Check::Readable, "", format!("the proof: {error}")));
            let checks = [Check::Inclusion, Check::Checkpoints, Check::Freshness, Check::Witnesses];
            return case.missed(&checks, "the proof cannot be read");
        }
    };
    let Some(checkpoint) = case.checkpoint(&proof.checkpoint.note().to_text(), None, "") else {
        return;
    };
    case.check_age(None);
    let Some(said) = row.said.as_ref().filter(|_| sound) else {
        return case.missed(
            &[Check::Inclusion],
            "the record was changed, so its leaf cannot be computed",
        );
    };
    let offset = said.envelope.offset;
    case.check_log(&said.envelope.log, offset, "");
    if proof.index != offset {
        let finding = Finding::new(Check::Inclusion, "/offset", "the proof is of another record").at(offset);
        return case.push(finding.wanted(proof.index, offset));
    }
    let held = verify_inclusion(&said.leaf, offset, checkpoint.size(), checkpoint.root(), &proof.path);
    if let Err(error) = held {
        let detail = format!("the record is not in the checkpoint's tree: {error}");
        case.push(Finding::new(Check::Inclusion, "", detail).at(offset));
    }
    let claim = format!(
        "record {} stands at offset {offset} of {}",
        said.envelope.id, said.envelope.log
    );
    case.facts.claims.push(claim);
}

/// What one record cannot show.
fn alone(case: &mut Case<'_>) {
    let reason = "one record does not show what is missing beside it";
    unasked(
        case,
        &[Check::Chain, Check::Time, Check::Maps, Check::Completeness],
        reason,
    );
}

fn unasked(case: &mut Case<'_>, checks: &[Check], reason: &str) {
    checks.iter().for_each(|check| case.findings.not_asked(*check, reason));
}

fn check_openings(case: &mut Case<'_>, record: &[u8], disclosures: &[u8]) {
    let Ok(record) = Record::parse(record.to_vec()) else {
        return case.missed(&[Check::Disclosure], "the record cannot be read");
    };
    let openings = match read_openings(disclosures) {
        Ok(openings) => openings,
        Err(finding) => {
            case.push(finding);
            return case.missed(&[Check::Disclosure], "the opened values cannot be read");
        }
    };
    if openings.is_empty() {
        return unasked(case, &[Check::Disclosure], "no opened values were given");
    }
    let whole = serde_json::json!({"author": record.author.to_json(), "payload": record.payload});
    for opening in &openings {
        let sealed = whole.pointer(&opening.pointer).and_then(record::seal::read_placeholder);
        let detail = match sealed {
            None => "nothing is sealed at this place of the record",
            Some(sealed) if sealed != opening.commitment(&record.log, &record.tenant, &record.id) => {
                "the opened value is not the one that was sealed"
            }
            Some(_) => continue,
        };
        case.push(Finding::new(Check::Disclosure, opening.pointer.clone(), detail).at(record.offset));
    }
    let claim = format!("{} opened values are the sealed ones", openings.len());
    case.facts.claims.push(claim);
}

fn read_openings(disclosures: &[u8]) -> Result<Vec<Opening>, Finding> {
    let document = form::document(disclosures)?;
    let list = match document.as_array() {
        Some(list) => list.as_slice(),
        None => Members::open(&document, "")?.list("disclosures")?,
    };
    let read = |value| Opening::from_json(value).map_err(|fault| form::wrong("/disclosures", &fault.detail));
    list.iter().map(read).collect()
}

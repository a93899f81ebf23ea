//! A proof bundle: a head, and any number of records that it proves, read once from front to back.
//!
//! Memory does not grow with the number of records: while the signatures of one batch are checked on all cores, the next
//! is read, examined and folded. Keys are judged as of each record's offset. The bundle's own policy is never believed.

use super::ProofOptions;
use super::case::Case;
use super::climb::Ground;
use super::form::{self, GroundText, Members, TimelineText};
use super::keys::{History, KeysText};
use super::report::{ProofReport, Subject};
use super::rows::{Row, Signatures, refused};
use super::scope::{Scope, ScopeText};
use crate::check::Check;
use crate::finding::Finding;
use crate::signature::Claim;
use serde_json::Value;
use tlog::CheckpointText;

/// Records of one batch, and their bytes at most.
const BATCH_RECORDS: usize = 4_096;
const BATCH_BYTES: usize = 16 << 20;

/// The head as it came.
struct Head {
    records: u64,
    policy: Option<String>,
    ground: GroundText,
    scope: ScopeText,
    keys: KeysText,
}

/// Verifies a bundle, given line by line without line ends. Never fails: what is wrong is in the report.
#[must_use]
pub fn verify_bundle(
    lines: impl IntoIterator<Item = Result<Vec<u8>, String>, IntoIter: Send>,
    options: &ProofOptions<'_>,
) -> ProofReport {
    let mut case = Case::new(Subject::Bundle, options);
    case.findings
        .not_asked(Check::Disclosure, "no opened values were given");
    let mut lines = lines.into_iter();
    let head = match lines.next() {
        Some(Ok(line)) => Head::read(&line),
        Some(Err(detail)) => Err(Finding::new(Check::Readable, "", detail)),
        None => Err(Finding::new(Check::Readable, "", "the file is empty")),
    };
    match head {
        Ok(head) => check(&mut case, &head, &mut lines),
        Err(finding) => {
            case.push(finding);
            case.missed(&Check::PROOF, "the head of the bundle cannot be read");
        }
    }
    case.finish(&Check::PROOF)
}

impl Head {
    fn read(line: &[u8]) -> Result<Self, Finding> {
        const KNOWN: [&str; 10] = [
            "checkpoint",
            "format",
            "keys",
            "log",
            "map_path",
            "map_record",
            "policy",
            "records",
            "scope",
            "v",
        ];
        let document = form::document(line)?;
        let members = Members::strict(&document, "", &KNOWN)?;
        let format = |value: &Value| (value.as_str() == Some("sigil-proof-bundle")).then_some(());
        members.read("format", "a proof bundle", format)?;
        members.read("v", "version 1 of this form", |v| (v.as_u64() == Some(1)).then_some(()))?;
        let ground = GroundText::read(&members)?;
        let origin = members.text("log")?;
        let signed = ground.checkpoint.lines().next().unwrap_or_default();
        if signed != origin {
            let finding = Finding::new(Check::Trust, "/log", "the checkpoint is of another log than the bundle");
            return Err(finding.wanted(signed, origin));
        }
        Ok(Self {
            records: members.number("records")?,
            policy: members.maybe("policy", "a text", |text| text.as_str().map(str::to_owned))?,
            ground,
            scope: ScopeText::read(members.need("scope")?)?,
            keys: read_keys(members.need("keys")?)?,
        })
    }
}

fn read_keys(value: &Value) -> Result<KeysText, Finding> {
    let members = Members::strict(value, "/keys", &["genesis", "genesis_path", "proof", "rotations"])?;
    let row = |value: &Value, pointer: String| Ok(Row::examine(form::record_bytes(value, &pointer)?, pointer));
    let rotations = members.list("rotations")?.iter().enumerate();
    let rotations = rotations.map(|(at, value)| row(value, format!("/keys/rotations/{at}")));
    Ok(KeysText {
        genesis: row(members.need("genesis")?, "/keys/genesis".to_owned())?,
        genesis_path: members.nodes("genesis_path")?,
        rotations: rotations.collect::<Result<_, Finding>>()?,
        proof: TimelineText::read_part(members.need("proof")?, "/keys/proof")?,
    })
}

/// What the head proves, when all of it holds.
struct Proven {
    checkpoint: CheckpointText,
    ground: Ground,
    history: History,
}

fn check(case: &mut Case<'_>, head: &Head, lines: &mut (impl Iterator<Item = Result<Vec<u8>, String>> + Send)) {
    note_policy(case, head.policy.as_deref());
    let Some(mut proven) = check_head(case, head) else {
        let reason = "the head of the bundle does not hold, so nothing can be placed by it";
        let checks = [Check::Inclusion, Check::Completeness, Check::Chain, Check::Time];
        case.missed(&checks, reason);
        return case.missed(&[Check::Key, Check::Signature], reason);
    };
    let placed = head.scope.place(case, &proven.checkpoint, &proven.ground);
    let Some(mut scope) = placed else {
        let reason = "the scope of the bundle does not hold, so no record can be placed";
        let checks = [Check::Inclusion, Check::Completeness, Check::Chain, Check::Time];
        return case.missed(&checks, reason);
    };
    let total = head.records;
    let mut pending: Vec<Claim> = Vec::new();
    let mut number = 0;
    loop {
        let (found, next) = rayon::join(
            || refused(&pending),
            || {
                let batch = gather(lines, &mut number)?;
                Some(fold(case, &mut scope, &mut proven.history, batch))
            },
        );
        found.into_iter().for_each(|finding| case.push(finding));
        if let Some(progress) = case.options.progress {
            progress(case.facts.records, Some(total));
        }
        match next {
            Some(claims) => pending = claims,
            None => break,
        }
    }
    if case.facts.records != total {
        let detail = "the bundle has another number of records than it says";
        let finding = Finding::new(Check::Completeness, "/records", detail);
        case.push(finding.wanted(total, case.facts.records));
    }
    scope.finish(case);
}

fn note_policy(case: &mut Case<'_>, own: Option<&str>) {
    let trusted = case.options.trust.and_then(|trust| trust.policy.as_deref());
    let note = match (own, trusted) {
        (Some(own), Some(trusted)) if own == trusted => return,
        (None, _) => return,
        (Some(_), _) => "the bundle's own policy is not the trust file's, and is ignored",
    };
    case.facts.notes.push(note.to_owned());
}

fn check_head(case: &mut Case<'_>, head: &Head) -> Option<Proven> {
    let mut history = case.keys(&head.keys)?;
    let checkpoint = case.checkpoint(&head.ground.checkpoint, history.checkpoint_key(), "/checkpoint")?;
    let ground = case.ground(&checkpoint, &head.ground, "");
    case.check_age(ground.map(|ground| ground.ts));
    let ground = ground?;
    case.check_keys_placed(&head.keys, &mut history, &checkpoint, &ground);
    Some(Proven {
        checkpoint,
        ground,
        history,
    })
}

/// Lines to be folded together.
struct Batch {
    records: Vec<(Vec<u8>, String)>,
    damaged: Option<String>,
}

fn gather(lines: &mut impl Iterator<Item = Result<Vec<u8>, String>>, number: &mut u64) -> Option<Batch> {
    let (mut records, mut bytes) = (Vec::new(), 0);
    while records.len() < BATCH_RECORDS && bytes < BATCH_BYTES {
        match lines.next() {
            Some(Ok(line)) => {
                *number += 1;
                bytes += line.len();
                records.push((line, format!("/{number}")));
            }
            Some(Err(detail)) => {
                let damaged = Some(detail);
                return Some(Batch { records, damaged });
            }
            None if records.is_empty() => return None,
            None => break,
        }
    }
    let damaged = None;
    Some(Batch { records, damaged })
}

/// Examines a batch on all cores and folds it in order; the signatures that remain to be checked.
fn fold(case: &mut Case<'_>, scope: &mut Scope, history: &mut History, batch: Batch) -> Vec<Claim> {
    let mut signatures = Signatures::default();
    for row in Row::examine_all(batch.records) {
        case.facts.records += 1;
        let sound = case.take_findings(&row, &mut signatures);
        let Some(said) = row.said.as_ref().filter(|_| sound) else {
            scope.lose();
            continue;
        };
        case.check_log(&said.envelope.log, said.envelope.offset, &row.pointer);
        scope.check_record_key(case, said, history, &row.pointer);
        scope.fold(case, said, &row.pointer);
    }
    if let Some(detail) = batch.damaged {
        case.push(Finding::new(Check::Readable, "", detail));
        scope.lose();
    }
    signatures.take()
}

//! Checkpoints by themselves: who signed one, who cosigned it, and whether another one continues it.

use super::ProofOptions;
use super::case::Case;
use super::report::{ProofReport, Subject};
use crate::check::Check;
use crate::finding::Finding;
use tlog::{CheckpointText, Node, verify_consistency as consistent};

/// Verifies one checkpoint, a signed note.
#[must_use]
pub fn verify_checkpoint(note: &str, options: &ProofOptions<'_>) -> ProofReport {
    let mut case = Case::new(Subject::Checkpoint, options);
    case.findings
        .not_asked(Check::Consistency, "one checkpoint continues nothing");
    if let Some(text) = case.checkpoint(note, None, "") {
        case.check_age(None);
        let claim = format!(
            "{} had {} records with root {}",
            text.origin(),
            text.size(),
            text.root()
        );
        case.facts.claims.push(claim);
    } else {
        case.missed(
            &[Check::Checkpoints, Check::Witnesses, Check::Freshness, Check::Trust],
            NO_NOTE,
        );
    }
    case.finish(&Check::NOTE)
}

/// Verifies that the checkpoint `new` continues `old`, by the nodes of an RFC 6962 consistency proof. The one with fewer
/// records is the older one, whichever comes first.
#[must_use]
pub fn verify_consistency(old: &str, new: &str, proof: &[Node], options: &ProofOptions<'_>) -> ProofReport {
    let mut case = Case::new(Subject::Consistency, options);
    let size = |note: &str| CheckpointText::parse(note).map_or(0, |text| text.size());
    let turned = size(old) > size(new);
    // The newer one last: it is what the report is about, and what witnesses are asked for.
    let (older, newer) = if turned { (new, old) } else { (old, new) };
    let old = case.signed_head(older, None, if turned { "/new" } else { "/old" });
    let new = case.checkpoint(newer, None, if turned { "/old" } else { "/new" });
    let (Some(old), Some(new)) = (old, new) else {
        case.missed(&Check::NOTE, NO_NOTE);
        return case.finish(&Check::NOTE);
    };
    case.check_age(None);
    if old.origin() != new.origin() {
        let finding = Finding::new(Check::Trust, "/new", "the checkpoints are of two logs");
        case.push(finding.wanted(old.origin(), new.origin()));
    }
    let held = consistent(old.size(), old.root(), new.size(), new.root(), proof);
    if let Err(error) = held {
        let detail = match old.size() == new.size() && old.root() != new.root() {
            true => "the log has forked: two checkpoints of the same size have different roots".to_owned(),
            false => format!("the later checkpoint does not continue the earlier one: {error}"),
        };
        let finding = Finding::new(Check::Consistency, "", detail);
        let words = |size: u64, root: &Node| format!("size {size}, root {root}");
        case.push(finding.wanted(words(old.size(), old.root()), words(new.size(), new.root())));
    }
    let claim = format!(
        "the log of {} records continues that of {} records",
        new.size(),
        old.size()
    );
    case.facts.claims.push(claim);
    case.finish(&Check::NOTE)
}

const NO_NOTE: &str = "a note cannot be read";

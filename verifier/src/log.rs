//! The check of a whole log: reads batches, shares them among all cores, folds them in order.
//!
//! Three batches are on their way at once: the signatures of one are checked, the next is folded, one more is read and
//! examined. Folding and reading take one core each, everything else takes what is free. Memory stays flat: three batches
//! of at most 8,192 records or 16 MiB, plus one frontier per distinct timeline. The result does not depend on how the
//! source cuts its items.

use crate::anchors::Anchors;
use crate::check::Check;
use crate::checkpoints::{self, Checkpoints};
use crate::envelope::Known;
use crate::examine::{Examined, Examiner};
use crate::finding::Finding;
use crate::report::{Counts, Fingerprints, Report};
use crate::signature::{self, Claim};
use crate::source::{Claims, Damaged, Derived, Item, StoredRecord};
use crate::trust::Trust;
use crate::walk::Walk;
use rayon::prelude::*;
use tlog::Policy;

const BATCH_RECORDS: usize = 8_192;
const BATCH_BYTES: usize = 16 << 20;

/// Called after every batch with the records done and, if known, their total.
pub type Progress<'a> = &'a (dyn Fn(u64, Option<u64>) + Sync);

/// How a log is verified.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// What is pinned; without it the outcome is never "verified".
    pub trust: Option<&'a Trust>,
    /// Which witnesses must have cosigned, in place of the trust file's policy.
    pub policy: Option<&'a Policy>,
    /// How many findings are kept.
    pub findings: usize,
    /// Every signature by `verify_strict`, canonical form and hash by `serde_jcs` as well: several times slower.
    pub thorough: bool,
    /// Number of records, for the progress only.
    pub total: Option<u64>,
    /// Told how far the walk is.
    pub progress: Option<Progress<'a>>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            trust: None,
            policy: None,
            findings: 20,
            thorough: false,
            total: None,
            progress: None,
        }
    }
}

/// Verifies a whole log. Never fails: whatever is wrong with the log is in the report.
///
/// `items` are the store's records in offset order, `derived` what the store keeps beside them (`None`: an export that
/// has only records), `claims` what it says about its end.
pub fn verify_log(
    items: impl IntoIterator<Item = Item, IntoIter: Send>,
    derived: Option<&mut dyn Derived>,
    claims: &Claims,
    options: &Options<'_>,
) -> Report {
    let mut walk = Walk::new(options.findings, derived);
    let policy = checkpoints::policy_of(options.policy, options.trust).unwrap_or_else(|error| {
        let reason = format!("the policy cannot be read: {error}");
        walk.findings.not_checked(Check::Witnesses, reason);
        None
    });
    walk.anchors = Anchors::new(&claims.anchors, policy.clone(), &mut walk.findings);
    walk.checkpoints = Checkpoints::new(&claims.checkpoints, policy, &mut walk.findings);
    let mut items = items.into_iter();
    let mut rest = None;
    let examiner = Examiner::new(options.thorough);
    let (mut signed, mut examined): (Vec<Claim>, Option<Looked>) = (Vec::new(), None);
    let mut ended = false;
    while !ended || examined.is_some() || !signed.is_empty() {
        let (folding, more) = (examined.take(), !ended);
        let (refused, (claims, next)) = rayon::join(
            || signature::refused(&signed, options.thorough),
            || {
                rayon::join(
                    || folding.map(|batch| fold(&mut walk, batch)).unwrap_or_default(),
                    || {
                        more.then(|| gather(&mut items, &mut rest))
                            .flatten()
                            .map(|batch| examine(&examiner, batch))
                    },
                )
            },
        );
        for offset in refused {
            walk.findings.push(signature::finding(offset));
        }
        // In the first round nothing is folded yet.
        if let Some(progress) = options.progress.filter(|_| walk.counts.records > 0) {
            progress(walk.counts.records, options.total);
        }
        ended = next.is_none();
        (signed, examined) = (claims, next);
    }
    finish(walk, claims, options.trust)
}

/// Records to be folded together, and what could not be read behind them.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) records: Vec<StoredRecord>,
    pub(crate) damaged: Option<Damaged>,
}

/// Takes items until a batch is full, keeping records that no longer fit in `rest`.
fn gather(items: &mut impl Iterator<Item = Item>, rest: &mut Option<Vec<StoredRecord>>) -> Option<Batch> {
    let mut batch = Batch::default();
    let mut bytes = 0;
    let mut carried = rest.take();
    loop {
        let mut block = match carried.take().map(Item::Records).or_else(|| items.next()) {
            Some(Item::Records(block)) => block,
            Some(Item::Damaged(damaged)) => {
                batch.damaged = Some(damaged);
                return Some(batch);
            }
            None if batch.records.is_empty() => return None,
            None => return Some(batch),
        };
        let mut room = |record: &StoredRecord| {
            bytes += record.bytes.len();
            bytes <= BATCH_BYTES
        };
        let fits = block.iter().take(BATCH_RECORDS - batch.records.len());
        // A single record always fits, else a batch could stay empty for ever.
        let fitting = fits.map_while(|record| room(record).then_some(())).count();
        let fitting = if batch.records.is_empty() {
            fitting.max(1).min(block.len())
        } else {
            fitting
        };
        let behind = block.split_off(fitting);
        batch.records.append(&mut block);
        if !behind.is_empty() {
            *rest = Some(behind);
            return Some(batch);
        }
    }
}

/// A batch that was examined.
pub(crate) struct Looked {
    records: Vec<(Examined, StoredRecord)>,
    damaged: Option<Damaged>,
}

/// Examines a batch on all cores.
pub(crate) fn examine(examiner: &Examiner, batch: Batch) -> Looked {
    let records = batch.records.into_par_iter().with_min_len(32);
    let look = |known: &mut Known, stored: StoredRecord| (examiner.examine_next(&stored.bytes, known), stored);
    Looked {
        records: records.map_init(Known::default, look).collect(),
        damaged: batch.damaged,
    }
}

/// Folds a batch in order; the signatures that remain to be checked.
pub(crate) fn fold(walk: &mut Walk<'_>, batch: Looked) -> Vec<Claim> {
    let mut claims = Vec::with_capacity(batch.records.len());
    for (examined, stored) in batch.records {
        walk.record(examined, &stored.timelines, &mut claims);
    }
    if let Some(damaged) = &batch.damaged {
        walk.damaged(damaged);
    }
    claims
}

fn finish(mut walk: Walk<'_>, claims: &Claims, trust: Option<&Trust>) -> Report {
    check_head(&mut walk, claims);
    check_tree(&mut walk, claims);
    check_maps(&mut walk);
    walk.finish_versions();
    let dated = walk.finish_anchors();
    match walk.derived.take() {
        Some(derived) => {
            // Behind an open end nobody knows how much is lost.
            let lost = if walk.open_gap { u64::MAX } else { walk.lost };
            walk.tenants.compare_heads(derived, lost, &mut walk.findings);
        }
        None => walk
            .findings
            .not_checked(Check::Timelines, "the stored timeline heads were not given"),
    }
    check_trust(&mut walk, trust);
    let verdicts = walk.findings.verdicts(&Check::LOG);
    let counts = Counts {
        tenants: walk.tenants.len(),
        timelines: walk.tenants.timelines(),
        ..walk.counts
    };
    let head = walk.head();
    let (findings, more_findings) = walk.findings.into_kept();
    Report {
        verdicts,
        findings,
        more_findings,
        counts,
        head,
        root: walk.tree.map(|tree| tree.root()),
        dated,
        seen: walk.seen,
    }
}

fn check_head(walk: &mut Walk<'_>, claims: &Claims) {
    let Some(head) = claims.head else {
        walk.findings.not_checked(
            Check::Head,
            "nothing says where the log ends, so a cut tail would not show",
        );
        return;
    };
    if walk.open_gap {
        walk.findings
            .not_checked(Check::Head, "the end of the log cannot be read");
        return;
    }
    let found = walk.head();
    let at = found.size.min(head.size);
    if found.size != head.size {
        let finding = Finding::new(Check::Head, "", "the log does not end where the store says");
        let count = |size| format!("{size} records");
        walk.findings
            .push(finding.wanted(count(head.size), count(found.size)).at(at));
    } else if found.last_hash != head.last_hash {
        match (found.last_hash, head.last_hash) {
            (Some(found), Some(stored)) => {
                let finding = Finding::new(
                    Check::Head,
                    "/hash",
                    "the last record is not the one at the store's head",
                );
                walk.findings
                    .push(finding.wanted(stored, found).at(at.saturating_sub(1)));
            }
            (None, _) if at > 0 => walk.findings.not_checked(Check::Head, "the last record cannot be read"),
            _ => walk.findings.push(Finding::new(
                Check::Head,
                "",
                "the store's head has no hash of the last record, or one of none",
            )),
        }
    }
}

fn check_maps(walk: &mut Walk<'_>) {
    let has_map_roots = walk.maps.last().is_some();
    if !has_map_roots {
        walk.findings.not_asked(Check::Maps, "this log has no map roots");
    }
    let (size, worth, lost) = (walk.next, walk.worth, walk.open_gap);
    walk.checkpoints
        .finish(size, worth, lost, has_map_roots, &mut walk.findings);
}

fn check_tree(walk: &mut Walk<'_>, claims: &Claims) {
    let Some(tree) = &walk.tree else {
        walk.findings.not_checked(
            Check::Tree,
            "a record is broken or missing, so the root cannot be computed",
        );
        return;
    };
    let Some(stored) = claims.tree else {
        walk.findings.not_checked(Check::Tree, "the stored root was not given");
        return;
    };
    let text = |size: u64, root: tlog::Node| format!("size {size}, root {root}");
    if (tree.size(), tree.root()) != (stored.size, stored.root) {
        let finding = Finding::new(Check::Tree, "", "the stored root is not that of these records");
        let finding = finding.wanted(text(tree.size(), tree.root()), text(stored.size, stored.root));
        walk.findings.push(finding);
    }
    if walk.derived.is_none() {
        walk.findings
            .not_checked(Check::Tree, "the stored tiles were not given");
    }
}

pub(crate) fn check_trust(walk: &mut Walk<'_>, trust: Option<&Trust>) {
    let Some(trust) = trust else {
        let reason = "no trust file: compare the fingerprints below with ones received on another way";
        walk.findings.not_checked(Check::Trust, reason);
        return;
    };
    let Fingerprints {
        origin,
        genesis_hash,
        root_key,
    } = &walk.seen;
    let pairs = [
        (
            "/log",
            "the log's origin",
            trust.origin.to_string(),
            origin.as_ref().map(ToString::to_string),
        ),
        (
            "/hash",
            "the genesis",
            trust.genesis_hash.to_string(),
            genesis_hash.map(|hash| hash.to_string()),
        ),
        (
            "/payload/root_key",
            "the root key",
            trust.root_key.to_base64(),
            root_key.map(|key| key.to_base64()),
        ),
    ];
    for (member, what, pinned, seen) in pairs {
        if seen.as_ref() != Some(&pinned) {
            let finding = Finding::new(Check::Trust, member, format!("{what} is not the pinned one"));
            let seen = seen.unwrap_or_else(|| "none".to_owned());
            walk.findings.push(finding.wanted(pinned, seen).at(0));
        }
    }
}

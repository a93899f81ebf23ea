//! A closed log as the verifier wants it: items, claims, derived data, and the checks of the store that need its keys.

use domain::state::Body;
use ledger::inspect::{Inspection, Sealed};
use ledger_client::proof::SignedCheckpoint;
use record::Record;
use std::sync::{Mutex, OnceLock, PoisonError};
use tlog::{CheckpointText, Node, TileId};
use verifier::{
    Claims, Damaged, Derived, Head, Item, MapVersion, StoredMaps, StoredRecord, TimelineEntry, TimelineName, TreeHead,
};

/// Findings kept of one check; more would hide the first.
const FINDINGS: usize = 20;

/// What the store keeps beside its records.
pub struct Stored<'a> {
    inspection: &'a Inspection,
    counts: OnceLock<Result<Counts, String>>,
}

/// Keyspaces, and how many entries each has.
type Counts = Vec<(&'static str, u64)>;

impl<'a> Stored<'a> {
    /// What the closed log keeps.
    pub const fn of(inspection: &'a Inspection) -> Self {
        Self {
            inspection,
            counts: OnceLock::new(),
        }
    }

    /// The number of entries of a keyspace, every one of them read, once.
    fn count(&self, keyspace: &str) -> Result<u64, String> {
        let scan = || self.inspection.scan().map_err(|error| error.to_string());
        let counts = self.counts.get_or_init(scan).as_ref().map_err(String::clone)?;
        let found = counts.iter().find(|(name, _)| *name == keyspace);
        Ok(found.map_or(0, |(_, count)| *count))
    }
}

impl Derived for Stored<'_> {
    fn timeline_head(&mut self, name: TimelineName<'_>) -> Result<Option<Vec<u8>>, String> {
        let tenant = record::Tenant::parse(name.tenant).ok_or("the tenant's name is malformed")?;
        self.inspection
            .timeline_head(&tenant, name.label, name.target)
            .map_err(|error| error.to_string())
    }

    fn timeline_count(&mut self) -> Result<u64, String> {
        self.count("heads")
    }

    fn maps(&self) -> Option<&dyn StoredMaps> {
        Some(self)
    }

    fn tile(&mut self, id: TileId) -> Result<Option<Vec<Node>>, String> {
        let tile = self.inspection.tile(id).map_err(|error| error.to_string())?;
        Ok(tile.map(|bytes| bytes.as_chunks::<32>().0.iter().map(|node| Node::from(*node)).collect()))
    }
}

impl StoredMaps for Stored<'_> {
    fn versions(&self) -> Result<Vec<MapVersion>, String> {
        let versions = self.inspection.map_versions().map_err(|error| error.to_string())?;
        let version = |version: ledger::inspect::MapVersion| MapVersion {
            size: version.size,
            whole: version.whole,
        };
        Ok(versions.into_iter().map(version).collect())
    }

    fn root(&self, before: Option<u64>, size: u64) -> Result<Node, String> {
        self.inspection
            .map_root(before, size)
            .map_err(|error| error.to_string())
    }

    fn tree(&self, name: TimelineName<'_>, count: u64) -> Result<Node, String> {
        let tenant = record::Tenant::parse(name.tenant).ok_or("the tenant's name is malformed")?;
        self.inspection
            .timeline_tree(&tenant, name.label, name.target, count)
            .map_err(|error| error.to_string())
    }
}

/// Tries every sealed member against its commitment, as the records pass. Lost ones are findings, unless the log itself
/// says that so many were lost in a recovery.
#[derive(Default)]
pub struct SealedCheck(Mutex<Sealing>);

#[derive(Default)]
struct Sealing {
    wrong: Vec<String>,
    lost: Vec<String>,
    lost_count: u64,
    admitted: u64,
}

impl SealedCheck {
    /// A check of a log in which so many sealed values are known to be lost.
    pub fn admitting(lost: u64) -> Self {
        Self(Mutex::new(Sealing {
            admitted: lost,
            ..Sealing::default()
        }))
    }

    fn look(&self, inspection: &Inspection, offset: u64, bytes: &[u8]) {
        let recovered = contains(bytes, "\"kind\":\"ledger.recovered\"");
        if !recovered && !contains(bytes, "\"$sealed\"") {
            return;
        }
        // A record that does not parse is the verifier's to report.
        let Ok(record) = Record::parse(bytes.to_vec()) else {
            return;
        };
        let mut sealing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(Body::Recovered(recovered)) = Body::of(&record) {
            sealing.admitted = sealing.admitted.max(recovered.disclosures_lost);
        }
        let found = match inspection.sealed(&record) {
            Ok(found) => found,
            Err(error) => return sealing.wrong(format!("offset {offset}: sealed members cannot be read: {error}")),
        };
        for (pointer, sealed) in found {
            match sealed {
                Sealed::Opens => {}
                Sealed::KeyLost => sealing.lost(format!(
                    "offset {offset} {pointer}: SCOPE_KEY_LOST, its key is missing without an erasure"
                )),
                Sealed::Absent => sealing.lost(format!(
                    "offset {offset} {pointer}: the sealed value is missing without an erasure"
                )),
                Sealed::Damaged => sealing.wrong(format!(
                    "offset {offset} {pointer}: the stored value does not open its commitment"
                )),
            }
        }
    }

    /// What was found.
    pub fn findings(self) -> Vec<String> {
        let mut sealing = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        if sealing.lost_count > sealing.admitted {
            sealing.wrong.append(&mut sealing.lost);
        }
        sealing.wrong
    }
}

impl Sealing {
    fn wrong(&mut self, finding: String) {
        if self.wrong.len() < FINDINGS {
            self.wrong.push(finding);
        }
    }

    fn lost(&mut self, finding: String) {
        self.lost_count += 1;
        if self.lost.len() < FINDINGS {
            self.lost.push(finding);
        }
    }
}

/// Whether `needle` is somewhere in `bytes`, which are text or nothing that this looks for.
pub fn contains(bytes: &[u8], needle: &str) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| text.contains(needle))
}

/// The notes of the checkpoints that the store keeps; what is wrong with them is put to `findings`.
pub fn checkpoints(inspection: &Inspection, findings: &mut Vec<String>) -> Vec<String> {
    let mut notes = Vec::new();
    for kept in inspection.each_checkpoint() {
        match kept
            .map_err(|error| error.to_string())
            .and_then(|kept| note(inspection, kept))
        {
            Ok(note) => notes.push(note),
            Err(detail) => findings.push(format!("a stored checkpoint is wrong: {detail}")),
        }
    }
    notes
}

/// The note of a checkpoint, once what stands beside it says the same. Its signature and root are the verifier's to check;
/// when it was signed, and whether the ledger counted a quorum, nothing else says.
fn note(inspection: &Inspection, kept: SignedCheckpoint) -> Result<String, String> {
    let wrong = |detail: &str| format!("that of {} records: {detail}", kept.size);
    let text = CheckpointText::parse(&kept.note).map_err(|error| wrong(&error.to_string()))?;
    if text.size() != kept.size {
        return Err(wrong("its note is of another size"));
    }
    let last = kept.size.checked_sub(1).map(|last| inspection.record(last));
    let last = last.transpose().map_err(|error| wrong(&error.to_string()))?.flatten();
    // A record that is not there or does not parse is the verifier's to report.
    let named = last
        .and_then(|last| Record::parse(last.bytes.to_vec()).ok())
        .and_then(|last| Body::of(&last).ok());
    match named {
        Some(Body::MapRoot(root)) if root.size != kept.map_size => {
            Err(wrong("it names another size of the map than its last record"))
        }
        _ => Ok(kept.note),
    }
}

/// The blocks of the store, in order.
pub fn items<'a>(inspection: &'a Inspection, sealed: &'a SealedCheck) -> impl Iterator<Item = Item> + Send + 'a {
    let mut next = 0;
    inspection.blocks().map(move |block| match block {
        Ok((first, records)) => {
            records
                .iter()
                .zip(first..)
                .for_each(|(record, offset)| sealed.look(inspection, offset, &record.bytes));
            next = first + records.len() as u64;
            Item::Records(records.into_iter().map(stored).collect())
        }
        Err(error) => Item::Damaged(Damaged {
            from_offset: next,
            to_offset: None,
            detail: error.to_string(),
        }),
    })
}

fn stored(record: ledger::StoredRecord) -> StoredRecord {
    let timeline = |entry: ledger::TimelineEntry| TimelineEntry {
        position: entry.position,
        completed: entry.completed,
    };
    StoredRecord {
        bytes: record.bytes,
        timelines: record.timelines.into_iter().map(timeline).collect(),
    }
}

/// What HEAD and the store say about the end of the log, with the checkpoints that the store keeps.
pub fn claims(inspection: &Inspection, checkpoints: Vec<String>) -> Claims {
    let ends = inspection.ends();
    let tip = ends
        .tip
        .map_or((0, None, *tlog::EMPTY_ROOT.as_bytes()), |(size, hash, root)| {
            (size, Some(hash), root)
        });
    Claims {
        head: Some(Head {
            size: tip.0,
            last_hash: tip.1,
        }),
        tree: Some(TreeHead {
            size: tip.0,
            root: Node::from(tip.2),
        }),
        checkpoints,
        anchors: Vec::new(),
    }
}

/// Reads every entry of the store, so that no damaged table stays unread, and compares the number of ids.
pub fn scan(stored: &Stored<'_>, records: u64) -> Vec<String> {
    match stored.count("ids") {
        Err(error) => vec![error],
        Ok(ids) => {
            let wrong = ids != records;
            wrong
                .then(|| format!("keyspace ids has {ids} entries for {records} records"))
                .into_iter()
                .collect()
        }
    }
}

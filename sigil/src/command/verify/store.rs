//! A closed log as the verifier wants it: items, claims, derived data, and the checks of the store that need its keys.

use domain::state::Body;
use ledger::inspect::{Inspection, Sealed};
use record::Record;
use std::sync::{Mutex, PoisonError};
use tlog::{Node, TileId};
use verifier::{Claims, Damaged, Derived, Head, Item, StoredRecord, TimelineEntry, TimelineName, TreeHead};

/// Findings kept of one check; more would hide the first.
const FINDINGS: usize = 20;

/// What the store keeps beside its records.
pub struct Stored<'a> {
    /// The closed log.
    pub inspection: &'a Inspection,
}

impl Derived for Stored<'_> {
    fn timeline_head(&mut self, name: TimelineName<'_>) -> Result<Option<Vec<u8>>, String> {
        let tenant = record::Tenant::parse(name.tenant).ok_or("the tenant's name is malformed")?;
        self.inspection
            .timeline_head(&tenant, name.label, name.target)
            .map_err(|error| error.to_string())
    }

    fn timeline_count(&mut self) -> Result<u64, String> {
        let counts = self.inspection.scan().map_err(|error| error.to_string())?;
        Ok(counts
            .into_iter()
            .find(|(name, _)| *name == "heads")
            .map_or(0, |(_, count)| count))
    }

    fn tile(&mut self, id: TileId) -> Result<Option<Vec<Node>>, String> {
        let tile = self.inspection.tile(id).map_err(|error| error.to_string())?;
        Ok(tile.map(|bytes| bytes.as_chunks::<32>().0.iter().map(|node| Node::from(*node)).collect()))
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
        let recovered = contains(bytes, b"\"kind\":\"ledger.recovered\"");
        if !recovered && !contains(bytes, b"\"$sealed\"") {
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

/// Whether `needle` is somewhere in `bytes`.
pub fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

/// The notes of the checkpoints that the store keeps; what is wrong with them is put to `findings`.
pub fn checkpoints(inspection: &Inspection, findings: &mut Vec<String>) -> Vec<String> {
    match inspection.checkpoints() {
        Ok(kept) => kept.into_iter().map(|checkpoint| checkpoint.note).collect(),
        Err(error) => {
            findings.push(format!("the stored checkpoints cannot be read: {error}"));
            Vec::new()
        }
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
        completed: entry.completed.iter().map(|node| *node.as_bytes()).collect(),
    };
    StoredRecord {
        bytes: record.bytes.to_vec(),
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
pub fn scan(inspection: &Inspection, records: u64) -> Vec<String> {
    match inspection.scan() {
        Err(error) => vec![error.to_string()],
        Ok(counts) => {
            let ids = counts
                .into_iter()
                .find(|(name, _)| *name == "ids")
                .map_or(0, |(_, count)| count);
            let wrong = ids != records;
            wrong
                .then(|| format!("keyspace ids has {ids} entries for {records} records"))
                .into_iter()
                .collect()
        }
    }
}

//! Everything that a directory says about its log, and everything that is wrong with it.

use ledger::inspect::{Inspection, Sealed};
use ledger::{Config, StoredRecord};
use record::Record;
use tlog::{Node, TileId};
use verifier::{
    Check, Claims, Damaged, Derived, Head, Item, MapVersion, Options, StoredMaps, TimelineName, TreeHead, Verdict,
};

/// What a directory holds, as far as a reader can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub records: Vec<StoredRecord>,
    pub tip: Option<(u64, record::Hash, [u8; 32])>,
    pub sealed: Vec<(usize, String, Sealed)>,
    pub counts: Vec<(&'static str, u64)>,
}

/// Reads and verifies the closed log of `config`; everything that is wrong, when anything is.
pub fn look(config: &Config) -> Result<Seen, Vec<String>> {
    let scratch = tempfile::tempdir_in(config.data_dir.parent().expect("a parent")).expect("a directory");
    let inspection =
        Inspection::open(config, &scratch.path().join("shadow")).map_err(|error| vec![error.to_string()])?;
    let (mut findings, mut records, mut items) = (Vec::new(), Vec::new(), Vec::new());
    for block in inspection.blocks() {
        match block {
            Ok((_, block)) => {
                items.push(Item::Records(block.iter().map(stored).collect()));
                records.extend(block);
            }
            Err(error) => items.push(Item::Damaged(Damaged {
                from_offset: records.len() as u64,
                to_offset: None,
                detail: error.to_string(),
            })),
        }
    }
    let counts = inspection.scan().unwrap_or_else(|error| {
        findings.push(error.to_string());
        Vec::new()
    });
    if !counts.contains(&("ids", records.len() as u64)) {
        findings.push(format!("keyspace ids: {counts:?} for {} records", records.len()));
    }
    let sealed = sealed(&inspection, &records, &mut findings);
    let ends = inspection.ends();
    let report = verify(&inspection, items, &mut findings);
    let failed = report.verdicts.iter();
    let stands = |verdict: &Verdict| matches!(verdict, Verdict::Passed | Verdict::NotAsked(_));
    let failed = failed.filter(|(check, verdict)| *check != Check::Trust && !stands(verdict));
    findings.extend(failed.map(|(check, verdict)| format!("{check}: {verdict:?}")));
    findings.extend(report.findings.iter().map(ToString::to_string));
    let tip = ends.tip;
    if findings.is_empty() {
        Ok(Seen {
            records,
            tip,
            sealed,
            counts,
        })
    } else {
        Err(findings)
    }
}

/// The verifier's report on these items, with everything that is stored beside them.
pub fn verify(inspection: &Inspection, items: Vec<Item>, findings: &mut Vec<String>) -> verifier::Report {
    let options = Options {
        findings: 3,
        ..Options::default()
    };
    let claims = claims(inspection, findings);
    verifier::verify_log(items, Some(&mut Stored(inspection)), &claims, &options)
}

fn sealed(
    inspection: &Inspection,
    records: &[StoredRecord],
    findings: &mut Vec<String>,
) -> Vec<(usize, String, Sealed)> {
    let mut sealed = Vec::new();
    for (offset, stored) in records.iter().enumerate() {
        let Ok(record) = Record::parse(stored.bytes.to_vec()) else {
            continue;
        };
        match inspection.sealed(&record) {
            Ok(found) => sealed.extend(found.into_iter().map(|(pointer, found)| (offset, pointer, found))),
            Err(error) => findings.push(error.to_string()),
        }
    }
    let unopened = sealed.iter().filter(|(_, _, found)| *found != Sealed::Opens);
    findings.extend(unopened.map(|(offset, pointer, found)| format!("offset {offset} {pointer}: {found:?}")));
    sealed
}

fn claims(inspection: &Inspection, findings: &mut Vec<String>) -> Claims {
    let ends = inspection.ends();
    let checkpoints = inspection.checkpoints().unwrap_or_else(|error| {
        findings.push(error.to_string());
        Vec::new()
    });
    let (size, last_hash, root) = ends.tip.map_or((0, None, tlog::EMPTY_ROOT), |(size, hash, root)| {
        (size, Some(hash), Node::from(root))
    });
    Claims {
        head: Some(Head { size, last_hash }),
        tree: Some(TreeHead { size, root }),
        checkpoints: checkpoints.into_iter().map(|checkpoint| checkpoint.note).collect(),
        anchors: Vec::new(),
    }
}

/// A stored record as the verifier takes it.
pub fn stored(record: &StoredRecord) -> verifier::StoredRecord {
    let timeline = |entry: &ledger::TimelineEntry| verifier::TimelineEntry {
        position: entry.position,
        completed: entry.completed.clone(),
    };
    verifier::StoredRecord {
        bytes: record.bytes.clone(),
        timelines: record.timelines.iter().map(timeline).collect(),
    }
}

struct Stored<'a>(&'a Inspection);

impl Derived for Stored<'_> {
    fn timeline_head(&mut self, name: TimelineName<'_>) -> Result<Option<Vec<u8>>, String> {
        let tenant = record::Tenant::parse(name.tenant).ok_or("malformed tenant")?;
        let head = self.0.timeline_head(&tenant, name.label, name.target);
        head.map_err(|error| error.to_string())
    }

    fn timeline_count(&mut self) -> Result<u64, String> {
        let counts = self.0.scan().map_err(|error| error.to_string())?;
        Ok(counts.iter().find(|(name, _)| *name == "heads").expect("is scanned").1)
    }

    fn maps(&self) -> Option<&dyn StoredMaps> {
        Some(self)
    }

    fn tile(&mut self, id: TileId) -> Result<Option<Vec<Node>>, String> {
        let tile = self.0.tile(id).map_err(|error| error.to_string())?;
        Ok(tile.map(|bytes| bytes.as_chunks::<32>().0.iter().map(|node| Node::from(*node)).collect()))
    }
}

impl StoredMaps for Stored<'_> {
    fn versions(&self) -> Result<Vec<MapVersion>, String> {
        let versions = self.0.map_versions().map_err(|error| error.to_string())?;
        let version = |version: ledger::inspect::MapVersion| MapVersion {
            size: version.size,
            whole: version.whole,
        };
        Ok(versions.into_iter().map(version).collect())
    }

    fn root(&self, before: Option<u64>, size: u64) -> Result<Node, String> {
        self.0.map_root(before, size).map_err(|error| error.to_string())
    }

    fn tree(&self, name: TimelineName<'_>, count: u64) -> Result<Node, String> {
        let tenant = record::Tenant::parse(name.tenant).ok_or("the tenant's name is malformed")?;
        self.0
            .timeline_tree(&tenant, name.label, name.target, count)
            .map_err(|error| error.to_string())
    }
}

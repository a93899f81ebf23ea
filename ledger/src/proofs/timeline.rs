//! What the newest fitting map proves about a timeline: its stretch, its head, or that there is none.
//!
//! The map that answers covers no more records than the reader has, and is named by the last leaf of a kept checkpoint. Of
//! the stretch that is asked about, what lies behind the map is left out: no checkpoint covers it for this reader yet.

use super::{LogTree, Proven, Prover, encode, failed};
use crate::checkpoint::kept;
use crate::map::{self, Maps};
use crate::prepare::timeline_names;
use crate::{Error, recovery};
use domain::state::Body;
use ledger_client::proof::{
    Answer, MapEnd, MapPath, SignedCheckpoint, Stretch, TimelineProof, TimelineRange, Unprovable,
};
use record::{Record, Tenant};
use serde_json::value::RawValue;
use tlog::{MapKey, MapLeaf, MapProof, Node};

/// One timeline; the whole chain has label and target empty.
#[derive(Clone, Copy)]
pub(crate) struct Name<'a> {
    pub(crate) tenant: &'a Tenant,
    pub(crate) label: &'a str,
    pub(crate) target: &'a str,
}

impl Name<'_> {
    fn key(self) -> MapKey {
        if self.label.is_empty() {
            MapKey::whole_chain()
        } else {
            MapKey::timeline(self.label, self.target)
        }
    }
}

impl Prover<'_> {
    /// The proof for readers of `at_most` records.
    pub(super) fn timeline(&self, name: Name<'_>, at_most: u64, stretch: Option<Stretch>) -> Proven {
        let Some(checkpoint) = self.newest_for(at_most)? else {
            return Ok(Some(Err(Unprovable::NotYet)));
        };
        let as_of = checkpoint.map_size;
        let maps = self.maps();
        let (top, ways) = match maps.prove(as_of, name.tenant, &name.key())? {
            map::Proven::Gone => return Ok(Some(Err(Unprovable::Expired))),
            map::Proven::TenantUnknown => return Ok(Some(Err(Unprovable::TenantUnknown))),
            map::Proven::Ways { top, map } => (top, map),
        };
        let map_record = self.map_record(&checkpoint, name.tenant, &top)?;
        let head = ways.end.filter(|leaf| leaf.key == name.key());
        let range = match (head, stretch) {
            (Some(head), Some(stretch)) => match self.positions(name, stretch, as_of, &head)? {
                None => return Ok(None),
                Some(within) => within
                    .map(|within| prove_range(&maps, name, within, &head))
                    .transpose()?,
            },
            (None, Some(stretch)) if stretch.first < as_of => return Ok(None),
            _ => None,
        };
        let size = checkpoint.size;
        let tree = LogTree(self.shared);
        let map_path = tlog::prove_inclusion(size - 1, size, |place| tree.node(place).map_err(super::Failed));
        let proof = TimelineProof {
            v: 1,
            tenant: name.tenant.to_string(),
            label: name.label.to_owned(),
            target: name.target.to_owned(),
            as_of,
            checkpoint: checkpoint.note,
            map_record,
            map_path: map_path.map_err(failed)?.iter().map(encode).collect(),
            top: path(&top, &MapKey::tenant(name.tenant.as_str())),
            map: path(&ways, &name.key()),
            range,
        };
        Ok(Some(Ok(Answer::Timeline(Box::new(proof)))))
    }

    fn maps(&self) -> Maps {
        let preparer = &self.shared.preparer;
        Maps::new(self.shared.store.clone(), preparer.log.clone(), preparer.index.clone())
    }

    /// The newest kept checkpoint whose map covers at most so many records.
    fn newest_for(&self, at_most: u64) -> Result<Option<SignedCheckpoint>, Error> {
        let Some(newest) = &self.newest else { return Ok(None) };
        if newest.map_size <= at_most {
            return Ok(Some((**newest).clone()));
        }
        for checkpoint in kept::newest_first(&self.shared.store, Some(newest.size)) {
            let checkpoint = checkpoint?;
            if checkpoint.map_size <= at_most {
                return Ok(Some(checkpoint));
            }
        }
        Ok(None)
    }

    /// The record in a checkpoint's last leaf, which names the root that the way through the top map leads to.
    fn map_record(
        &self,
        checkpoint: &SignedCheckpoint,
        tenant: &Tenant,
        top: &MapProof,
    ) -> Result<Box<RawValue>, Error> {
        let place = || format!("the checkpoint of {} records", checkpoint.size);
        let wrong = |detail: &str| Error::corrupt(place(), detail);
        let last = checkpoint
            .size
            .checked_sub(1)
            .ok_or_else(|| wrong("it covers nothing"))?;
        let record = self.record(last)?;
        let root = match Body::of(&record) {
            Ok(Body::MapRoot(root)) if root.size == checkpoint.map_size => record::hash::decode_hex(&root.root),
            _ => None,
        };
        let root = root.ok_or_else(|| wrong("its last record does not name its map"))?;
        top.verify(&Node::from(root), &MapKey::tenant(tenant.as_str()))
            .map_err(|error| Error::corrupt("keyspace map", error.to_string()))?;
        let text = std::str::from_utf8(record.bytes()).ok().map(ToOwned::to_owned);
        let raw = text.and_then(|text| RawValue::from_string(text).ok());
        raw.ok_or_else(|| wrong("its last record is no JSON"))
    }

    fn record(&self, offset: u64) -> Result<Record, Error> {
        let missing = || Error::corrupt(format!("the log at offset {offset}"), "this record is missing");
        recovery::parse(&self.shared.record(offset)?.ok_or_else(missing)?, offset)
    }

    /// The positions of a stretch below `as_of`, from and until; `Some(None)` when nothing of it lies there. `None` when an
    /// end of it is not in the timeline.
    fn positions(
        &self,
        name: Name<'_>,
        stretch: Stretch,
        as_of: u64,
        head: &MapLeaf,
    ) -> Result<Option<Option<(u64, u64)>>, Error> {
        if stretch.first >= as_of {
            return Ok(Some(None));
        }
        let Some(from) = self.position(name, stretch.first)? else {
            return Ok(None);
        };
        // A stretch that goes on behind the map ends, below it, with the timeline.
        let until = if stretch.last >= as_of {
            Some(head.count)
        } else {
            self.position(name, stretch.last)?.map(|last| last + 1)
        };
        Ok(until.map(|until| Some((from, until))))
    }

    /// Where the record at `offset` stands in the timeline; `None` when it is not in it.
    fn position(&self, name: Name<'_>, offset: u64) -> Result<Option<u64>, Error> {
        let Some(stored) = self.shared.stored(offset)? else {
            return Ok(None);
        };
        let record = recovery::parse(&stored.bytes, offset)?;
        if record.tenant != *name.tenant {
            return Ok(None);
        }
        let mut names = timeline_names(record.kind.as_str(), &record.links).zip(&stored.timelines);
        let found = names.find(|(timeline, _)| *timeline == (name.label, name.target));
        Ok(found.map(|(_, entry)| entry.position))
    }
}

fn prove_range(maps: &Maps, name: Name<'_>, (from, until): (u64, u64), head: &MapLeaf) -> Result<TimelineRange, Error> {
    let mut tree = maps.timeline_tree(name.tenant, name.label, name.target);
    let node = |place| tree.node(place).map_err(super::Failed);
    let nodes = tlog::prove_range(from, until, head.count, node).map_err(failed)?;
    Ok(TimelineRange {
        from,
        until,
        nodes: nodes.iter().map(encode).collect(),
    })
}

/// A way as it travels; the key at its end is said only when it is another one.
fn path(proof: &MapProof, key: &MapKey) -> MapPath {
    MapPath {
        siblings: proof.siblings.iter().map(encode).collect(),
        end: proof.end.map(|leaf| MapEnd {
            key: (leaf.key != *key).then(|| hex::encode(leaf.key.as_bytes())),
            count: leaf.count,
            root: encode(&leaf.root),
        }),
    }
}

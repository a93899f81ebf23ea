//! The way from a timeline's head up to a signed checkpoint: tenant map, top map, map root record, tree, signature.
//!
//! Invariant: what is given back was computed from the signed root downwards; a step that does not hold ends the way
//! with a finding, and nothing below it is believed. Positions and directions come from the question, never from the
//! proof.

use super::case::Case;
use super::form::{GroundText, TimelineText};
use super::rows::Row;
use crate::check::Check;
use crate::finding::Finding;
use crate::maps::MapRoot;
use record::Timestamp;
use tlog::{CheckpointText, MapKey, Node, verify_inclusion};

/// What a checkpoint says about the maps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ground {
    pub(crate) map_root: MapRoot,
    /// When the map root record was written, by the log's own clock.
    pub(crate) ts: Timestamp,
    /// The record key that it names: its leaf is over all of its bytes.
    pub(crate) pub_key: [u8; 32],
}

/// A timeline's number of records and root; `None` when the timeline is proven to be absent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head(pub(crate) Option<(u64, Node)>);

impl Case<'_> {
    /// The map root that the checkpoint ends in. `pointer` is where the members of `text` stand.
    pub(crate) fn ground(&mut self, checkpoint: &CheckpointText, text: &GroundText, pointer: &str) -> Option<Ground> {
        let place = format!("{pointer}/map_record");
        let row = Row::examine(text.map_record.clone(), place.clone());
        let map_root = self.map_root(&row, checkpoint, &place)?;
        let said = row.said.as_ref()?;
        let (offset, size) = (said.envelope.offset, checkpoint.size());
        let held = verify_inclusion(&said.leaf, offset, size, checkpoint.root(), &text.map_path);
        if let Err(error) = held {
            let detail = format!("the map root record is not the last leaf of the checkpoint: {error}");
            self.push(Finding::new(Check::Inclusion, format!("{pointer}/map_path"), detail).at(offset));
            return None;
        }
        self.facts.as_of = Some(map_root.size);
        let (ts, pub_key) = (said.envelope.ts, said.envelope.pub_key);
        Some(Ground { map_root, ts, pub_key })
    }

    /// What the map root record says, if it is one and may stand where it stands.
    fn map_root(&mut self, row: &Row, checkpoint: &CheckpointText, pointer: &str) -> Option<MapRoot> {
        let clean = self.take_row(row);
        let said = row.said.as_ref()?;
        let offset = said.envelope.offset;
        self.check_log(&said.envelope.log, offset, pointer);
        let wrong = |member: &str, detail: &str| Finding::new(Check::Maps, format!("{pointer}{member}"), detail);
        let Some(map_root) = said.map_root.filter(|_| said.envelope.tenant.is_ledger()) else {
            self.push(wrong("/kind", "this is not a ledger.map_root of the ledger's own tenant").at(offset));
            return None;
        };
        let last = checkpoint.size().checked_sub(1);
        if last != Some(offset) {
            let finding = wrong("/offset", "the map root is not the checkpoint's last record").at(offset);
            self.push(finding.wanted(last.map_or("none".to_owned(), |last| last.to_string()), offset));
            return None;
        }
        if map_root.size > offset {
            let finding = wrong("/payload/size", "a map root covers records before it only").at(offset);
            self.push(finding.wanted(format!("{offset} at most"), map_root.size));
            return None;
        }
        clean.then_some(map_root)
    }

    /// The timeline's head under the map root of `ground`; `None` when a way does not hold.
    pub(crate) fn climb(&mut self, proof: &TimelineText, ground: &Ground, pointer: &str) -> Option<Head> {
        if ground.map_root.size != proof.as_of {
            let detail = "the checkpoint's map covers another number of records";
            let finding = Finding::new(Check::Maps, format!("{pointer}/as_of"), detail);
            self.push(finding.wanted(ground.map_root.size, proof.as_of));
            return None;
        }
        let root = &ground.map_root.root;
        let wrong = |member: &str, detail: String| Finding::new(Check::Maps, format!("{pointer}{member}"), detail);
        let key = MapKey::tenant(&proof.tenant);
        let tenant = match proof.top.proof(key).verify(root, &key) {
            Ok(Some(tenant)) => tenant,
            Ok(None) => {
                self.push(wrong("/top", "it does not lead to the tenant".to_owned()));
                return None;
            }
            Err(error) => {
                self.push(wrong("/top", format!("the way to the tenant does not hold: {error}")));
                return None;
            }
        };
        let (tenant_key, key) = (key, proof.key());
        for (way, key, member) in [
            (&proof.top, &tenant_key, "/top/end/key"),
            (&proof.map, &key, "/map/end/key"),
        ] {
            if way.names(key) {
                self.push(wrong(
                    member,
                    "the key that is asked about is not spelled out".to_owned(),
                ));
                return None;
            }
        }
        let head = match proof.map.proof(key).verify(&tenant.root, &key) {
            Ok(head) => head,
            Err(error) => {
                self.push(wrong("/map", format!("the way to the timeline does not hold: {error}")));
                return None;
            }
        };
        let chain = head.map_or(0, |head| head.count);
        if proof.label.is_empty() && chain != tenant.count {
            let finding = wrong(
                "/map/end/count",
                "the tenant's chain has another length in the top map".to_owned(),
            );
            self.push(finding.wanted(tenant.count, chain));
            return None;
        }
        Some(Head(head.map(|head| (head.count, head.root))))
    }
}

//! What is kept or said beside the records, held against the walk: map roots, checkpoints, tiles.

use super::Walk;
use crate::check::Check;
use crate::checkpoints::Moment;
use crate::examine::Said;
use crate::finding::Finding;
use crate::maps::MapRoot;
use record::Origin;
use tlog::Edge;

impl Walk<'_> {
    pub(super) fn compare_map_root(&mut self, said: &Said) {
        let (offset, tenant) = (said.envelope.offset, &said.envelope.tenant);
        let Some(claimed) = said.map_root else {
            self.worth = offset.saturating_add(1);
            return;
        };
        if !tenant.is_ledger() {
            let finding = Finding::new(
                Check::Maps,
                "/tenant",
                "a map root stands in the ledger's own tenant only",
            );
            self.findings.push(finding.at(offset));
            return;
        }
        match self.maps.compare(offset, claimed) {
            Ok(finding) => self.report(finding, offset),
            Err(reason) => self.findings.not_checked(Check::Maps, reason),
        }
    }

    pub(super) fn compare_checkpoints(&mut self, map_root: Option<MapRoot>) {
        if !self.checkpoints.is_due(self.next) {
            return;
        }
        let moment = Moment {
            size: self.next,
            root: self.tree.as_ref().map(Edge::root),
            map_root,
            keys: &self.keys,
            origin: self.seen.origin.as_ref().map_or("", Origin::as_str),
        };
        self.checkpoints.compare(&moment, &mut self.findings);
    }

    pub(super) fn compare_tiles(&mut self, offset: u64) {
        for tile in self.filled.drain(..) {
            let path = tile.id.path(None);
            let wrong = |detail: &str| Finding::new(Check::Tree, "", format!("{path}: {detail}")).at(offset);
            let stored = match &mut self.derived {
                Some(derived) => derived.tile(tile.id),
                None => continue,
            };
            match stored {
                Ok(Some(nodes)) if nodes == tile.nodes => {}
                Ok(Some(_)) => self.findings.push(wrong("another tile is stored")),
                Ok(None) => self.findings.push(wrong("the tile is not stored")),
                Err(detail) => self.findings.push(wrong(&detail)),
            }
        }
    }
}

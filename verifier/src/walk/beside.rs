//! What is kept or said beside the records, held against the walk: map roots, checkpoints, tiles.

use super::Walk;
use crate::anchors::Dated;
use crate::check::Check;
use crate::checkpoints::Moment;
use crate::envelope::Envelope;
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
        if claimed.size <= offset {
            self.compare_versions(offset, claimed);
        }
        match self.maps.compare(offset, claimed) {
            Ok(finding) => self.report(finding, offset),
            Err(reason) => self.findings.not_checked(Check::Maps, reason),
        }
    }

    pub(super) fn compare_checkpoints(&mut self, map_root: Option<MapRoot>) {
        let is_kept = self.checkpoints.is_due(self.next);
        let is_anchored = self.anchors.is_due(self.next, map_root.is_some());
        if !is_kept && !is_anchored {
            return;
        }
        let moment = Moment {
            size: self.next,
            root: self.tree.as_ref().map(Edge::root),
            map_root,
            keys: &self.keys,
            origin: self.seen.origin.as_ref().map_or("", Origin::as_str),
        };
        if is_kept {
            self.checkpoints.compare(&moment, &mut self.findings);
        }
        if is_anchored {
            self.anchors.compare(&moment, &mut self.findings);
        }
    }

    pub(super) fn compare_told(&mut self, said: &Said) {
        // Behind a lost record no tree head is known to hold it against.
        let is_whole = self.tree.is_some() && said.envelope.tenant.is_ledger();
        let own = said.anchored.as_ref().filter(|_| is_whole);
        if let Some(told) = own {
            let Envelope { offset, ts, .. } = said.envelope;
            self.anchors.told(told, offset, ts, &mut self.findings);
        }
    }

    /// Judges the anchors at the end of the log.
    pub(crate) fn finish_anchors(&mut self) -> Dated {
        let now = Moment {
            size: self.next,
            root: self.tree.as_ref().map(Edge::root),
            map_root: None,
            keys: &self.keys,
            origin: self.seen.origin.as_ref().map_or("", Origin::as_str),
        };
        self.anchors.finish(&now, self.open_gap, &mut self.findings)
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

//! The maps that are stored beside the log, held against those that the walk recomputes.
//!
//! Invariant: a version that is stored is compared at its own size, in order, before the walk's heads move beyond it: when a
//! map root names it, or at the latest when the maps would follow their queue past it. The trees of the timelines are
//! compared with the newest one, while the heads are those of that version. Maps follow from the log, so a store without
//! any, or with older ones than the log names, lacks nothing that cannot be made again: that is said and is no fault. A
//! version that is there and is wrong is one.

use super::Walk;
use crate::check::Check;
use crate::finding::Finding;
use crate::maps::MapRoot;
use crate::source::{Derived, MapVersion, StoredMaps, TimelineName};
use std::collections::VecDeque;
use tlog::Node;

const NONE: &str = "no maps are stored: they are made again from the log when it is opened";

/// What is stored, as far as it was not compared yet.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    /// Versions that wait for the walk.
    waiting: VecDeque<MapVersion>,
    /// The whole version that was compared last.
    before: Option<u64>,
    newest: Option<MapVersion>,
}

impl Walk<'_> {
    /// Asks which versions are stored.
    pub(super) fn await_versions(&mut self) {
        let maps = self.derived.as_deref().map(Derived::maps);
        let versions = match maps {
            None => {
                return self
                    .findings
                    .not_asked(Check::StoredMaps, "the stored maps were not given");
            }
            Some(None) => Ok(Vec::new()),
            Some(Some(maps)) => maps.versions(),
        };
        match versions {
            Ok(versions) if versions.is_empty() => self.findings.not_asked(Check::StoredMaps, NONE),
            Ok(versions) => {
                self.stored.newest = versions.last().copied();
                self.stored.waiting = versions.into();
            }
            Err(detail) => self.findings.push(Finding::new(Check::StoredMaps, "", detail)),
        }
    }

    /// Compares the versions up to the one that the map root at `offset` names, which must be whole if it is there.
    pub(super) fn compare_versions(&mut self, offset: u64, named: MapRoot) {
        while let Some(version) = self.stored.waiting.pop_front_if(|version| version.size <= named.size) {
            if version.size == named.size && !version.whole {
                let detail = format!("version {} is named by a map root and not kept as whole", version.size);
                self.findings
                    .push(Finding::new(Check::StoredMaps, "", detail).at(offset));
            }
            self.compare_version(version);
        }
    }

    /// Compares the versions that the next record would move the heads beyond. No map root behind it names fewer records.
    pub(super) fn compare_before_moving(&mut self) {
        let Some(size) = self.maps.about_to_pass() else { return };
        while let Some(version) = self.stored.waiting.pop_front_if(|version| version.size <= size) {
            self.compare_version(version);
        }
    }

    /// Compares what is left.
    pub(crate) fn finish_versions(&mut self) {
        let size = self.next;
        while let Some(version) = self.stored.waiting.pop_front() {
            if version.size > size && !self.open_gap && self.lost == 0 {
                let finding = Finding::new(
                    Check::StoredMaps,
                    "",
                    "a version of the maps has more records than the log",
                );
                let finding = finding.wanted(format!("{size} at most"), version.size);
                self.findings.push(finding.at(size));
            } else {
                self.compare_version(version);
            }
        }
        let Some(newest) = self.stored.newest else { return };
        let named = self.maps.last().map_or(0, |root| root.size);
        if !newest.whole || newest.size < named {
            let reason = format!(
                "the stored maps end at {} records, short of the newest map root: they are made again when the log is opened",
                newest.size
            );
            self.findings.not_asked(Check::StoredMaps, reason);
        }
    }

    fn compare_version(&mut self, version: MapVersion) {
        let (size, before) = (version.size, self.stored.before);
        if !version.whole {
            return;
        }
        let root = match self.maps.root_at(size) {
            Ok(root) => root,
            Err(reason) => return self.findings.not_checked(Check::StoredMaps, reason),
        };
        let Some(maps) = self.derived.as_deref().and_then(Derived::maps) else {
            return;
        };
        let stored = maps.root(before, size);
        self.stored.before = Some(size);
        match stored {
            Ok(stored) if stored == root => {}
            Ok(stored) => {
                let detail = format!("version {size} of the stored maps is not that of the timelines as they were");
                let finding = Finding::new(Check::StoredMaps, "", detail).wanted(root, stored);
                self.findings.push(finding.at(size.saturating_sub(1)));
            }
            Err(detail) => {
                let finding = Finding::new(Check::StoredMaps, "", detail);
                self.findings.push(finding.at(size.saturating_sub(1)));
            }
        }
        if self.stored.newest == Some(version) {
            self.compare_trees();
        }
    }

    fn compare_trees(&mut self) {
        let Some(maps) = self.derived.as_deref().and_then(Derived::maps) else {
            return;
        };
        let (rebuilt, findings) = (&self.maps, &mut self.findings);
        let look = |name: TimelineName<'_>, number| {
            let (count, root) = rebuilt.head(number).filter(|(count, _)| *count > 0)?;
            tree_fault(maps, name, (count, root))
        };
        self.tenants
            .find_all(look)
            .into_iter()
            .for_each(|finding| findings.push(finding));
    }
}

fn tree_fault(maps: &dyn StoredMaps, name: TimelineName<'_>, (count, root): (u64, Node)) -> Option<Finding> {
    let detail = match maps.tree(name, count) {
        Ok(stored) if stored == root => return None,
        Ok(_) => format!("its first {count} leaves are not those of the records"),
        Err(detail) => detail,
    };
    Some(Finding::new(Check::StoredMaps, "", format!("tree of {name}: {detail}")))
}

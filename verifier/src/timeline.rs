//! One timeline while a log is walked: its tree is rebuilt leaf by leaf and compared with what the store kept.
//!
//! Memory is one frontier (at most 2 KiB, usually a few hundred bytes) per distinct timeline. After a lost record the
//! tree cannot be rebuilt, because a leaf is missing: then only the positions are followed and the head is not compared.

use crate::check::Check;
use crate::finding::Finding;
use crate::source::TimelineEntry;
use tlog::{Frontier, Node};

/// The state of one timeline.
#[derive(Debug)]
pub(crate) struct Timeline {
    /// Its number in the maps.
    pub(crate) number: u32,
    tree: Tree,
    /// Lost records of the whole log when this timeline last grew.
    lost_before: u64,
}

#[derive(Debug)]
enum Tree {
    /// Every leaf is known.
    Whole(Frontier),
    /// A leaf is missing; the next position.
    Torn(u64),
}

impl Timeline {
    /// A timeline without records.
    pub(crate) fn new(number: u32) -> Self {
        Self {
            number,
            tree: Tree::Whole(Frontier::new()),
            lost_before: 0,
        }
    }

    /// Appends the leaf of a record that came without anything stored beside it.
    pub(crate) fn grow(&mut self, leaf: Node) {
        match &mut self.tree {
            Tree::Whole(frontier) => {
                frontier.append(leaf, |_| ());
            }
            Tree::Torn(next) => *next += 1,
        }
    }

    /// The rebuilt tree; `None` when a leaf of it is lost.
    pub(crate) const fn frontier(&self) -> Option<&Frontier> {
        match &self.tree {
            Tree::Whole(frontier) => Some(frontier),
            Tree::Torn(_) => None,
        }
    }

    /// Appends the leaf of a sound record and compares its stored entry; `name` describes the timeline.
    pub(crate) fn append(
        &mut self,
        leaf: Node,
        entry: &TimelineEntry,
        lost: u64,
        name: impl Fn() -> String,
    ) -> Option<Finding> {
        let next = self.next();
        let explained = self.explains(entry.position, lost);
        self.lost_before = lost;
        if explained {
            self.tree = Tree::Torn(entry.position.saturating_add(1));
            return None;
        }
        let wrong = || Finding::new(Check::Timelines, "", name());
        let misplaced = (entry.position != next).then(|| wrong().wanted(place(next), place(entry.position)));
        match &mut self.tree {
            Tree::Torn(next) => {
                *next += 1;
                misplaced
            }
            Tree::Whole(frontier) => {
                let differs = append_and_compare(frontier, leaf, entry);
                misplaced.or_else(|| differs.map(|(expected, found)| wrong().wanted(expected, found)))
            }
        }
    }

    /// Whether `lost` records explain why the stored head has more leaves than were met.
    pub(crate) fn explains(&self, stored: u64, lost: u64) -> bool {
        let skipped = stored.saturating_sub(self.next());
        skipped > 0 && skipped <= lost - self.lost_before
    }

    fn next(&self) -> u64 {
        match &self.tree {
            Tree::Whole(frontier) => frontier.size(),
            Tree::Torn(next) => *next,
        }
    }
}

/// Grows the tree by `leaf`; where the completed nodes differ from the stored ones, what was expected and found.
fn append_and_compare(frontier: &mut Frontier, leaf: Node, entry: &TimelineEntry) -> Option<(String, String)> {
    let mut stored = entry.completed.iter();
    let mut computed = 0;
    let mut differs = None;
    frontier.append(leaf, |node| {
        computed += 1;
        match stored.next() {
            Some(found) if *found == node => {}
            Some(found) if differs.is_none() => {
                differs = Some((format!("node {node}"), format!("node {found}")));
            }
            _ => {}
        }
    });
    let count = |nodes| format!("{nodes} completed nodes");
    let uneven = computed != entry.completed.len();
    differs.or_else(|| uneven.then(|| (count(computed), count(entry.completed.len()))))
}

fn place(position: u64) -> String {
    format!("position {position}")
}

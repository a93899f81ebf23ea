//! One tenant's chain while a log is walked: `seq` and `prev`, and how it goes on after a record that is lost.
//!
//! Invariant: a sound record that does not continue the chain is a finding, unless unreadable records explain the gap;
//! either way the chain then continues from that record, so that one fault is one finding.

use crate::check::Check;
use crate::finding::Finding;
use record::Hash;

/// What the next record of a tenant must continue.
#[derive(Debug, Default)]
pub(crate) struct Chain {
    length: u64,
    last: Option<Hash>,
    /// Lost records of the whole log when this chain was last continued.
    lost_before: u64,
}

/// A record's place in its chain.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link<'a> {
    pub(crate) seq: u64,
    pub(crate) prev: Option<&'a Hash>,
    pub(crate) hash: Hash,
}

impl Chain {
    /// Whether nothing has continued this chain yet.
    pub(crate) const fn is_new(&self) -> bool {
        self.length == 0
    }

    /// Continues with a sound record; `lost` counts the log's lost records so far.
    pub(crate) fn extend(&mut self, link: &Link<'_>, lost: u64) -> Option<Finding> {
        let finding = self.check(link, lost);
        self.length = link.seq.saturating_add(1);
        self.last = Some(link.hash);
        self.lost_before = lost;
        finding
    }

    fn check(&self, link: &Link<'_>, lost: u64) -> Option<Finding> {
        if link.seq == self.length && link.prev == self.last.as_ref() {
            return None;
        }
        let skipped = link.seq.checked_sub(self.length);
        if skipped.is_some_and(|skipped| skipped > 0 && skipped <= lost - self.lost_before) {
            return None;
        }
        if link.seq != self.length {
            let detail = "the record does not follow its tenant's last one";
            return Some(Finding::new(Check::Chain, "/seq", detail).wanted(self.length, link.seq));
        }
        let text = |hash: Option<&Hash>| hash.map_or_else(|| "null".to_owned(), Hash::to_string);
        let finding = Finding::new(
            Check::Chain,
            "/prev",
            "the record does not continue its tenant's last one",
        );
        Some(finding.wanted(text(self.last.as_ref()), text(link.prev)))
    }
}

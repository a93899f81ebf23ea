//! By when the records of a log existed, and by whose clock: what anchors that pass are worth.

use record::Timestamp;
use serde_json::{Value, json};
use std::collections::VecDeque;
use tlog::Node;

/// Datings that are kept, the newest ones.
const DATED: usize = 1_024;

/// How old a log is known to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dated {
    /// Anchors that were given.
    pub anchors: u64,
    /// Of those, how many are the log's own, over its own tree.
    pub verified: u64,
    /// What dates it, by size; of very many the newest.
    pub existed: VecDeque<Existed>,
}

/// The first `size` records existed by then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Existed {
    /// Number of records.
    pub size: u64,
    /// Root of the tree over them.
    pub root: Node,
    /// When, at the latest.
    pub by: Timestamp,
    /// Whose clock says so.
    pub says: Clock,
}

/// Whose clock a time is of: an anchor is worth what its clock is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clock {
    /// A witness of the policy, in its cosignature.
    Witness(String),
    /// What keeps the file of this name.
    File(String),
    /// The log, in the record at this offset about an anchor of this kind at this place.
    Log {
        /// Offset of the `checkpoint.anchored`.
        offset: u64,
        /// What anchor: `dir` or `https`, and the file or host.
        anchor: String,
    },
}

impl Dated {
    pub(super) fn push(&mut self, existed: Existed) {
        if self.existed.len() >= DATED {
            self.existed.pop_front();
        }
        self.existed.push_back(existed);
    }

    /// `{anchors, verified, existed: [{size, root, by, says}]}`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let existed = self.existed.iter().map(|existed| {
            json!({
                "size": existed.size,
                "root": existed.root.to_string(),
                "by": existed.by.to_string(),
                "says": existed.says.to_string(),
            })
        });
        let existed: Vec<Value> = existed.collect();
        json!({"anchors": self.anchors, "verified": self.verified, "existed": existed})
    }

    /// What dates the largest size that an anchor was given for, for people: each clock once.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let given = |existed: &&Existed| !matches!(existed.says, Clock::Log { .. });
        let Some(newest) = self.existed.iter().filter(given).map(|existed| existed.size).max() else {
            return Vec::new();
        };
        let of_it = self.existed.iter().filter(|existed| existed.size == newest);
        let line = |existed: &Existed| {
            format!(
                "the first {newest} records existed by {} ({})",
                existed.by, existed.says
            )
        };
        of_it.map(line).collect()
    }
}

impl std::fmt::Display for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Witness(name) => write!(f, "witness {name}"),
            Self::File(name) => write!(f, "file {name}"),
            Self::Log { offset, anchor } => write!(f, "record {offset}: {anchor}"),
        }
    }
}

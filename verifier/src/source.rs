//! What a caller feeds the verifier: stored records in the order of the store, and what the store keeps beside them.
//!
//! The verifier opens no file. Whoever holds the store (the command line, through the ledger's read-only reader)
//! decrypts its blocks and hands them over as [`Item`]s; a block that does not decrypt becomes [`Damaged`] and the walk
//! goes on behind it. What the store derives from records (tiles, timeline heads) is asked for through [`Derived`].

use record::Hash;
use std::fmt;
use std::sync::Arc;
use tlog::{Node, TileId};

/// One piece of a store, in offset order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// Records that follow each other, any number of them: typically one block.
    Records(Vec<StoredRecord>),
    /// Records that could not be read.
    Damaged(Damaged),
}

/// One record as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecord {
    /// The record's bytes.
    pub bytes: Arc<[u8]>,
    /// Per timeline, in the order of the format: the tenant's whole chain, the kind, then the record's links whose
    /// label has a timeline.
    pub timelines: Vec<TimelineEntry>,
}

/// The place of one record in one timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineEntry {
    /// Leaf index in the timeline's tree.
    pub position: u64,
    /// Nodes that this leaf completed, bottom up.
    pub completed: Vec<Node>,
}

/// A stretch of the log that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// Its first offset.
    pub from_offset: u64,
    /// The first offset behind it; `None` when nothing behind it is known.
    pub to_offset: Option<u64>,
    /// What went wrong, without any content.
    pub detail: String,
}

/// What the store says about the end of its log. An absent claim leaves its check "not checked".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// The end of the log as HEAD has it.
    pub head: Option<Head>,
    /// The log tree's root as the store or a checkpoint has it.
    pub tree: Option<TreeHead>,
    /// Every checkpoint that is kept or known from elsewhere, as signed notes in any order.
    pub checkpoints: Vec<String>,
    /// Checkpoints that were kept out of the operator's reach.
    pub anchors: Vec<Anchor>,
}

/// One anchored checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// How findings name it: the file.
    pub name: String,
    /// The signed note.
    pub note: String,
    /// When it was written, in microseconds since the Unix epoch, by the clock of what keeps it.
    pub written: Option<i64>,
}

/// The end of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Number of records.
    pub size: u64,
    /// Hash of the last record; `None` for an empty log.
    pub last_hash: Option<Hash>,
}

/// A tree head: the root alone does not bind the size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeHead {
    /// Number of leaves.
    pub size: u64,
    /// RFC 6962 root over them.
    pub root: Node,
}

/// Names one timeline. The tenant's whole chain has an empty label and an empty target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimelineName<'a> {
    /// The tenant.
    pub tenant: &'a str,
    /// `kind` or a link's label; empty for the whole chain.
    pub label: &'a str,
    /// The bare kind or a link's target; empty for the whole chain.
    pub target: &'a str,
}

impl fmt::Display for TimelineName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tenant, label, target } = self;
        match *label {
            "" => write!(f, "the whole chain of {tenant}"),
            label => write!(f, "timeline {label} {target} of {tenant}"),
        }
    }
}

/// The maps over all timelines, and the trees of the timelines, as a store keeps them. Errors are sentences without
/// content that name the page or node; each becomes a finding. Asked by many threads at once.
pub trait StoredMaps: Sync {
    /// The versions that are kept, in order.
    ///
    /// # Errors
    /// They cannot be read.
    fn versions(&self) -> Result<Vec<MapVersion>, String>;

    /// The root of the top map in the version over `size` records, after comparing every page below it with the page above;
    /// pages that it shares with the version over `before` records were looked at with that one.
    ///
    /// # Errors
    /// A page is missing, does not read, or is not the one that the page above names.
    fn root(&self, before: Option<u64>, size: u64) -> Result<Node, String>;

    /// The root over the first `count` leaves of a timeline, after recomputing every node that is stored of its tree.
    ///
    /// # Errors
    /// A node is missing or another one is stored.
    fn tree(&self, name: TimelineName<'_>, count: u64) -> Result<Node, String>;
}

/// A version of the stored maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapVersion {
    /// Number of records that it covers.
    pub size: u64,
    /// Whether proofs are made from it; if not, it is a step of catching up with the log.
    pub whole: bool,
}

/// Looks up what a store derives from its records. Errors are sentences without content; each becomes a finding.
///
/// Heads are stored under keyed hashes, so a store cannot list their names: the verifier asks for every timeline that it
/// met while walking, once, at the end, and compares the number of heads, which shows one that no record accounts for.
pub trait Derived: Send {
    /// The stored frontier of a timeline ([`tlog::Frontier::encode`]).
    ///
    /// # Errors
    /// It is there and cannot be read.
    fn timeline_head(&mut self, name: TimelineName<'_>) -> Result<Option<Vec<u8>>, String>;

    /// How many timeline heads are stored.
    ///
    /// # Errors
    /// They cannot be counted.
    fn timeline_count(&mut self) -> Result<u64, String>;

    /// The maps over all timelines as they are stored; `None` where none are kept, because they follow from the log.
    fn maps(&self) -> Option<&dyn StoredMaps> {
        None
    }

    /// The 256 nodes of a full tile of the log tree. Asked for while walking, in the order in which tiles fill.
    ///
    /// # Errors
    /// It is there and cannot be read.
    fn tile(&mut self, id: TileId) -> Result<Option<Vec<Node>>, String>;
}

//! What can be asked of a ledger about its signed trees, and what it answers.
//!
//! Everything here is as it travels: in JSON, on the bus and in an answer of the API alike. Nodes are base64 of 32 bytes
//! in the order that docs/FORMAT.md gives for each proof. Nothing here verifies: the verifier has readers of its own.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Base64 (standard, padded) of a node's 32 bytes.
pub type NodeText = String;

/// How long an answer about a checkpoint is held back at most, in milliseconds, whatever is asked for.
pub const LONGEST_WAIT_MS: u64 = 30_000;
/// Checkpoints on one page at most.
pub const PAGE_CHECKPOINTS: u16 = 500;
/// Level of a tile at most (C2SP tlog-tiles).
const LAST_LEVEL: u8 = 63;

/// A question about the log's tree, its checkpoints, or one timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
pub enum Question {
    /// The newest checkpoint. Waits up to `wait_ms` until there is one that covers the first `covering` records and, with
    /// `witnessed`, that a quorum of witnesses has cosigned.
    Checkpoint {
        /// Number of records that it covers at least; 0 for any.
        covering: u64,
        /// Whether the quorum of the policy has to be met.
        witnessed: bool,
        /// How long the answer may take, in milliseconds.
        wait_ms: u64,
    },
    /// Kept checkpoints, newest first: those with fewer than `below` records, all without it.
    Checkpoints {
        /// Where the page before ended.
        below: Option<u64>,
        /// How many at most, 1 to 500.
        limit: u16,
    },
    /// That the record at `offset` is in the tree of `size` leaves; of the newest checkpoint without a size.
    Inclusion {
        /// The leaf.
        offset: u64,
        /// The tree's size; it need not be that of a kept checkpoint.
        size: Option<u64>,
    },
    /// That the tree of `to` leaves continues the tree of `from` leaves.
    Consistency {
        /// The smaller size.
        from: u64,
        /// The larger size.
        to: u64,
    },
    /// That the records from `from` to before `until` stand side by side in the tree of `size` leaves.
    Range {
        /// The first leaf.
        from: u64,
        /// Behind the last leaf.
        until: u64,
        /// The tree's size.
        size: u64,
    },
    /// The nodes of a tile, as C2SP tlog-tiles has them.
    Tile {
        /// 0 for leaf hashes.
        level: u8,
        /// Number of the tile within its level.
        index: u64,
        /// 1 to 255 for a partial tile.
        width: Option<u8>,
    },
    /// The leaf data of a tile of level 0, as C2SP tlog-tiles has it.
    Entries {
        /// Number of the tile.
        index: u64,
        /// 1 to 255 for a partial bundle.
        width: Option<u8>,
    },
    /// Which witnesses the ledger asks, and how many are enough.
    Policy,
    /// What the newest map that covers at most `at_most` records proves about a timeline.
    Timeline {
        /// Whose.
        tenant: String,
        /// `actor`, `kind` and so on; empty for the whole chain.
        label: String,
        /// The link's target or the kind; empty for the whole chain.
        target: String,
        /// Number of records that the reader has: a later map is of no use to it.
        at_most: u64,
        /// The stretch that is asked about; without it only the head, or the absence, is proven.
        stretch: Option<Stretch>,
    },
}

impl Question {
    /// Whether it can be asked at all: its members are within their bounds and agree with each other. What the log says to
    /// it is another matter.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        match self {
            Self::Checkpoint { .. } | Self::Inclusion { .. } | Self::Policy => true,
            Self::Checkpoints { limit, .. } => (1..=PAGE_CHECKPOINTS).contains(limit),
            Self::Consistency { from, to } => from <= to,
            Self::Range { from, until, .. } => from < until,
            Self::Tile { level, width, .. } => *level <= LAST_LEVEL && *width != Some(0),
            Self::Entries { width, .. } => *width != Some(0),
            Self::Timeline {
                tenant,
                label,
                target,
                stretch,
                ..
            } => {
                // A label without timelines would be "proven" absent whatever the log holds.
                let named = record::link::TIMELINE_LABELS.contains(&label.as_str()) && !target.is_empty();
                let whole = label.is_empty() && target.is_empty();
                record::Tenant::parse(tenant).is_some()
                    && (named || whole)
                    && stretch.is_none_or(|stretch| stretch.first <= stretch.last)
            }
        }
    }
}

/// A stretch of a timeline, named by the offsets of its first and last record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stretch {
    /// Offset of its first record, which is in the timeline.
    pub first: u64,
    /// Offset of its last record, which is in the timeline.
    pub last: u64,
}

/// What a ledger answers to a [`Question`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "answer", content = "value", rename_all = "snake_case")]
pub enum Answer {
    /// The newest checkpoint, whether or not it is what was waited for; `None` while there is none.
    Checkpoint(Option<SignedCheckpoint>),
    /// Kept checkpoints, newest first.
    Checkpoints(Vec<SignedCheckpoint>),
    /// The nodes of an inclusion, consistency or range proof.
    Path(PathProof),
    /// Bytes of a tile or an entry bundle, in base64.
    Bytes(String),
    /// A C2SP tlog-policy without the addresses of its witnesses; `None` where no witness is asked.
    Policy(Option<String>),
    /// About a timeline.
    Timeline(Box<TimelineProof>),
    /// It cannot be proven (yet), and why. A tile that no checkpoint covers is one of these too.
    Unprovable(Unprovable),
}

/// Why something cannot be proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Unprovable {
    /// This ledger signs no checkpoints.
    #[error("this log is run without checkpoints")]
    Disabled,
    /// No checkpoint covers it yet.
    #[error("no checkpoint covers it yet: ask again in a moment")]
    NotYet,
    /// There are not so many records.
    #[error("the log has fewer records")]
    BeyondEnd,
    /// The tenant begins behind what the map covers, or not at all.
    #[error("no map covers the beginning of this tenant")]
    TenantUnknown,
    /// The maps that would prove it are gone.
    #[error("the maps of that time are no longer kept")]
    Expired,
}

/// A checkpoint that the ledger has signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedCheckpoint {
    /// Number of records that it covers.
    pub size: u64,
    /// Number of records that the map in its last leaf covers.
    pub map_size: u64,
    /// When it was signed, in microseconds since the Unix epoch, by the ledger's clock.
    pub signed_at: i64,
    /// Whether the witnesses that have cosigned it are a quorum by the ledger's policy; `None` where there is no policy.
    pub witnessed: Option<bool>,
    /// The signed note, cosignatures included (C2SP tlog-checkpoint).
    pub note: String,
}

/// The nodes of an inclusion, consistency or range proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathProof {
    /// Size of the tree that the proof leads to.
    pub size: u64,
    /// The nodes: RFC 6962 order for inclusion and consistency; for a range those left of it, then those right of it,
    /// each from left to right.
    pub nodes: Vec<NodeText>,
    /// The newest checkpoint that has exactly this size, where one is kept.
    pub checkpoint: Option<SignedCheckpoint>,
}

/// A proof about one timeline: `proof` in an answer of the API, and part of a proof bundle.
///
/// From the bottom up: `range` leads from the records to the timeline's root, `map` from there to the root of the tenant's
/// map, `top` from there to the root that `map_record` names, `map_path` from that record's leaf to the root of
/// `checkpoint`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TimelineProof {
    /// Version of this form: 1.
    pub v: u8,
    /// Whose timeline.
    pub tenant: String,
    /// `actor`, `kind` and so on; empty for the whole chain.
    pub label: String,
    /// The link's target or the kind; empty for the whole chain.
    pub target: String,
    /// Everything below this offset is covered: the `size` in the payload of `map_record`.
    pub as_of: u64,
    /// The signed note whose last leaf is `map_record`.
    pub checkpoint: String,
    /// The `ledger.map_root` record.
    pub map_record: Box<RawValue>,
    /// Inclusion of the checkpoint's last leaf, RFC 6962 order.
    pub map_path: Vec<NodeText>,
    /// The tenant in the top map: `end` is always there and holds the tenant's chain count and map root.
    pub top: MapPath,
    /// The timeline in the tenant's map. Proven absent when `end` is missing or has a `key`.
    pub map: MapPath,
    /// The stretch that was asked about; missing when nothing of it lies below `as_of`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub range: Option<TimelineRange>,
}

/// A way through a map.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapPath {
    /// The halves that the way does not take, the root's child first.
    pub siblings: Vec<NodeText>,
    /// The leaf at its end; missing for a half without keys.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub end: Option<MapEnd>,
}

/// A leaf of a map.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapEnd {
    /// 64 hex digits: only where the leaf is that of another key, which proves absence.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key: Option<String>,
    /// Number of leaves of the tree below.
    pub count: u64,
    /// Root of the tree or map below.
    pub root: NodeText,
}

/// Records that stand side by side in a timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineRange {
    /// Position of the first one.
    pub from: u64,
    /// Behind the position of the last one.
    pub until: u64,
    /// The nodes left of them, then those right of them, each from left to right.
    pub nodes: Vec<NodeText>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_travels_as_json() {
        let question = Question::Timeline {
            tenant: "acme".into(),
            label: "actor".into(),
            target: "agent:a1".into(),
            at_most: 9,
            stretch: Some(Stretch { first: 2, last: 7 }),
        };
        let text = serde_json::to_string(&question).unwrap();
        let expected = r#"{"ask":"timeline","tenant":"acme","label":"actor","target":"agent:a1","at_most":9,"stretch":{"first":2,"last":7}}"#;
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<Question>(&text).unwrap(), question);
        assert!(serde_json::from_str::<Question>(r#"{"ask":"tile","level":0,"index":1,"width":3,"x":1}"#).is_err());
    }

    #[test]
    fn an_answer_travels_as_json() {
        let answer = Answer::Unprovable(Unprovable::NotYet);
        assert_eq!(
            serde_json::to_string(&answer).unwrap(),
            r#"{"answer":"unprovable","value":"not_yet"}"#
        );
        let path = Answer::Path(PathProof {
            size: 3,
            nodes: vec!["AA==".into()],
            checkpoint: None,
        });
        let text = serde_json::to_string(&path).unwrap();
        assert!(matches!(
            serde_json::from_str(&text).unwrap(),
            Answer::Path(PathProof { size: 3, .. })
        ));
    }
}

//! What a role asks the ledger to write down on the ledger's own authority.
//!
//! Closed: a role reports what it did, in these words, and the ledger checks the words by the kind's schema like every
//! other record. Sending a report again writes a second record that says the same.

use domain::payload::{AnchorKind, CheckpointAnchorFailed, CheckpointAnchored, ProjectionVerified};
use record::{Fault, Link};
use serde::{Deserialize, Serialize};

/// One report. In JSON `{"kind": "projection.verified", "payload": {..}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "payload", deny_unknown_fields)]
pub enum Report {
    /// A projector compared its read model with a replay of the log.
    #[serde(rename = "projection.verified")]
    ProjectionVerified(ProjectionVerified),
    /// The process that has the log gave a checkpoint to an anchor.
    #[serde(rename = "checkpoint.anchored")]
    CheckpointAnchored(CheckpointAnchored),
    /// It could not.
    #[serde(rename = "checkpoint.anchor_failed")]
    CheckpointAnchorFailed(CheckpointAnchorFailed),
}

impl Report {
    /// The kind of the record, at schema version 1, in the tenant of the ledger.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::ProjectionVerified(_) => "projection.verified",
            Self::CheckpointAnchored(_) => "checkpoint.anchored",
            Self::CheckpointAnchorFailed(_) => "checkpoint.anchor_failed",
        }
    }

    /// Whether another process may report it. What the process with the log does itself, nobody else says of it.
    #[must_use]
    pub const fn is_of_any_role(&self) -> bool {
        match self {
            Self::ProjectionVerified(_) => true,
            Self::CheckpointAnchored(_) | Self::CheckpointAnchorFailed(_) => false,
        }
    }

    /// The links of the record: what the report is about.
    ///
    /// # Errors
    /// A name that no link can have, which the kind's schema refuses too.
    pub fn links(&self) -> Result<Vec<Link>, Fault> {
        match self {
            Self::ProjectionVerified(verified) => {
                Link::new("resource", format!("projection:{}", verified.projection)).map(|link| vec![link])
            }
            Self::CheckpointAnchored(anchored) => of_anchor(anchored.anchor),
            Self::CheckpointAnchorFailed(failed) => of_anchor(failed.anchor),
        }
    }

    /// The payload of the record.
    ///
    /// # Errors
    /// None of today's reports has one.
    pub fn payload(&self) -> Result<serde_json::Value, serde_json::Error> {
        match self {
            Self::ProjectionVerified(verified) => serde_json::to_value(verified),
            Self::CheckpointAnchored(anchored) => serde_json::to_value(anchored),
            Self::CheckpointAnchorFailed(failed) => serde_json::to_value(failed),
        }
    }
}

fn of_anchor(anchor: AnchorKind) -> Result<Vec<Link>, Fault> {
    Link::new("resource", format!("anchor:{}", anchor.as_str())).map(|link| vec![link])
}

//! `key.rotated` 1: one of the log's keys is replaced, from the next offset on.

use record::rotation::Role;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One rotation. `pop` and `root_sig` sign the same statement ([`record::rotation::Rotation`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyRotated {
    /// Which key.
    pub role: KeyRole,
    /// The key until now, base64 of 32 bytes.
    #[schemars(length(equal = 44))]
    pub old: String,
    /// The key from the next offset on, base64 of 32 bytes.
    #[schemars(length(equal = 44))]
    pub new: String,
    /// Proof of possession by the new key, base64 of 64 bytes.
    #[schemars(length(equal = 88))]
    pub pop: String,
    /// The root key's consent, base64 of 64 bytes.
    #[schemars(length(equal = 88))]
    pub root_sig: String,
}

/// Which of the log's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum KeyRole {
    /// Signs records.
    Record,
    /// Signs checkpoints.
    Checkpoint,
}

impl From<KeyRole> for Role {
    fn from(role: KeyRole) -> Self {
        match role {
            KeyRole::Record => Self::Record,
            KeyRole::Checkpoint => Self::Checkpoint,
        }
    }
}

//! `key.rotated` 1: one of the log's keys is replaced, from the next offset on.

use super::{Payload, unless};
use record::key::decode_base64;
use record::rotation::Role;
use record::{Fault, PublicKey};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

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

impl Payload for KeyRotated {
    fn findings(payload: &Value) -> Vec<Fault> {
        let is_key = |text: &str| PublicKey::from_base64(text).is_some();
        let is_signature = |text: &str| decode_base64::<64>(text).is_some();
        let key = |member| {
            unless(
                payload,
                member,
                is_key,
                "a public key is base64 of 32 bytes, not a weak one",
            )
        };
        let signature = |member| unless(payload, member, is_signature, "a signature is base64 of 64 bytes");
        let findings = [key("/old"), key("/new"), signature("/pop"), signature("/root_sig")];
        findings.into_iter().flatten().collect()
    }
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

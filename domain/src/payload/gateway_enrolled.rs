//! `gateway.enrolled` 1: whoever holds this key may send commands to the ledger over the bus, until the key is revoked.

use super::{Payload, unless};
use record::{Fault, PublicKey};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One enrolment. A name and a key are enrolled once: who lost a key takes a new name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GatewayEnrolled {
    /// The name that commands carry, `[a-z0-9][a-z0-9-]{0,62}`.
    #[schemars(regex(pattern = r"^[a-z0-9][a-z0-9-]{0,62}$"))]
    pub gateway: String,
    /// Public key that signs the commands, base64 of 32 bytes.
    #[schemars(length(equal = 44))]
    pub public_key: String,
    /// What it may ask for.
    pub role: GatewayRole,
}

/// What somebody who is enrolled may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum GatewayRole {
    /// Every command: appends, reads and openings of sealed values.
    Gateway,
    /// Reads of what the log holds, and nothing that is sealed: projectors.
    Reader,
}

impl GatewayRole {
    /// The text in the record.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Reader => "reader",
        }
    }

    /// Reads the text of the record.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "gateway" => Some(Self::Gateway),
            "reader" => Some(Self::Reader),
            _ => None,
        }
    }
}

impl Payload for GatewayEnrolled {
    fn findings(payload: &Value) -> Vec<Fault> {
        let is_key = |text: &str| PublicKey::from_base64(text).is_some();
        let detail = "a public key is base64 of 32 bytes, not a weak one";
        unless(payload, "/public_key", is_key, detail).into_iter().collect()
    }
}

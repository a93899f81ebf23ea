//! `canon.user.write` 1: a value is written under a key of the tenant's user canon; the newest record of a key counts.

use super::{Payload, unless};
use record::Fault;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

const KEY_BYTES: usize = 512;

/// One write.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CanonWrite {
    /// The key, 1 to 512 bytes.
    #[schemars(length(min = 1, max = 512))]
    pub key: String,
    /// The value, in the clear.
    pub value: Value,
    /// The level of assurance that a reader needs, 0 to 5.
    #[schemars(range(min = 0, max = 5))]
    pub min_loa: u8,
}

impl Payload for CanonWrite {
    fn findings(payload: &Value) -> Vec<Fault> {
        // The schema counts characters.
        let fits = |text: &str| text.len() <= KEY_BYTES;
        unless(payload, "/key", fits, "a key is at most 512 bytes of UTF-8")
            .into_iter()
            .collect()
    }
}

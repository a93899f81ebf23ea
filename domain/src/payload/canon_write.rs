//! `canon.user.write` 1: a value is written under a key of the tenant's user canon; the newest record of a key counts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

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

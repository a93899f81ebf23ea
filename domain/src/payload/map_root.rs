//! `ledger.map_root` 1: the root of the authenticated map over all timelines, as of a number of records.

use super::{Payload, unless};
use record::{Fault, Hash};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One root. A checkpoint that ends in this record authenticates it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MapRoot {
    /// Number of records that the map covers; at most this record's offset.
    pub size: u64,
    /// Root of the top map, 64 hex digits.
    #[schemars(regex(pattern = r"^[0-9a-f]{64}$"))]
    pub root: String,
}

impl Payload for MapRoot {
    fn findings(payload: &Value) -> Vec<Fault> {
        let is_node = |text: &str| Hash::from_hex(text).is_some();
        unless(payload, "/root", is_node, "64 hex digits, lower-case")
            .into_iter()
            .collect()
    }
}

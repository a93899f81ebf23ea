//! `projection.verified` 1: a read model was compared with a replay of the log.
//!
//! The comparison is of one position, so the record that tells of it, which comes later, changes nothing in it.

use super::Payload;
use record::{Code, Fault};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The outcome of one comparison, equal or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectionVerified {
    /// The projection, such as `timeline`.
    #[schemars(regex(pattern = r"^[a-z][a-z0-9_-]{0,63}$"))]
    pub projection: String,
    /// Version of the projection that both read models were built by.
    #[schemars(range(min = 1))]
    pub version: u32,
    /// The database that holds the read model, such as `sqlite` or `postgres`.
    #[schemars(regex(pattern = r"^[a-z][a-z0-9_-]{0,63}$"))]
    pub engine: String,
    /// Number of records that both had applied.
    #[schemars(range(max = 9_007_199_254_740_991_u64))]
    pub position: u64,
    /// Digest of the read model, 64 hex digits.
    #[schemars(regex(pattern = r"^[0-9a-f]{64}$"))]
    pub digest: String,
    /// Digest of the replay, 64 hex digits.
    #[schemars(regex(pattern = r"^[0-9a-f]{64}$"))]
    pub replayed_digest: String,
    /// Whether the two are equal.
    pub equal: bool,
    /// Number of buckets of rows that differ.
    #[schemars(range(max = 9_007_199_254_740_991_u64))]
    pub differences: u64,
    /// Number of records that the read model's build could not read; they were in both.
    #[schemars(range(max = 9_007_199_254_740_991_u64))]
    pub parked: u64,
}

impl Payload for ProjectionVerified {
    fn findings(payload: &Value) -> Vec<Fault> {
        let member = |name: &str| payload.get(name);
        let same = member("digest") == member("replayed_digest");
        let none = member("differences").and_then(Value::as_u64) == Some(0);
        let equal = member("equal").and_then(Value::as_bool) == Some(true);
        if equal == same && equal == none {
            return Vec::new();
        }
        let detail = "`equal` says whether the two digests are the same and no bucket differs";
        vec![Fault::new(Code::SchemaInvalid, "/payload/equal", detail)]
    }
}

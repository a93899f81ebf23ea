//! `checkpoint.anchored` 1 and `checkpoint.anchor_failed` 1: a signed checkpoint was given to somebody whom the log's
//! operator cannot take it back from, or could not be given.
//!
//! The note is in the record, so that a receipt can be checked by whoever has the log alone.

use super::{Payload, unless};
use record::{Code, Fault, Hash, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One checkpoint at one anchor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckpointAnchored {
    /// Number of records that the checkpoint covers; at most this record's offset.
    #[schemars(range(max = 9_007_199_254_740_991_u64))]
    pub size: u64,
    /// Root of the log's tree over them, 64 hex digits.
    #[schemars(regex(pattern = r"^[0-9a-f]{64}$"))]
    pub root: String,
    /// What kind of anchor has it.
    pub anchor: AnchorKind,
    /// Where it is: the name of the file, or the host with its port; never a path of the machine, a credential or a query.
    #[schemars(length(min = 1, max = 256))]
    pub place: String,
    /// The signed note that was given, with the cosignatures that it had by then.
    #[schemars(length(min = 1, max = 65_536))]
    pub note: String,
    /// What an endpoint answered, as it came, base64; absent for a file, and where the answer was empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 43_692), regex(pattern = r"^[A-Za-z0-9+/]+={0,2}$"))]
    pub receipt: Option<String>,
    /// When the anchor had it for good, by the ledger's clock.
    #[schemars(regex(pattern = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z$"))]
    pub anchored_at: String,
}

/// The first failure after an anchor worked: later ones of the same outage are counted, not recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckpointAnchorFailed {
    /// Number of records that the checkpoint covers.
    #[schemars(range(max = 9_007_199_254_740_991_u64))]
    pub size: u64,
    /// What kind of anchor does not have it.
    pub anchor: AnchorKind,
    /// The host with its port, or `dir`.
    #[schemars(length(min = 1, max = 256))]
    pub place: String,
    /// Why not.
    pub error_class: AnchorError,
}

/// What keeps an anchored checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AnchorKind {
    /// A directory, one file for each checkpoint.
    Dir,
    /// An endpoint that is asked over HTTPS.
    Https,
}

impl AnchorKind {
    /// The text in the record.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dir => "dir",
            Self::Https => "https",
        }
    }
}

/// Why a checkpoint could not be anchored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AnchorError {
    /// The directory cannot be written: full, missing, not permitted.
    Storage,
    /// The directory has another file of this name that is no incomplete one.
    Conflict,
    /// The name leads to an address that is not of the public internet.
    Rejected,
    /// Nobody answers there, or not in proven TLS.
    Unreachable,
    /// There was no whole answer in time.
    Timeout,
    /// The answer is no success; a redirect is none.
    Status,
    /// The answer is larger than a receipt may be.
    Oversized,
}

impl AnchorError {
    /// The text in the record.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Storage => "storage",
            Self::Conflict => "conflict",
            Self::Rejected => "rejected",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Status => "status",
            Self::Oversized => "oversized",
        }
    }
}

impl Payload for CheckpointAnchored {
    fn findings(payload: &Value) -> Vec<Fault> {
        let is_node = |text: &str| Hash::from_hex(text).is_some();
        let exists = |text: &str| Timestamp::parse(text).is_some();
        let text = |name: &str| payload.get(name).and_then(Value::as_str);
        let filed = text("anchor") == Some(AnchorKind::Dir.as_str()) && payload.get("receipt").is_some();
        let receipt = || {
            let detail = "a file is its own receipt";
            Fault::new(Code::SchemaInvalid, "/payload/receipt", detail)
        };
        let root = unless(payload, "/root", is_node, "64 hex digits, lower-case");
        let time = unless(
            payload,
            "/anchored_at",
            exists,
            "a time that exists, in UTC: year 0001 to 9999, no leap second",
        );
        root.into_iter().chain(time).chain(filed.then(receipt)).collect()
    }
}

impl Payload for CheckpointAnchorFailed {}

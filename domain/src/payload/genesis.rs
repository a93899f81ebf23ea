//! `ledger.genesis` 1: the first record of a log. It pins the keys that everything after it is judged by.

use super::{Payload, unless};
use record::{Code, Fault, Origin, PublicKey};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The birth of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// Version of the formats, 1.
    #[schemars(range(min = 1, max = 1))]
    pub format_version: u32,
    /// The log's short name in NATS subjects, `[a-z0-9-]{1,32}`.
    #[schemars(regex(pattern = r"^[a-z0-9-]{1,32}$"))]
    pub slug: String,
    /// Public key that signs records from here on, base64 of 32 bytes.
    #[schemars(length(equal = 44))]
    pub record_key: String,
    /// Public key that signs checkpoints from here on, base64 of 32 bytes.
    #[schemars(length(equal = 44))]
    pub checkpoint_key: String,
    /// Public key that must agree to every rotation and is kept offline, base64 of 32 bytes.
    #[schemars(length(equal = 44))]
    pub root_key: String,
    /// The log that this one continues after a loss.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predecessor: Option<Predecessor>,
}

impl Payload for Genesis {
    fn findings(payload: &Value) -> Vec<Fault> {
        const KEYS: [&str; 3] = ["/record_key", "/checkpoint_key", "/root_key"];
        let key = |member: &&str| {
            unless(
                payload,
                member,
                is_key,
                "a public key is base64 of 32 bytes, not a weak one",
            )
        };
        let mut findings: Vec<Fault> = KEYS.iter().filter_map(key).collect();
        let [record, checkpoint, root] = KEYS.map(|member| payload.pointer(member));
        if record == checkpoint || record == root || checkpoint == root {
            let detail = "record, checkpoint and root key are three different keys";
            findings.push(Fault::new(Code::SchemaInvalid, "/payload", detail));
        }
        let is_origin = |text: &str| Origin::parse(text).is_some();
        findings.extend(unless(payload, "/predecessor/log", is_origin, "a log's origin"));
        findings
    }
}

fn is_key(text: &str) -> bool {
    PublicKey::from_base64(text).is_some()
}

/// What was recovered of an older log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Predecessor {
    /// Its origin.
    pub log: String,
    /// How many of its records were recovered.
    pub size: u64,
    /// RFC 6962 root over these, 64 hex.
    #[schemars(regex(pattern = r"^[0-9a-f]{64}$"))]
    pub root: String,
    /// Hash of the last of these, 64 hex.
    #[schemars(regex(pattern = r"^[0-9a-f]{64}$"))]
    pub hash: String,
}

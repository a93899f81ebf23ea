//! The trust file: what an auditor pins before believing a log, in JSON. `sigil init` writes it beside the data
//! directory; whoever verifies should have received it on another way than the log.
//!
//! Strict: unknown, repeated and missing members are refused, and every key is checked for its form. Without a trust
//! file nothing is ever verified, because whoever forged a log also forged its genesis.

use record::{Hash, Origin, PublicKey};
use serde_json::{Map, Value, json};
use tlog::{KeyType, VerifierKey};

const MEMBERS: [&str; 5] = ["checkpoint_keys", "genesis_hash", "origin", "policy", "root_key"];

/// What is pinned about one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    /// The log's origin.
    pub origin: Origin,
    /// Hash of the record at offset 0.
    pub genesis_hash: Hash,
    /// The key that agrees to every rotation.
    pub root_key: PublicKey,
    /// Verifier keys of checkpoints.
    pub checkpoint_keys: Vec<VerifierKey>,
    /// A tlog-policy (C2SP) as text: which witnesses must have seen a checkpoint.
    pub policy: Option<String>,
}

/// Why a text is no trust file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// Not strict JSON.
    #[error("the trust file is not strict JSON: {0}")]
    Json(record::Fault),
    /// Something other than an object.
    #[error("a trust file is a JSON object")]
    NotObject,
    /// A member that the format does not have.
    #[error("unknown member `{0}`: a trust file has origin, genesis_hash, root_key, checkpoint_keys and maybe policy")]
    UnknownMember(String),
    /// A member that is missing or of another form.
    #[error("member `{member}` is missing or is not {form}")]
    Member {
        /// The member.
        member: &'static str,
        /// What it should be.
        form: &'static str,
    },
}

impl Trust {
    /// Reads a trust file.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, TrustError> {
        let Value::Object(members) = record::json::parse(bytes).map_err(TrustError::Json)? else {
            return Err(TrustError::NotObject);
        };
        if let Some(name) = members.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
            return Err(TrustError::UnknownMember(name.clone()));
        }
        Ok(Self {
            origin: text(&members, "origin", "the log's origin", Origin::parse)?,
            genesis_hash: text(&members, "genesis_hash", "64 lower-case hex digits", Hash::from_hex)?,
            root_key: text(
                &members,
                "root_key",
                "base64 of an Ed25519 public key",
                PublicKey::from_base64,
            )?,
            checkpoint_keys: checkpoint_keys(&members)?,
            policy: members
                .contains_key("policy")
                .then(|| text(&members, "policy", "a text", |policy| Some(policy.to_owned())))
                .transpose()?,
        })
    }

    /// The file's text: indented JSON with a newline at the end.
    #[must_use]
    pub fn to_text(&self) -> String {
        let keys: Vec<String> = self.checkpoint_keys.iter().map(VerifierKey::to_string).collect();
        let mut document = json!({
            "origin": self.origin.as_str(), "genesis_hash": self.genesis_hash.to_string(),
            "root_key": self.root_key.to_base64(), "checkpoint_keys": keys,
        });
        if let (Some(policy), Some(members)) = (&self.policy, document.as_object_mut()) {
            members.insert("policy".to_owned(), json!(policy));
        }
        format!("{document:#}\n")
    }
}

fn text<T>(
    members: &Map<String, Value>,
    member: &'static str,
    form: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, TrustError> {
    let value = members.get(member).and_then(Value::as_str).and_then(parse);
    value.ok_or(TrustError::Member { member, form })
}

fn checkpoint_keys(members: &Map<String, Value>) -> Result<Vec<VerifierKey>, TrustError> {
    let wrong = TrustError::Member {
        member: "checkpoint_keys",
        form: "an array of C2SP Ed25519 verifier keys (<name>+<key id>+<base64>)",
    };
    let keys = members.get("checkpoint_keys").and_then(Value::as_array);
    let key = |text: &Value| {
        VerifierKey::parse(text.as_str()?)
            .ok()
            .filter(|key| key.kind() == KeyType::Ed25519)
    };
    let keys = keys.and_then(|keys| keys.iter().map(key).collect());
    keys.ok_or(wrong)
}

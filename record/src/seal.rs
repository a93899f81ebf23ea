//! Sealed members: a salted commitment stands in the record, salt and value live encrypted beside the log.
//!
//! The commitment hides the value (32 random bytes of salt), binds it, and is useless in any other place: log, tenant,
//! record id and pointer are inside the hash. Redacting is leaving an [`Opening`] out.

use crate::canonical;
use crate::fault::{Code, Fault};
use crate::hash::{Hash, decode_hex};
use crate::id::RecordId;
use crate::json::SEALED;
use crate::name::{Origin, Tenant};
use serde_json::{Map, Value, json};
use std::fmt;

/// What opens a commitment: the salt and the value of the sealed member at `pointer` (from the record's root).
#[derive(Clone, PartialEq)]
pub struct Opening {
    /// RFC 6901 pointer from the record's root, such as `/payload/private`.
    pub pointer: String,
    /// 32 random bytes.
    pub salt: [u8; 32],
    /// The sealed value.
    pub value: Value,
}

impl fmt::Debug for Opening {
    /// The pointer only: neither salt nor value may reach a log line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening")
            .field("pointer", &self.pointer)
            .finish_non_exhaustive()
    }
}

impl Opening {
    /// The commitment that this opens in record `id` of `tenant` in `log`.
    #[must_use]
    pub fn commitment(&self, log: &Origin, tenant: &Tenant, id: &RecordId) -> Hash {
        let mut place = Vec::with_capacity(256);
        place.push(b'[');
        for text in [log.as_str(), tenant.as_str(), &id.to_string(), &self.pointer] {
            canonical::write_string(text, &mut place);
            place.push(b',');
        }
        canonical::write(&self.value, &mut place);
        place.push(b']');
        Hash::of_parts(&[b"sigil/seal/v1\n", &self.salt, &place])
    }

    /// `{"pointer", "salt", "value"}` with the salt as 64 hex digits.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({"pointer": self.pointer, "salt": hex::encode(self.salt), "value": self.value})
    }

    /// Canonical bytes of [`Opening::to_json`].
    #[must_use]
    pub fn to_canonical(&self) -> Vec<u8> {
        let mut out = b"{\"pointer\":".to_vec();
        canonical::write_string(&self.pointer, &mut out);
        out.extend_from_slice(b",\"salt\":\"");
        out.extend_from_slice(hex::encode(self.salt).as_bytes());
        out.extend_from_slice(b"\",\"value\":");
        canonical::write(&self.value, &mut out);
        out.push(b'}');
        out
    }

    /// Reads the form of [`Opening::to_json`].
    ///
    /// # Errors
    /// [`Code::SealInvalid`] at the document.
    pub fn from_json(value: &Value) -> Result<Self, Fault> {
        let wrong = || {
            Fault::new(
                Code::SealInvalid,
                "",
                "a disclosure is {\"pointer\", \"salt\" (64 hex), \"value\"}",
            )
        };
        let members = value
            .as_object()
            .filter(|members| members.len() == 3)
            .ok_or_else(wrong)?;
        let text = |name: &str| members.get(name).and_then(Value::as_str).ok_or_else(wrong);
        let salt = decode_hex(text("salt")?).ok_or_else(wrong)?;
        let value = members.get("value").ok_or_else(wrong)?.clone();
        Ok(Self {
            pointer: text("pointer")?.to_owned(),
            salt,
            value,
        })
    }
}

/// What stands in the record in place of a sealed value.
#[must_use]
pub fn placeholder(commitment: &Hash) -> Value {
    let mut members = Map::new();
    members.insert(SEALED.to_owned(), Value::String(commitment.to_string()));
    Value::Object(members)
}

/// The commitment in `{"$sealed": "<64 hex>"}`; `None` when `value` is anything else.
#[must_use]
pub fn read_placeholder(value: &Value) -> Option<Hash> {
    let members = value.as_object().filter(|members| members.len() == 1)?;
    Hash::from_hex(members.get(SEALED)?.as_str()?)
}

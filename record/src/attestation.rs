//! Attestations of a quorum: who agreed, covered by the record's hash.

use crate::canonical;
use crate::fault::{Code, Fault};
use crate::hash::Hash;
use crate::key::{PublicKey, Signature, decode_base64, encode_base64};
use crate::name::{Origin, Tenant};
use crate::time::Timestamp;
use serde_json::{Value, json};

/// One witness's signature on a proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attestation {
    /// The witness's registered name.
    pub witness_id: String,
    /// The witness's key.
    pub pub_key: PublicKey,
    /// Over [`signed_message`].
    pub sig: Signature,
    /// When the witness signed, by its own clock.
    pub ts: Timestamp,
}

/// What a witness signs: `"sigil/attestation/v1\n" || BLAKE3(JCS({log, tenant, proposal_record_hash, witness_id, ts}))`.
#[must_use]
pub fn signed_message(log: &Origin, tenant: &Tenant, proposal: &Hash, witness_id: &str, ts: Timestamp) -> Vec<u8> {
    let covered = json!({
        "log": log.as_str(), "tenant": tenant.as_str(), "proposal_record_hash": proposal.to_string(),
        "witness_id": witness_id, "ts": ts.to_string(),
    });
    let mut message = b"sigil/attestation/v1\n".to_vec();
    message.extend_from_slice(Hash::of(&canonical::to_vec(&covered)).as_bytes());
    message
}

impl Attestation {
    /// Whether this signature covers `proposal` of `tenant` in `log`.
    #[must_use]
    pub fn verifies(&self, log: &Origin, tenant: &Tenant, proposal: &Hash) -> bool {
        let message = signed_message(log, tenant, proposal, &self.witness_id, self.ts);
        self.pub_key.verifies(&message, &self.sig)
    }
}

/// Checks what the log requires of the attestations of one record.
///
/// # Errors
/// [`Code::EnvelopeInvalid`] at `/witnesses` when they are not sorted by `witness_id`, not unique, or one is not named by
/// printable text.
pub fn check(witnesses: &[Attestation]) -> Result<(), Fault> {
    let named = |one: &Attestation| !one.witness_id.is_empty() && !one.witness_id.chars().any(char::is_control);
    if witnesses.iter().all(named) && witnesses.is_sorted_by(|a, b| a.witness_id < b.witness_id) {
        return Ok(());
    }
    Err(malformed())
}

fn malformed() -> Fault {
    let detail = "witnesses are sorted, unique {witness_id, pub_key, sig, ts}";
    Fault::new(Code::EnvelopeInvalid, "/witnesses", detail)
}

/// The member `witnesses` of a record; [`check`] says what they must be.
#[must_use]
pub fn to_json(witnesses: &[Attestation]) -> Value {
    let one = |attestation: &Attestation| {
        json!({
            "witness_id": attestation.witness_id, "pub_key": attestation.pub_key.to_base64(),
            "sig": encode_base64(&attestation.sig), "ts": attestation.ts.to_string(),
        })
    };
    witnesses.iter().map(one).collect()
}

/// Reads the member `witnesses` of a stored record.
///
/// # Errors
/// [`Code::EnvelopeInvalid`] at `/witnesses`, also when they are not sorted or not unique.
pub fn from_json(value: &Value) -> Result<Vec<Attestation>, Fault> {
    let one = |item: &Value| -> Option<Attestation> {
        let members = item.as_object().filter(|members| members.len() == 4)?;
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        Some(Attestation {
            witness_id: text("witness_id")?.to_owned(),
            pub_key: PublicKey::from_base64(text("pub_key")?)?,
            sig: decode_base64(text("sig")?)?,
            ts: Timestamp::parse(text("ts")?)?,
        })
    };
    let items = value.as_array().ok_or_else(malformed)?;
    let witnesses: Vec<_> = items.iter().map(one).collect::<Option<_>>().ok_or_else(malformed)?;
    check(&witnesses)?;
    Ok(witnesses)
}

//! `sigil key rotate`: a new signing key for records or for checkpoints, with the root key's consent.

use crate::cli::KeyVerb;
use crate::embedded::Embedded;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::place::Place;
use ledger_client::Receipt;
use record::{PublicKey, Record};
use serde_json::json;
use tlog::{KeyType, VerifierKey};

/// Rotates the key.
pub async fn run(verb: KeyVerb, output: &Output) -> Result<Exit, Failure> {
    let KeyVerb::Rotate {
        log,
        role,
        root_key_file,
    } = verb;
    let place = Place::of(&log)?;
    let root = ledger::read_root_key(&root_key_file.unwrap_or_else(|| place.root_key_file()))?;
    let embedded = Embedded::open_to_write(&place).await?;
    let receipt = match role.as_str() {
        "checkpoint" => embedded.handle.rotate_checkpoint_key(&root).await?,
        _ => embedded.handle.rotate_record_key(&root).await?,
    };
    embedded.close().await?;
    let offset = receipt.committed.offset;
    let (id, hash) = (receipt.id.to_string(), receipt.hash.to_string());
    let (value, text) = if role == "checkpoint" {
        let key = verifier_key(&receipt)?;
        let text = format!(
            "rotated the checkpoint key at offset {offset}; the first checkpoint behind it is signed by both keys\n\
             witnesses know this log from then on by\n{key}"
        );
        let value = json!({"role": role, "offset": offset, "id": id, "hash": hash, "verifier_key": key});
        (value, text)
    } else {
        let next = offset + 1;
        let text = format!("rotated the record key at offset {offset}; it signs from offset {next} on");
        (json!({"role": role, "offset": offset, "id": id, "hash": hash}), text)
    };
    output.data(&value, &text);
    Ok(Exit::Ok)
}

/// The new checkpoint key, as witnesses and policies write it.
fn verifier_key(receipt: &Receipt) -> Result<String, Failure> {
    let record = Record::parse(receipt.committed.bytes.to_vec()).map_err(anyhow::Error::from)?;
    let new = record.payload.get("new").and_then(serde_json::Value::as_str);
    let new = new.and_then(PublicKey::from_base64);
    let new = new.ok_or_else(|| Failure::new(Exit::VerificationFailed, "the rotation names no key"))?;
    let key = VerifierKey::new(record.log.as_str(), KeyType::Ed25519, new.as_bytes());
    Ok(key.map_err(anyhow::Error::from)?.to_string())
}

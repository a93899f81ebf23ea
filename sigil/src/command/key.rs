//! `sigil key rotate`: a new record-signing key, with the root key's consent.

use crate::cli::KeyVerb;
use crate::embedded::Embedded;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::place::Place;
use serde_json::json;

/// Rotates the key.
pub async fn run(verb: KeyVerb, output: &Output) -> Result<Exit, Failure> {
    let KeyVerb::Rotate { log, root_key_file } = verb;
    let place = Place::of(&log)?;
    let root = ledger::read_root_key(&root_key_file.unwrap_or_else(|| place.root_key_file()))?;
    let embedded = Embedded::open(&place).await?;
    let receipt = embedded.handle.rotate_record_key(&root).await?;
    embedded.close().await?;
    let offset = receipt.committed.offset;
    let value = json!({"offset": offset, "id": receipt.id.to_string(), "hash": receipt.hash.to_string()});
    output.data(
        &value,
        &format!(
            "rotated the record key at offset {offset}; it signs from offset {} on",
            offset + 1
        ),
    );
    Ok(Exit::Ok)
}

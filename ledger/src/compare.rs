//! Whether a request that names a known id asks for the record that is there.
//!
//! Sealed values are compared through the stored salt: the new value must open the stored commitment. Where the scope
//! key is gone, only the clear members are compared and the receipt says so.

use crate::disclosure::Found;
use record::seal::{placeholder, read_placeholder};
use record::{Hash, Opening, Record};
use serde_json::Value;

/// What a comparison finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The same content.
    Same,
    /// The same in the clear; sealed values can no longer be compared.
    SameUnchecked,
    /// Other content.
    Different,
}

/// Compares a stored record with what a request would have made of it. `candidate` carries the request's own
/// commitments, `openings` their values; `stored_openings` is what the ledger can still open.
pub(crate) fn compare(
    stored: &Record,
    stored_openings: &[(String, Found)],
    candidate: &Record,
    openings: &[Opening],
) -> Verdict {
    let mut unchecked = false;
    let mut payload = candidate.payload.clone();
    for opening in openings {
        let Some(pointer) = opening.pointer.strip_prefix("/payload") else {
            continue;
        };
        let Some(commitment) = stored.payload.pointer(pointer).and_then(read_placeholder) else {
            return Verdict::Different;
        };
        match stored_openings.iter().find(|(at, _)| *at == opening.pointer) {
            Some((_, Found::Opening(found))) if opens(stored, found, &opening.value, &commitment) => {}
            Some((_, Found::Opening(_))) => return Verdict::Different,
            _ => unchecked = true,
        }
        if let Some(member) = payload.pointer_mut(pointer) {
            *member = placeholder(&commitment);
        }
    }
    match same_clear(stored, candidate, &payload) {
        false => Verdict::Different,
        true if unchecked => Verdict::SameUnchecked,
        true => Verdict::Same,
    }
}

fn opens(stored: &Record, found: &Opening, value: &Value, commitment: &Hash) -> bool {
    let asked = Opening {
        value: value.clone(),
        ..found.clone()
    };
    asked.commitment(&stored.log, &stored.tenant, &stored.id) == *commitment
}

fn same_clear(stored: &Record, candidate: &Record, payload: &Value) -> bool {
    stored.tenant == candidate.tenant
        && stored.kind == candidate.kind
        && stored.schema_version == candidate.schema_version
        && stored.space == candidate.space
        && stored.author.id == candidate.author.id
        && stored.author.key_id == candidate.author.key_id
        && stored.links == candidate.links
        && stored.payload == *payload
}

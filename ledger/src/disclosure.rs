//! Sealed values at rest: salt and value, encrypted under a key derived from all erasure scopes of the record.
//!
//! `BLAKE3-derive_key("sigil disclosure v1", scope keys, sorted by scope, concatenated)`: destroying any one of the scope
//! keys erases the value. The epoch of these values is 0.

use crate::Error;
use crate::cipher::Cipher;
use crate::index::{Index, Key};
use crate::prepare::Preparer;
use crate::scopes::Scopes;
use crate::store::Store;
use record::{Opening, Origin, Record, canonical, json};
use zeroize::Zeroizing;

const KEYSPACE: &str = "disclosures";

/// The cipher of the values whose scopes have these keys, in the order of their scopes.
pub(crate) fn cipher(log: &Origin, scope_keys: &[Zeroizing<[u8; 32]>]) -> Cipher {
    let mut hasher = blake3::Hasher::new_derive_key("sigil disclosure v1");
    for key in scope_keys {
        hasher.update(&**key);
    }
    Cipher::new(log, 0, &Zeroizing::new(*hasher.finalize().as_bytes()))
}

/// Encrypts one opening for its place.
pub(crate) fn seal(cipher: &Cipher, key: &Key, opening: &Opening) -> Result<Vec<u8>, Error> {
    let clear = Zeroizing::new(canonical::to_vec(&opening.to_json()));
    cipher.seal(KEYSPACE, key, &clear)
}

/// What reading an opening can find.
pub(crate) enum Found {
    /// Salt and value.
    Opening(Opening),
    /// One of the scope keys is missing, without an erasure record.
    KeyLost,
    /// The value is missing, without an erasure record.
    Absent,
    /// It does not decrypt, or is no opening.
    Damaged,
}

/// The pointers of a record's sealed members, with what can be opened of each.
pub(crate) fn read(
    preparer: &Preparer,
    store: &Store,
    scopes: &Scopes,
    record: &Record,
) -> Result<Vec<(String, Found)>, Error> {
    let pointers = sealed_pointers(record);
    if pointers.is_empty() {
        return Ok(Vec::new());
    }
    let keys: Option<Vec<_>> = preparer
        .scopes(&record.tenant, &record.links)
        .iter()
        .map(|scope| scopes.find(scope).cloned())
        .collect();
    let Some(keys) = keys else {
        return Ok(pointers.into_iter().map(|pointer| (pointer, Found::KeyLost)).collect());
    };
    let cipher = cipher(&preparer.log, &keys);
    let one = |pointer: String| {
        let found = read_one(&preparer.index, store, &cipher, record, &pointer)?;
        Ok((pointer, found))
    };
    pointers.into_iter().map(one).collect()
}

fn read_one(index: &Index, store: &Store, cipher: &Cipher, record: &Record, pointer: &str) -> Result<Found, Error> {
    let key = index.disclosure(&record.tenant, &record.id, pointer);
    let Some(sealed) = store.disclosures.get(key)? else {
        return Ok(Found::Absent);
    };
    let clear = cipher.open(KEYSPACE, &key, &sealed).map(Zeroizing::new);
    let opening = clear.and_then(|clear| Opening::from_json(&json::parse(&clear).ok()?).ok());
    let opening = opening.filter(|opening| opening.pointer == pointer);
    Ok(opening.map_or(Found::Damaged, Found::Opening))
}

/// Where a stored record has commitments.
pub(crate) fn sealed_pointers(record: &Record) -> Vec<String> {
    let payload = json::marks(&record.payload)
        .into_iter()
        .map(|mark| format!("/payload{mark}"));
    let evidence = record
        .author
        .evidence
        .iter()
        .map(|_| record::intake::EVIDENCE.to_owned());
    payload.chain(evidence).collect()
}

//! What a restore starts from, read and checked: keyring, scope keys, and the parts of a backup.

use super::builder::Builder;
use super::{Base, Request};
use crate::backup::manifest::{self, Kind, Manifest, Unproven};
use crate::backup::{Progress, part, scope_copy};
use crate::cipher::Cipher;
use crate::clock::{Clock as _, SystemClock};
use crate::keyring::{Keyring, Secrets};
use crate::scopes::{self, SLOT, Scopes};
use crate::store::block_key;
use crate::{Error, block};
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// The keyring, and the manifest when there is a backup that the keyring vouches for.
pub(super) fn open_base(request: &Request) -> Result<(Keyring, Option<Manifest>), Error> {
    let (path, key) = (request.config.keyring_path(), &request.config.key);
    match &request.base {
        Base::Backup(dir) => {
            let unproven = Unproven::read(dir)?;
            let bytes = part::read(dir, unproven.claimed().keyring())?;
            let keyring = Keyring::decode(&bytes, &path, key)?;
            let index = keyring.index();
            let manifest = unproven.prove(&keyring.log, |purpose| index.derive(purpose))?;
            Ok((keyring, Some(manifest)))
        }
        Base::Keyring(from) => {
            let bytes = fs::read(from).map_err(Error::io("read", from))?;
            Ok((Keyring::decode(&bytes, &path, key)?, None))
        }
        Base::Nothing(log) => {
            match key.create() {
                Ok(()) | Err(Error::Exists(_)) => {}
                Err(error) => return Err(error),
            }
            let mut secrets = Secrets::fresh()?;
            // The log's own signing keys are lost; others would never be used.
            secrets.seeds.clear();
            Ok((Keyring::unsaved(&path, log, key, secrets)?, None))
        }
    }
}

/// Writes the scope keys of the new log and opens them.
pub(super) fn restore_scopes(
    request: &Request,
    keyring: &Keyring,
    manifest: Option<&Manifest>,
    ciphers: &[Cipher],
) -> Result<Scopes, Error> {
    let path = request.config.scopes_path();
    Scopes::create(&path)?;
    if let Some(copy) = &request.scopes {
        let expected = scope_copy::Expected {
            log: &keyring.log,
            genesis_hash: manifest.map(|manifest| manifest.genesis_hash),
            now: SystemClock.read().wall,
            expired: request.expired_scopes,
        };
        let index = keyring.index();
        let slots = scope_copy::read(copy, &expected, |purpose| index.derive(purpose))?;
        fs::write(&path, readable(&slots, manifest, ciphers)?).map_err(Error::io("write", &path))?;
    }
    // Opening for writing syncs the file.
    Scopes::open(&path, ciphers, true)
}

/// The slots that this keyring reads. A copy may be newer than the backup: keys made later, under a later data key, belong
/// to records that the backup does not have.
fn readable(slots: &[u8], manifest: Option<&Manifest>, ciphers: &[Cipher]) -> Result<Vec<u8>, Error> {
    let mut kept = Vec::with_capacity(slots.len());
    for slot in slots.chunks_exact(SLOT) {
        if slot.iter().all(|byte| *byte == 0) || scopes::reads(slot, ciphers) {
            kept.extend_from_slice(slot);
        } else if manifest.is_none_or(|manifest| scopes::created_at(slot) < manifest.tip.size) {
            let detail =
                "a key of it does not decrypt with the keyring of the backup: take the copy made with this backup";
            return Err(Error::backup("copy of the scope keys", detail));
        }
    }
    Ok(kept)
}

/// Takes over sealed values and guards as they are.
pub(super) fn take_entries(builder: &Builder, dir: &Path, manifest: &Manifest) -> Result<(), Error> {
    for (kind, expected) in [
        (Kind::Disclosures, manifest.disclosures),
        (Kind::Guards, manifest.guards),
    ] {
        let mut count = 0;
        for entry in manifest.of(kind) {
            let part = part::read(dir, entry)?;
            let frames = part::frames(&part, kind.key_bytes());
            let frames = frames.map(|frame| frame.map(|frame| (frame.key, frame.value)));
            let frames = frames.collect::<Option<Vec<_>>>().ok_or_else(|| part::cut(entry))?;
            count += frames.len() as u64;
            for frames in frames.chunks(1_024) {
                builder.put(kind == Kind::Disclosures, frames)?;
            }
        }
        if count != expected {
            let detail = format!("its parts have {count} entries of this kind, it names {expected}");
            return Err(Error::backup(manifest::FILE, detail));
        }
    }
    Ok(())
}

pub(super) fn take_records(
    builder: &mut Builder,
    dir: &Path,
    manifest: &Manifest,
    ciphers: &[Cipher],
    progress: Progress<'_>,
) -> Result<(), Error> {
    for entry in manifest.of(Kind::Records) {
        let wrong = |detail: String| Error::backup(&entry.name, detail);
        let part = part::read(dir, entry)?;
        for frame in part::frames(&part, Kind::Records.key_bytes()) {
            let frame = frame.ok_or_else(|| part::cut(entry))?;
            let first = block_key(frame.key)?;
            if first != builder.size() {
                return Err(wrong(format!("it has offset {first}, next is {}", builder.size())));
            }
            let clear = ciphers
                .iter()
                .find_map(|cipher| cipher.open("log", frame.key, frame.value));
            let clear = clear.ok_or_else(|| wrong(format!("the block at offset {first} does not decrypt")))?;
            let records = block::decode(&clear).ok_or_else(|| wrong(format!("offset {first} is not a block")))?;
            let records: Vec<Arc<[u8]>> = records.into_iter().map(|record| record.bytes).collect();
            builder.push(&records, Some(&clear)).map_err(|error| match error {
                Error::Corrupt { place, detail } => wrong(format!("{place}: {detail}")),
                other => other,
            })?;
            if progress(builder.size(), manifest.tip.size).is_break() {
                return Err(Error::Cancelled);
            }
        }
    }
    Ok(())
}

pub(super) fn check_end(builder: &Builder, manifest: &Manifest) -> Result<(), Error> {
    if builder.tip() != Some(manifest.tip) || builder.genesis() != Some(manifest.genesis_hash) {
        let detail = "its records do not end as it says: size, last hash, root or genesis differ";
        return Err(Error::backup(manifest::FILE, detail));
    }
    Ok(())
}

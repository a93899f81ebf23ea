//! A copy of the scope keys: a file of its own with a date, because an erasure has to reach every copy of a key.
//!
//! ```text
//! one line of canonical JSON (log, genesis_hash, created, delete_by, slots, blake3 of the slots, sum, mac), then the slots
//! ```
//! The slots are those of the file `scopes`, each key still encrypted under a data key of the log's keyring.

use super::attested::{Form, Whole};
use crate::Error;
use crate::scopes::SLOT;
use record::hash::decode_hex;
use record::{Hash, Origin, Timestamp};
use serde_json::json;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// What errors call this file.
const NAME: &str = "copy of the scope keys";
const FORM: Form = Form {
    domain: "sigil/scope-copy/v1\n",
    purpose: "sigil scope copy v1",
};
const FORMAT: u64 = 1;
const MEMBERS: usize = 7;
const DAY_MICROS: i64 = 24 * 3_600 * 1_000_000;

/// Which log the keys belong to, and how long the copy may live.
pub(super) struct About<'a> {
    pub(super) log: &'a Origin,
    pub(super) genesis_hash: Hash,
    pub(super) created: Timestamp,
    pub(super) days: u32,
}

/// The time at which a copy made at `created` has to be deleted.
fn delete_by(created: Timestamp, days: u32) -> Timestamp {
    let micros = created.micros().saturating_add(i64::from(days) * DAY_MICROS);
    Timestamp::from_micros(micros).unwrap_or(Timestamp::MAX)
}

/// Writes the copy to a new file that only its owner may read.
pub(super) fn write(
    path: &Path,
    about: &About<'_>,
    slots: &[u8],
    derive: impl FnOnce(&str) -> [u8; 32],
) -> Result<(), Error> {
    let members = json!({
        "format": FORMAT, "log": about.log.as_str(), "genesis_hash": about.genesis_hash.to_string(),
        "created": about.created.to_string(), "delete_by": delete_by(about.created, about.days).to_string(),
        "slots": slots.len() / SLOT, "blake3": blake3::hash(slots).to_string(),
    });
    let mut bytes = FORM.line(members.as_object().cloned().unwrap_or_default(), &derive(FORM.purpose));
    bytes.extend_from_slice(slots);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|source| match source.kind() {
            std::io::ErrorKind::AlreadyExists => Error::Exists(path.to_owned()),
            _ => Error::io("create", path)(source),
        })?;
    let written = file.write_all(&bytes).and_then(|()| file.sync_all());
    if written.is_err() {
        let _half = fs::remove_file(path);
    }
    written.map_err(Error::io("write", path))
}

/// What a copy is read against.
pub(crate) struct Expected<'a> {
    pub(crate) log: &'a Origin,
    /// When it is known.
    pub(crate) genesis_hash: Option<Hash>,
    pub(crate) now: Timestamp,
    /// Take a copy that should have been deleted by now.
    pub(crate) expired: bool,
}

/// Reads the slots of a copy.
///
/// # Errors
/// [`Error::Backup`] when it is damaged, another log's, or too old.
pub(crate) fn read(
    path: &Path,
    expected: &Expected<'_>,
    derive: impl FnOnce(&str) -> [u8; 32],
) -> Result<Vec<u8>, Error> {
    let wrong = |detail: &str| Error::backup(NAME, detail);
    let bytes = fs::read(path).map_err(Error::io("read", path))?;
    let end = bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let (line, slots) = bytes.split_at(end);
    let damaged = || wrong("it is damaged");
    let whole = FORM.read(line).ok_or_else(damaged)?;
    let about = decode(&whole).ok_or_else(damaged)?;
    if slots.len() as u64 != about.slots * SLOT as u64 || *blake3::hash(slots).as_bytes() != about.hash {
        return Err(damaged());
    }
    let ours = about.log == *expected.log && expected.genesis_hash.is_none_or(|hash| hash == about.genesis_hash);
    if !ours || !FORM.is_authentic(&whole, &derive(FORM.purpose)) {
        return Err(wrong("it belongs to another log"));
    }
    if about.delete_by <= expected.now && !expected.expired {
        let detail = format!(
            "it was to be deleted by {}: keys that were erased since would come back; --expired-scopes takes it all the same",
            about.delete_by
        );
        return Err(wrong(&detail));
    }
    Ok(slots.to_vec())
}

/// The first line of a copy.
struct Decoded {
    log: Origin,
    genesis_hash: Hash,
    delete_by: Timestamp,
    slots: u64,
    hash: [u8; 32],
}

fn decode(whole: &Whole) -> Option<Decoded> {
    if whole.members.len() != MEMBERS || whole.number("format")? != FORMAT {
        return None;
    }
    whole.text("created", Timestamp::parse)?;
    Some(Decoded {
        log: whole.text("log", Origin::parse)?,
        genesis_hash: whole.text("genesis_hash", Hash::from_hex)?,
        delete_by: whole.text("delete_by", Timestamp::parse)?,
        slots: whole.number("slots").filter(|slots| *slots < 1 << 40)?,
        hash: whole.text("blake3", decode_hex)?,
    })
}

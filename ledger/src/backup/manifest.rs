//! The manifest of a backup: what it is a copy of, and its parts with length and hash. Written last: a directory without
//! a manifest is no backup.
//!
//! One line of canonical JSON, `sum` and `mac` as in [`super::attested`]. The order of parts is that of the list.

use super::attested::{Form, Whole};
use crate::Error;
use crate::engine::Tip;
use record::hash::decode_hex;
use record::{Hash, Origin, Timestamp};
use serde_json::{Map, Value, json};
use std::path::Path;

/// The manifest's file.
pub(crate) const FILE: &str = "manifest";
/// Version of the backup format.
const FORMAT: u64 = 2;
/// The version before: its backups have no checkpoints, and do not say how many there were.
const WITHOUT_CHECKPOINTS: u64 = 1;
const FORM: Form = Form {
    domain: "sigil/backup/v1\n",
    purpose: "sigil backup v1",
};
/// Members of a manifest; of the version before, one less.
const MEMBERS: usize = 13;
/// Bytes of the longest manifest that is read: about 400,000 parts.
const LONGEST: u64 = 64 * 1_024 * 1_024;

/// What a part holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The keyring, as it is: encrypted under the key-encryption key.
    Keyring,
    /// Encrypted salts and values.
    Disclosures,
    /// Idempotency keys that had not expired.
    Guards,
    /// Signed checkpoints, in the clear as they are in the store.
    Checkpoints,
    /// Blocks of the log.
    Records,
}

/// One part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) hash: [u8; 32],
}

/// What a backup says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) log: Origin,
    pub(crate) genesis_hash: Hash,
    pub(crate) created: Timestamp,
    pub(crate) tip: Tip,
    pub(crate) disclosures: u64,
    pub(crate) guards: u64,
    pub(crate) checkpoints: u64,
    /// Scope keys that the log had: they are not in the backup.
    pub(crate) scope_keys: u64,
    pub(crate) parts: Vec<Entry>,
}

/// A manifest that was read and is whole, not yet known to be the log's own.
pub(crate) struct Unproven {
    whole: Whole,
    manifest: Manifest,
}

impl Kind {
    /// The file of part `number`.
    pub(super) fn name(self, number: u64) -> String {
        match self {
            Self::Keyring => "keyring".to_owned(),
            Self::Disclosures => format!("disclosures-{number:06}"),
            Self::Guards => format!("guards-{number:06}"),
            Self::Checkpoints => format!("checkpoints-{number:06}"),
            Self::Records => format!("records-{number:020}"),
        }
    }

    /// Bytes of a frame's key.
    pub(crate) const fn key_bytes(self) -> usize {
        match self {
            Self::Records | Self::Checkpoints => 8,
            _ => 32,
        }
    }

    fn of(name: &str) -> Option<Self> {
        let kind = match name.split_once('-') {
            None => Self::Keyring,
            Some(("disclosures", _)) => Self::Disclosures,
            Some(("guards", _)) => Self::Guards,
            Some(("checkpoints", _)) => Self::Checkpoints,
            Some(("records", _)) => Self::Records,
            Some(_) => return None,
        };
        let number = name
            .split_once('-')
            .map_or(Some(0), |(_, number)| number.parse().ok())?;
        // The one spelling, so that a name cannot lead out of the directory.
        (kind.name(number) == name).then_some(kind)
    }
}

impl Entry {
    /// What the part holds.
    pub(crate) fn kind(&self) -> Kind {
        Kind::of(&self.name).expect("names are checked when a manifest is read")
    }
}

impl Manifest {
    /// The file's bytes, authenticated for the log whose index key derives `key`.
    pub(super) fn encode(&self, derive: impl FnOnce(&str) -> [u8; 32]) -> Vec<u8> {
        let parts: Value = self
            .parts
            .iter()
            .map(|part| json!({"name": part.name, "bytes": part.bytes, "blake3": hex::encode(part.hash)}))
            .collect();
        let members = json!({
            "format": FORMAT, "log": self.log.as_str(), "genesis_hash": self.genesis_hash.to_string(),
            "created": self.created.to_string(), "size": self.tip.size, "hash": self.tip.hash.to_string(),
            "root": hex::encode(self.tip.root), "ts": self.tip.ts.to_string(), "disclosures": self.disclosures,
            "guards": self.guards, "checkpoints": self.checkpoints, "scope_keys": self.scope_keys, "parts": parts,
        });
        FORM.line(members.as_object().cloned().unwrap_or_default(), &derive(FORM.purpose))
    }

    /// Parts that hold `kind`, in order.
    pub(crate) fn of(&self, kind: Kind) -> impl Iterator<Item = &Entry> {
        self.parts.iter().filter(move |part| part.kind() == kind)
    }

    /// The one keyring.
    pub(crate) fn keyring(&self) -> &Entry {
        self.of(Kind::Keyring)
            .next()
            .expect("a manifest without a keyring is not read")
    }
}

impl Unproven {
    /// Reads the manifest of the backup in `dir`.
    ///
    /// # Errors
    /// [`Error::Backup`] when there is none, or it is damaged; [`Error::FormatTooNew`].
    pub(crate) fn read(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(FILE);
        let wrong = |detail: &str| Error::backup(FILE, detail);
        let missing = "there is none: this is no backup, or one that was not finished";
        match std::fs::metadata(&path) {
            Ok(metadata) if metadata.len() > LONGEST => return Err(wrong("it is too long")),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(wrong(missing)),
            Err(error) => return Err(Error::io("read", path)(error)),
        }
        let bytes = std::fs::read(&path).map_err(Error::io("read", &path))?;
        let whole = FORM
            .read(&bytes)
            .ok_or_else(|| wrong("it is damaged: its sum is not right"))?;
        if let Some(found) = whole.number("format").filter(|found| *found > FORMAT) {
            return Err(Error::FormatTooNew { found, known: FORMAT });
        }
        let manifest = decode(&whole).ok_or_else(|| wrong("it is not the manifest of a backup"))?;
        Ok(Self { whole, manifest })
    }

    /// What it says, to find the keyring with; nothing else is believed yet.
    pub(crate) const fn claimed(&self) -> &Manifest {
        &self.manifest
    }

    /// The manifest, when a holder of the log's keys wrote it.
    ///
    /// # Errors
    /// [`Error::Backup`].
    pub(crate) fn prove(self, log: &Origin, derive: impl FnOnce(&str) -> [u8; 32]) -> Result<Manifest, Error> {
        if self.manifest.log != *log || !FORM.is_authentic(&self.whole, &derive(FORM.purpose)) {
            return Err(Error::backup(
                FILE,
                "it was not written by the log that the keyring belongs to",
            ));
        }
        Ok(self.manifest)
    }
}

fn decode(whole: &Whole) -> Option<Manifest> {
    // A backup of the version before holds everything else; its log has its checkpoints again when it signs new ones.
    let format = whole.number("format")?;
    let has_checkpoints = format == FORMAT;
    if whole.members.len() != MEMBERS - usize::from(!has_checkpoints)
        || !(WITHOUT_CHECKPOINTS..=FORMAT).contains(&format)
    {
        return None;
    }
    let parts = whole.members.get("parts")?.as_array()?;
    let parts = parts.iter().map(decode_entry).collect::<Option<Vec<_>>>()?;
    let keyrings = parts.iter().filter(|part| part.kind() == Kind::Keyring).count();
    // In the order in which a restore needs them, each part once.
    let ordered = parts.is_sorted_by(|a, b| (a.kind(), &a.name) < (b.kind(), &b.name));
    let fits = has_checkpoints || parts.iter().all(|part| part.kind() != Kind::Checkpoints);
    (keyrings == 1 && ordered && fits).then_some(())?;
    Some(Manifest {
        log: whole.text("log", Origin::parse)?,
        genesis_hash: whole.text("genesis_hash", Hash::from_hex)?,
        created: whole.text("created", Timestamp::parse)?,
        tip: Tip {
            size: whole.number("size").filter(|size| *size > 0)?,
            hash: whole.text("hash", Hash::from_hex)?,
            root: whole.text("root", decode_hex)?,
            ts: whole.text("ts", Timestamp::parse)?,
        },
        disclosures: whole.number("disclosures")?,
        guards: whole.number("guards")?,
        checkpoints: if has_checkpoints {
            whole.number("checkpoints")?
        } else {
            0
        },
        scope_keys: whole.number("scope_keys")?,
        parts,
    })
}

fn decode_entry(value: &Value) -> Option<Entry> {
    let members: &Map<String, Value> = value.as_object().filter(|members| members.len() == 3)?;
    let name = members.get("name")?.as_str()?;
    Kind::of(name)?;
    Some(Entry {
        name: name.to_owned(),
        bytes: members.get("bytes")?.as_u64()?,
        hash: decode_hex(members.get("blake3")?.as_str()?)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_has_one_spelling_and_no_way_out() {
        for (kind, number) in [
            (Kind::Keyring, 0),
            (Kind::Disclosures, 3),
            (Kind::Guards, 0),
            (Kind::Checkpoints, 7),
            (Kind::Records, u64::MAX),
        ] {
            assert_eq!(Kind::of(&kind.name(number)), Some(kind));
        }
        for name in [
            "",
            "keyrings",
            "../keyring",
            "records-1",
            "records-+0000000000000000001",
            "guards-000000/..",
            "scopes-000000",
            "checkpoints-1",
        ] {
            assert_eq!(Kind::of(name), None, "{name}");
        }
    }
}

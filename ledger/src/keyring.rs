//! The log's secret keys: one file in the data directory, encrypted under the key-encryption key, which lies elsewhere.
//!
//! ```text
//! {"kdf":{"m":..,"p":..,"salt":"<hex>","t":..}|null,"log":"<origin>","sealed":"<hex: nonce 12 || ciphertext>","v":1}\n
//! ```
//! The associated data is the line without `sealed`, so no byte of the file can change unnoticed. The file is replaced as
//! a whole (write beside, sync, rename, sync the directory): after a crash the old or the new one is there.

mod secret;
mod source;

pub(crate) use secret::Secrets;
pub use source::KeySource;
pub(crate) use source::write_secret;

use crate::Error;
use crate::entropy::random;
use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use record::{Origin, canonical, json};
use serde_json::{Value, json};
use source::{Kdf, KeyEncryptionKey};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

const FORMAT: u64 = 1;

/// The opened keyring and what is needed to write it again.
pub(crate) struct Keyring {
    path: PathBuf,
    pub(crate) log: Origin,
    kek: KeyEncryptionKey,
    kdf: Option<Kdf>,
    pub(crate) secrets: Secrets,
}

impl Keyring {
    /// Writes the keyring of a new log.
    pub(crate) fn create(path: &Path, log: &Origin, source: &KeySource, secrets: Secrets) -> Result<Self, Error> {
        let keyring = Self::unsaved(path, log, source, secrets)?;
        keyring.store()?;
        Ok(keyring)
    }

    /// A keyring of these secrets that is not on the disk yet.
    pub(crate) fn unsaved(path: &Path, log: &Origin, source: &KeySource, secrets: Secrets) -> Result<Self, Error> {
        let kdf = if source.is_passphrase() {
            Some(Kdf::fresh()?)
        } else {
            None
        };
        let kek = source.load(kdf.as_ref())?;
        Ok(Self {
            path: path.to_owned(),
            log: log.clone(),
            kek,
            kdf,
            secrets,
        })
    }

    /// Opens the keyring with the key of `source`.
    pub(crate) fn open(path: &Path, source: &KeySource) -> Result<Self, Error> {
        let bytes = fs::read(path).map_err(Error::io("read", path))?;
        Self::decode(&bytes, path, source)
    }

    /// Reads a keyring file's bytes; [`Keyring::store`] will write to `path`.
    pub(crate) fn decode(bytes: &[u8], path: &Path, source: &KeySource) -> Result<Self, Error> {
        let damaged = || Error::corrupt("keyring", "the file is not a keyring: restore it from a backup");
        let text = bytes.strip_suffix(b"\n").ok_or_else(damaged)?;
        let value = json::parse(text).map_err(|_| damaged())?;
        if canonical::to_vec(&value) != text {
            return Err(damaged());
        }
        let found = value.get("v").and_then(Value::as_u64).ok_or_else(damaged)?;
        if found > FORMAT {
            return Err(Error::FormatTooNew { found, known: FORMAT });
        }
        if found != FORMAT {
            return Err(damaged());
        }
        let log = value
            .get("log")
            .and_then(Value::as_str)
            .and_then(Origin::parse)
            .ok_or_else(damaged)?;
        let kdf = match value.get("kdf").ok_or_else(damaged)? {
            Value::Null => None,
            parameters => Some(Kdf::from_json(parameters).ok_or_else(damaged)?),
        };
        let sealed = value
            .get("sealed")
            .and_then(Value::as_str)
            .filter(|sealed| !sealed.bytes().any(|digit| digit.is_ascii_uppercase()))
            .and_then(|sealed| hex::decode(sealed).ok());
        let sealed = sealed.ok_or_else(damaged)?;
        let (nonce, ciphertext) = sealed.split_first_chunk::<12>().ok_or_else(damaged)?;
        let kek = source.load(kdf.as_ref())?;
        let aad = header(&log, kdf.as_ref());
        let payload = Payload {
            msg: ciphertext,
            aad: &aad,
        };
        let clear = kek
            .aead()
            .decrypt(&Nonce::from(*nonce), payload)
            .map_err(|_| Error::WrongKey)?;
        let secrets = Secrets::from_bytes(zeroize::Zeroizing::new(clear)).ok_or_else(damaged)?;
        Ok(Self {
            path: path.to_owned(),
            log,
            kek,
            kdf,
            secrets,
        })
    }

    /// Replaces the file by the current secrets; durable when it returns.
    pub(crate) fn store(&self) -> Result<(), Error> {
        let aad = header(&self.log, self.kdf.as_ref());
        let nonce: [u8; 12] = random()?;
        let clear = self.secrets.to_bytes();
        let payload = Payload { msg: &clear, aad: &aad };
        let sealed = self.kek.aead().encrypt(&Nonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| Error::Store("the keyring is too large to encrypt".to_owned()))?;
        let mut value = json::parse(&aad).expect("the header was just written as JSON");
        if let Some(members) = value.as_object_mut() {
            members.insert(
                "sealed".to_owned(),
                json!(hex::encode([nonce.as_slice(), &sealed].concat())),
            );
        }
        let mut line = canonical::to_vec(&value);
        line.push(b'\n');
        replace(&self.path, &line)
    }
}

fn header(log: &Origin, kdf: Option<&Kdf>) -> Vec<u8> {
    canonical::to_vec(&json!({"v": FORMAT, "log": log.as_str(), "kdf": kdf.map(Kdf::to_json)}))
}

/// Replaces a file as a whole: beside, sync, rename, sync the directory.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let beside = path.with_extension("new");
    let mut file = File::create(&beside).map_err(Error::io("create", &beside))?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(Error::io("write", &beside))?;
    fs::rename(&beside, path).map_err(Error::io("replace", path))?;
    let dir = path.parent().unwrap_or(Path::new("."));
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(Error::io("sync", dir))
}

impl KeyEncryptionKey {
    fn aead(&self) -> Aes256Gcm {
        Aes256Gcm::new(&(*self.0).into())
    }
}

impl Keyring {
    /// The ciphers of all data keys; the last one encrypts.
    pub(crate) fn ciphers(&self) -> Vec<crate::cipher::Cipher> {
        let keys = self.secrets.data_keys.iter();
        keys.map(|(epoch, key)| crate::cipher::Cipher::new(&self.log, *epoch, key))
            .collect()
    }

    /// The index keys of this log.
    pub(crate) fn index(&self) -> crate::index::Index {
        crate::index::Index::new(self.secrets.index_key.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Opens these bytes as a keyring.
    fn open(bytes: &[u8]) -> Result<Keyring, Error> {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("keyring");
        fs::write(&path, bytes).expect("writes");
        Keyring::open(&path, &KeySource::Hex("ab".repeat(32).into()))
    }

    fn whole() -> Vec<u8> {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("keyring");
        let log = Origin::parse("example.com/audit").expect("an origin");
        let source = KeySource::Hex("ab".repeat(32).into());
        Keyring::create(&path, &log, &source, Secrets::fresh().expect("entropy")).expect("creates");
        fs::read(&path).expect("reads")
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), text in "[{}\\[\\]\",:a-f0-9kdflogsealedv]{0,80}") {
            prop_assert!(open(&bytes).is_err());
            let line = text + "\n";
            prop_assert!(open(line.as_bytes()).is_err());
        }

        #[test]
        fn any_members_are_refused(sealed in "[0-9a-f]{0,80}", v in 0u64..4, m in 0u64..1 << 40) {
            let kdf = json!({"m": m, "p": 1, "salt": "00".repeat(32), "t": 1});
            for kdf in [Value::Null, kdf, json!([])] {
                let mut line = canonical::to_vec(&json!({"kdf": kdf, "log": "example.com/audit", "sealed": sealed, "v": v}));
                line.push(b'\n');
                let newer = matches!(open(&line), Err(Error::FormatTooNew { .. }));
                prop_assert!(open(&line).is_err());
                prop_assert_eq!(newer, v > FORMAT);
            }
        }
    }

    #[test]
    fn no_bit_of_the_file_changes_unnoticed() {
        let whole = whole();
        assert!(open(&whole).is_ok());
        for at in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            assert!(open(&flipped).is_err(), "bit {at}");
        }
    }
}

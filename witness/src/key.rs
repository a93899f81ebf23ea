//! The key of a cosigner, in the form that note signers have: `PRIVATE+KEY+<name>+<key id>+base64(0x04 || seed)`.
//!
//! Invariant: a key file is new when it is written, and only its owner may read it. No error holds the key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::SigningKey;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use tlog::{KeyType, VerifierKey};
use zeroize::Zeroizing;

const PREFIX: &str = "PRIVATE+KEY+";
/// Cosignatures with a time, as in a verifier key.
const ALGORITHM: u8 = 0x04;

/// A name with both halves of its key.
#[derive(Clone)]
pub struct CosignerKey {
    public: VerifierKey,
    secret: SigningKey,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// No note can carry this name.
    #[error("{0}")]
    Name(tlog::Error),
    /// The text is no key of a cosigner.
    #[error("not a cosigner's key: its form is PRIVATE+KEY+<name>+<key id>+<base64>, of the type 04")]
    Form,
    /// Somebody beside its owner may read the file.
    #[error("others may read the key file: set its mode to 0600")]
    Readable,
    /// The file cannot be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl CosignerKey {
    /// The key under `name` that follows from 32 random bytes.
    ///
    /// # Errors
    /// [`KeyError::Name`].
    pub fn new(name: &str, seed: &[u8; 32]) -> Result<Self, KeyError> {
        let secret = SigningKey::from_bytes(seed);
        let public = VerifierKey::new(name, KeyType::Cosignature, secret.verifying_key().as_bytes());
        Ok(Self {
            public: public.map_err(KeyError::Name)?,
            secret,
        })
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// [`KeyError::Form`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let rest = text.trim_end().strip_prefix(PREFIX).ok_or(KeyError::Form)?;
        let (name, rest) = rest.split_once('+').ok_or(KeyError::Form)?;
        let (_, encoded) = rest.split_once('+').ok_or(KeyError::Form)?;
        let raw = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| KeyError::Form)?);
        let seed = raw.strip_prefix(&[ALGORITHM]).and_then(|seed| seed.try_into().ok());
        let key = Self::new(name, seed.ok_or(KeyError::Form)?)?;
        // The key id is part of the text: another one means that a part of it was changed.
        if *key.to_text() == *text.trim_end() {
            Ok(key)
        } else {
            Err(KeyError::Form)
        }
    }

    /// The text form, without a newline.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let seed = Zeroizing::new(self.secret.to_bytes());
        let raw = Zeroizing::new([&[ALGORITHM][..], &*seed].concat());
        let id = u32::from_be_bytes(self.public.id());
        let encoded = Zeroizing::new(STANDARD.encode(&*raw));
        Zeroizing::new(format!("{PREFIX}{}+{id:08x}+{}", self.public.name(), *encoded))
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
            return Err(KeyError::Readable);
        }
        Self::parse(&Zeroizing::new(fs::read_to_string(path)?))
    }

    /// Writes a new key file of mode 0600.
    ///
    /// # Errors
    /// [`KeyError::Io`], also when there is a file.
    pub fn write(&self, path: &Path) -> Result<(), KeyError> {
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let mut file = opened?;
        file.write_all(self.to_text().as_bytes())?;
        file.write_all(b"\n")?;
        Ok(file.sync_all()?)
    }

    /// The half that everybody may know.
    #[must_use]
    pub const fn public(&self) -> &VerifierKey {
        &self.public
    }

    pub(crate) const fn secret(&self) -> &SigningKey {
        &self.secret
    }
}

impl std::fmt::Debug for CosignerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("CosignerKey").field(&self.public).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_written_once_for_its_owner_and_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let key = CosignerKey::new("w.example.com", &[7; 32]).unwrap();
        key.write(&path).unwrap();
        assert_eq!(CosignerKey::read(&path).unwrap().public(), key.public());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(key.write(&path), Err(KeyError::Io(_))), "never overwritten");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(CosignerKey::read(&path), Err(KeyError::Readable)));
    }

    #[test]
    fn a_text_that_is_no_key_is_refused_without_being_shown() {
        let key = CosignerKey::new("w", &[7; 32]).unwrap();
        let text = key.to_text();
        let secret = text.rsplit('+').next().unwrap();
        for wrong in [
            text.replace("PRIVATE", "PUBLIC"),
            text.replace("+w+", "+v+"),
            text.replace(secret, "AAAA"),
            text.replace(secret, &STANDARD.encode([&[1][..], &[7; 32]].concat())),
            String::new(),
        ] {
            let error = CosignerKey::parse(&wrong).unwrap_err();
            assert!(matches!(error, KeyError::Form), "{error}");
        }
        assert!(!format!("{key:?}").contains(secret));
        assert!(CosignerKey::new("two words", &[7; 32]).is_err());
    }
}

//! The keys of signed notes: who signed, under which name, with which algorithm (C2SP signed-note v1.0.0).
//!
//! ```text
//! verifier key  <name>+<key id, 8 hex>+base64(type || 32 bytes of the Ed25519 public key)
//! key id        first four bytes of SHA-256(name || 0x0A || type || public key)
//! type          0x01 a log signs the note's text; 0x04 a witness cosigns it with a time
//! ```
//!
//! Invariant: a [`VerifierKey`] has a name that a note can carry, a key that is not weak, and the id that follows from
//! both. A note's line names a key by (name, id); only the whole key decides whether the line counts.

use crate::{Error, What, base64};
use ed25519_dalek::{Signature, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// What a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyType {
    /// `0x01`: Ed25519 over the note's text, as logs sign checkpoints.
    Ed25519,
    /// `0x04`: Ed25519 over the text and a time, as witnesses cosign (C2SP tlog-cosignature).
    Cosignature,
}

/// The four bytes by which a note's line names a key.
pub type KeyId = [u8; 4];

/// A public key under a name.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    kind: KeyType,
    key: VerifyingKey,
}

impl KeyType {
    const fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::Cosignature => 0x04,
        }
    }

    const fn of(byte: u8) -> Option<Self> {
        match byte {
            0x01 => Some(Self::Ed25519),
            0x04 => Some(Self::Cosignature),
            _ => None,
        }
    }
}

impl VerifierKey {
    /// The key under `name`.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for a name that no note can carry, or 32 bytes that are no key or a weak one.
    pub fn new(name: &str, kind: KeyType, key: &[u8; 32]) -> Result<Self, Error> {
        if !is_name(name) {
            return Err(
                What::VerifierKey.malformed("its name is empty or has a space, a plus sign or a control character")
            );
        }
        let key = VerifyingKey::from_bytes(key).ok().filter(|key| !key.is_weak());
        let key = key.ok_or(What::VerifierKey.malformed("its bytes are no Ed25519 public key, or a weak one"))?;
        let name = name.to_owned();
        Ok(Self { name, kind, key })
    }

    /// Reads the text form.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`]: another form, an algorithm other than 0x01 and 0x04, an id that is not the key's.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let malformed = |detail| What::VerifierKey.malformed(detail);
        let form = "its form is <name>+<key id>+<base64>";
        let (name, rest) = text.split_once('+').ok_or(malformed(form))?;
        let (_, encoded) = rest.split_once('+').ok_or(malformed(form))?;
        let raw = base64::decode(encoded).ok_or(malformed("its last part is not base64"))?;
        let (kind, key) = raw.split_first().ok_or(malformed("it has no key"))?;
        let kind = KeyType::of(*kind).ok_or(malformed(
            "its algorithm is neither Ed25519 (01) nor a cosignature (04)",
        ))?;
        let key = key
            .try_into()
            .map_err(|_| malformed("an Ed25519 public key has 32 bytes"))?;
        let key = Self::new(name, kind, key)?;
        if key.to_string() == text {
            Ok(key)
        } else {
            Err(malformed("its key id is not the one of its name and key"))
        }
    }

    /// The signer's name; a log's is its origin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it signs.
    #[must_use]
    pub const fn kind(&self) -> KeyType {
        self.kind
    }

    /// The public key.
    #[must_use]
    pub fn key(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// The id that a note's line carries.
    #[must_use]
    pub fn id(&self) -> KeyId {
        let digest = Sha256::new()
            .chain_update(self.name.as_bytes())
            .chain_update([b'\n', self.kind.byte()])
            .chain_update(self.key.as_bytes())
            .finalize();
        let [a, b, c, d, ..] = <[u8; 32]>::from(digest);
        [a, b, c, d]
    }

    /// Whether `signature` over `message` is by this key, strictly (no small-order points, RFC 8032 section 5.1.7).
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.key
            .verify_strict(message, &Signature::from_bytes(signature))
            .is_ok()
    }

    /// Whether `secret` is the other half of this key.
    pub(crate) fn is_of(&self, secret: &SigningKey) -> bool {
        secret.verifying_key() == self.key
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut raw = vec![self.kind.byte()];
        raw.extend_from_slice(self.key.as_bytes());
        let id = u32::from_be_bytes(self.id());
        write!(f, "{}+{id:08x}+{}", self.name, base64::encode(&raw))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whether a note can carry this name: not empty, no Unicode white space, no plus sign, no control character.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

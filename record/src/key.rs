//! Ed25519 public keys and signatures in their JSON form, and verification that refuses what RFC 8032 leaves open.
//!
//! `verify_strict` everywhere: small-order keys are refused, and so are the spellings of a point that RFC 8032 forbids but
//! decompression accepts, so that one key has one text. A batch may stand in only for
//! registered keys, which have passed the weak-key check when the key was made into a [`PublicKey`].

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::VerifyingKey;
use std::cell::Cell;
use std::fmt;

/// 64 raw bytes of an Ed25519 signature (RFC 8032).
pub type Signature = [u8; 64];

thread_local! {
    // A log names the same key in record after record, and checking that a key is a point costs 5 us each time.
    static LAST: Cell<Option<PublicKey>> = const { Cell::new(None) };
}

/// An Ed25519 public key: canonical bytes of a point that is not of small order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// A key from its 32 bytes; `None` for bytes that are no point, a weak one, or not its canonical spelling.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        let known = LAST.get().filter(|key| key.as_bytes() == bytes);
        let key = known.or_else(|| Self::decompress(bytes))?;
        LAST.set(Some(key));
        Some(key)
    }

    fn decompress(bytes: &[u8; 32]) -> Option<Self> {
        if !is_reduced(bytes) {
            return None;
        }
        let key = VerifyingKey::from_bytes(bytes).ok()?;
        (!key.is_weak()).then_some(Self(key))
    }

    /// A key from canonical base64 of its 32 bytes.
    #[must_use]
    pub fn from_base64(text: &str) -> Option<Self> {
        Self::from_bytes(&decode_base64::<32>(text)?)
    }

    /// The 32 raw bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// Canonical base64, as a record's `pub_key` writes it.
    #[must_use]
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.as_bytes())
    }

    /// Whether `signature` over `message` is this key's, by `verify_strict`.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &Signature) -> bool {
        self.0
            .verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature))
            .is_ok()
    }

    /// The key for batch verification; only keys that passed the weak-key check are of this type.
    #[must_use]
    pub const fn as_dalek(&self) -> &VerifyingKey {
        &self.0
    }
}

impl From<VerifyingKey> for PublicKey {
    /// A key that we hold the secret of: never weak.
    fn from(key: VerifyingKey) -> Self {
        Self(key)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.to_base64())
    }
}

/// Whether the y coordinate is below the field's prime 2^255 - 19 (RFC 8032, section 5.1.3, step 1).
fn is_reduced(bytes: &[u8; 32]) -> bool {
    let [lowest, middle @ .., highest] = bytes;
    *lowest < 0xed || highest & 0x7f != 0x7f || middle.iter().any(|byte| *byte != 0xff)
}

/// The self-naming key id of an author: `ed25519:` and 64 hex digits of the public key.
///
/// It says which key signed, not whom the key belongs to: a verifier pins the keys it believes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyText(PublicKey);

impl KeyText {
    /// Reads `ed25519:<64 hex>`; `None` for any other spelling and for weak keys.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = crate::hash::decode_hex(text.strip_prefix("ed25519:")?)?;
        PublicKey::from_bytes(&bytes).map(Self)
    }

    /// The key that the text names.
    #[must_use]
    pub const fn key(&self) -> &PublicKey {
        &self.0
    }
}

impl From<PublicKey> for KeyText {
    fn from(key: PublicKey) -> Self {
        Self(key)
    }
}

impl fmt::Display for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ed25519:{}", hex::encode(self.0.as_bytes()))
    }
}

/// `N` bytes from base64 in the standard alphabet, padded and canonical; `None` for any other spelling or length.
#[must_use]
pub fn decode_base64<const N: usize>(text: &str) -> Option<[u8; N]> {
    // The engine refuses missing padding and non-zero trailing bits, so each value has one spelling.
    STANDARD.decode(text).ok()?.try_into().ok()
}

/// Base64 in the standard alphabet, padded.
#[must_use]
pub fn encode_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

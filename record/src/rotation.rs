//! Key rotation: the statement that the new key and the root key sign, so that a stolen signing key cannot rotate to the
//! thief.

use crate::canonical;
use crate::hash::Hash;
use crate::key::{PublicKey, Signature};
use crate::name::Origin;
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::json;

/// Which of the log's keys is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Signs records.
    Record,
    /// Signs checkpoints.
    Checkpoint,
}

impl Role {
    /// The text in the statement.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Checkpoint => "checkpoint",
        }
    }
}

/// `key.rotated` without its signatures.
#[derive(Debug, Clone, Copy)]
pub struct Rotation<'a> {
    /// The log whose key is replaced.
    pub log: &'a Origin,
    /// Which key.
    pub role: Role,
    /// The key until now.
    pub old: &'a PublicKey,
    /// The key from the next offset on.
    pub new: &'a PublicKey,
}

impl Rotation<'_> {
    /// `"sigil/key/v1\n" || BLAKE3(JCS({log, role, old, new}))`, keys in base64.
    #[must_use]
    pub fn message(&self) -> Vec<u8> {
        let covered = json!({
            "log": self.log.as_str(), "role": self.role.as_str(), "old": self.old.to_base64(), "new": self.new.to_base64(),
        });
        let mut message = b"sigil/key/v1\n".to_vec();
        message.extend_from_slice(Hash::of(&canonical::to_vec(&covered)).as_bytes());
        message
    }

    /// Signs the statement, as the new key (`pop`) or the root key (`root_sig`) does.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> Signature {
        key.sign(&self.message()).to_bytes()
    }

    /// Whether both signatures cover this rotation.
    #[must_use]
    pub fn verifies(&self, root: &PublicKey, pop: &Signature, root_sig: &Signature) -> bool {
        let message = self.message();
        self.new.verifies(&message, pop) && root.verifies(&message, root_sig)
    }
}

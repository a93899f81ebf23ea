//! The log's keys as of an offset. Rotation never touches history: a record is judged by the keys in force before it.

use super::Denial;
use crate::payload::{Genesis, KeyRotated};
use record::key::decode_base64;
use record::rotation::{Role, Rotation};
use record::{Origin, PublicKey};

/// The three keys of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// Signs records.
    pub record: PublicKey,
    /// Signs checkpoints.
    pub checkpoint: PublicKey,
    /// Agrees to every rotation.
    pub root: PublicKey,
}

impl Keys {
    /// The keys that a genesis pins; `None` when one of them is no key, or two are the same.
    #[must_use]
    pub fn from_genesis(genesis: &Genesis) -> Option<Self> {
        let record = PublicKey::from_base64(&genesis.record_key)?;
        let checkpoint = PublicKey::from_base64(&genesis.checkpoint_key)?;
        let root = PublicKey::from_base64(&genesis.root_key)?;
        let separate = record != checkpoint && record != root && checkpoint != root;
        separate.then_some(Self {
            record,
            checkpoint,
            root,
        })
    }

    /// The keys after `rotated`.
    ///
    /// # Errors
    /// [`Denial::RotationStale`] or [`Denial::RotationUnproven`].
    pub fn check_rotation(&self, log: &Origin, rotated: &KeyRotated) -> Result<Self, Denial> {
        let key = |text: &str| PublicKey::from_base64(text).ok_or(Denial::RotationUnproven);
        let sig = |text: &str| decode_base64(text).ok_or(Denial::RotationUnproven);
        let (role, old, new) = (Role::from(rotated.role), key(&rotated.old)?, key(&rotated.new)?);
        let current = match role {
            Role::Record => &self.record,
            Role::Checkpoint => &self.checkpoint,
        };
        if old != *current || old == new {
            return Err(Denial::RotationStale);
        }
        if [&self.record, &self.checkpoint, &self.root].contains(&&new) {
            return Err(Denial::RotationUnproven);
        }
        let rotation = Rotation {
            log,
            role,
            old: &old,
            new: &new,
        };
        if !rotation.verifies(&self.root, &sig(&rotated.pop)?, &sig(&rotated.root_sig)?) {
            return Err(Denial::RotationUnproven);
        }
        let mut next = self.clone();
        match role {
            Role::Record => next.record = new,
            Role::Checkpoint => next.checkpoint = new,
        }
        Ok(next)
    }
}

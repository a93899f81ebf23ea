//! The log's keys while it is walked: pinned by genesis, replaced by proven rotations, judged as of the offset.

use crate::check::Check;
use crate::finding::Finding;
use crate::signature::LogKey;
use domain::payload::{Genesis, KeyRotated};
use domain::state::Keys;
use record::{Origin, PublicKey};

/// The keys in force for the next record.
#[derive(Debug, Default)]
pub(crate) struct Keyring {
    keys: Option<InForce>,
}

#[derive(Debug)]
struct InForce {
    keys: Keys,
    record: LogKey,
}

impl InForce {
    fn new(keys: Keys) -> Self {
        Self {
            record: LogKey::new(keys.record),
            keys,
        }
    }
}

impl Keyring {
    /// The record key; `None` before genesis.
    pub(crate) fn record_key(&self) -> Option<LogKey> {
        self.keys.as_ref().map(|keys| keys.record)
    }

    /// The root key; `None` before genesis.
    pub(crate) fn root_key(&self) -> Option<PublicKey> {
        self.keys.as_ref().map(|keys| keys.keys.root)
    }

    /// All three keys; `None` before genesis.
    pub(crate) fn in_force(&self) -> Option<&Keys> {
        self.keys.as_ref().map(|keys| &keys.keys)
    }

    /// Pins the keys of genesis.
    pub(crate) fn pin(&mut self, genesis: &Genesis) -> Option<Finding> {
        match Keys::from_genesis(genesis) {
            Some(keys) => {
                self.keys = Some(InForce::new(keys));
                None
            }
            None => Some(Finding::new(
                Check::Key,
                "/payload",
                "genesis names something that is no full-order Ed25519 key",
            )),
        }
    }

    /// Replaces a key from the next offset on, if the new key and the root key signed for it.
    pub(crate) fn rotate(&mut self, log: &Origin, rotated: &KeyRotated) -> Option<Finding> {
        let keys = self.keys.as_ref()?;
        match keys.keys.check_rotation(log, rotated) {
            Ok(next) => {
                self.keys = Some(InForce::new(next));
                None
            }
            Err(denial) => Some(Finding::new(Check::Key, "/payload", denial.to_string())),
        }
    }
}

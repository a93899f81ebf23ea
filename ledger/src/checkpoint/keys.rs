//! Which keys sign a checkpoint: the one in force as of its size, and with the first checkpoint that covers a rotation also
//! the one before, so that whoever knows the old key alone sees that the log itself went on to the new one.

use crate::Error;
use crate::engine::Shared;
use crate::handle::Handle;
use ed25519_dalek::SigningKey;
use record::{Origin, PublicKey};
use tlog::{Checkpoint, CheckpointText, KeyType, Line, Node, VerifierKey};

/// Signs a tree head for readers who know the keys in force as of `before` records.
pub(super) fn sign(shared: &Shared, before: u64, size: u64, root: Node) -> Result<Checkpoint, Error> {
    let log = shared.preparer.log.as_str();
    let keys = shared
        .access()
        .map(|access| access.checkpoint_keys.clone())
        .unwrap_or_default();
    let mut signers = in_force(&keys, before, size).into_iter().rev();
    let newest = signers.next().and_then(|key| held(shared, log, key));
    let (key, secret) = newest.ok_or_else(|| {
        let detail = "the keyring does not hold the checkpoint key in force: restore it from a backup".to_owned();
        Error::Key {
            path: "keyring".to_owned(),
            detail,
        }
    })?;
    let mut checkpoint = Checkpoint::sign(size, root, &key, &secret);
    // A key that was taken out of the keyring signs no farewell; the rotation record proves the new one all the same.
    let farewells = signers.rev().filter_map(|key| held(shared, log, key));
    let lines: Vec<Line> = farewells
        .map(|(key, secret)| Line::sign(checkpoint.note().text(), &key, &secret))
        .collect();
    checkpoint.note_mut().extend(lines);
    Ok(checkpoint)
}

/// The keys that sign a checkpoint of `size` records for readers who know those as of `before`, oldest first.
fn in_force(keys: &[(u64, PublicKey)], before: u64, size: u64) -> Vec<&PublicKey> {
    let covered = || keys.iter().filter(|(from, _)| *from <= size);
    let known = covered().filter(|(from, _)| *from <= before).count();
    covered().skip(known.saturating_sub(1)).map(|(_, key)| key).collect()
}

fn held(shared: &Shared, log: &str, key: &PublicKey) -> Option<(VerifierKey, SigningKey)> {
    Some((verifier_key(log, key)?, shared.signing_key(key)?))
}

fn verifier_key(log: &str, key: &PublicKey) -> Option<VerifierKey> {
    VerifierKey::new(log, KeyType::Ed25519, key.as_bytes()).ok()
}

impl Handle {
    /// The keys that have signed and sign checkpoints of this log, oldest first.
    ///
    /// # Errors
    /// [`ledger_client::Error::Unavailable`] or [`ledger_client::Error::Corrupt`] while the store does not work.
    pub fn checkpoint_keys(&self) -> Result<Vec<VerifierKey>, ledger_client::Error> {
        let shared = self.reader()?;
        let log = shared.preparer.log.as_str();
        let keys = shared.access().map(|access| access.checkpoint_keys.clone());
        let keys = keys.unwrap_or_default();
        Ok(keys.iter().filter_map(|(_, key)| verifier_key(log, key)).collect())
    }
}

/// Reads a note that is a checkpoint of this log, signed by a key that it has or had.
pub(super) fn verify(shared: &Shared, note: &str) -> Option<CheckpointText> {
    let keys = shared.access()?.checkpoint_keys.clone();
    let text = CheckpointText::parse(note).ok()?;
    verify_any(&shared.preparer.log, &keys, &text).then_some(text)
}

/// Whether a checkpoint is signed by any of these keys, under the log's name.
pub(crate) fn verify_any(log: &Origin, keys: &[(u64, PublicKey)], text: &CheckpointText) -> bool {
    let log = log.as_str();
    let keys: Vec<VerifierKey> = keys.iter().filter_map(|(_, key)| verifier_key(log, key)).collect();
    text.clone().verify(log, &keys).is_ok()
}

/// Whether a checkpoint is signed by the key that was in force as of its size, under the log's name.
pub(crate) fn verify_at(log: &Origin, keys: &[(u64, PublicKey)], text: &CheckpointText) -> bool {
    let (log, size) = (log.as_str(), text.size());
    let key = in_force(keys, size, size).pop().and_then(|key| verifier_key(log, key));
    key.is_some_and(|key| text.clone().verify(log, &[key]).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_checkpoint_behind_a_rotation_is_signed_by_both_keys() {
        let key = |seed: u8| PublicKey::from(SigningKey::from_bytes(&[seed; 32]).verifying_key());
        let keys = [(0, key(1)), (8, key(2)), (10, key(3))];
        let signers = |before, size| {
            let signers = in_force(&keys, before, size);
            let number = |signer: &&PublicKey| (1..4).find(|seed| key(*seed) == **signer);
            signers.iter().filter_map(number).collect::<Vec<u8>>()
        };
        assert_eq!(signers(0, 7), [1]);
        assert_eq!(signers(5, 7), [1]);
        assert_eq!(signers(7, 8), [1, 2]);
        assert_eq!(signers(8, 9), [2]);
        assert_eq!(signers(9, 10), [2, 3]);
        assert_eq!(signers(7, 12), [1, 2, 3]);
        assert_eq!(signers(0, 12), [1, 2, 3]);
        assert_eq!(signers(12, 20), [3]);
    }
}

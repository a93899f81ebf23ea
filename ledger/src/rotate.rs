//! Key rotation: a new signing key is durable in the keyring before the record that puts it in force.

use crate::Error;
use crate::engine::Engine;
use crate::handle::Handle;
use crate::init::own_record;
use crate::recovery;
use domain::payload::KeyRotated;
use domain::payload::key_rotated::KeyRole;
use domain::state::Body;
use ed25519_dalek::SigningKey;
use ledger_client::{LedgerClient as _, Receipt};
use record::hash::decode_hex;
use record::key::encode_base64;
use record::rotation::{Role, Rotation};
use record::{PublicKey, Tenant};
use std::path::Path;
use zeroize::Zeroizing;

/// Reads the root key that `init` wrote.
///
/// # Errors
/// [`Error::Key`] when the file is not one, or an I/O error.
pub fn read_root_key(path: &Path) -> Result<SigningKey, Error> {
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(Error::io("read", path))?);
    let seed = text
        .strip_prefix("sigil-root-key-v1:")
        .map(str::trim_end)
        .and_then(decode_hex)
        .map(Zeroizing::new);
    let wrong = || Error::Key {
        path: path.display().to_string(),
        detail: "it is not a root key that `sigil init` wrote".to_owned(),
    };
    seed.map(|seed| SigningKey::from_bytes(&seed)).ok_or_else(wrong)
}

impl Handle {
    /// Replaces the record-signing key, from the next offset on, with the consent of the root key.
    ///
    /// # Errors
    /// [`ledger_client::Error::Denied`] when `root` is not the log's root key; whatever an append may fail with.
    pub async fn rotate_record_key(&self, root: &SigningKey) -> Result<Receipt, ledger_client::Error> {
        let engine = self.engine_for_rotation().await?;
        let old = self.current_record_key().await?;
        self.rotate(&engine, KeyRole::Record, &old, root).await
    }

    /// Replaces the key that signs checkpoints, from the first one on that covers the rotation, with the consent of the
    /// root key. That one is signed by the old key too.
    ///
    /// # Errors
    /// As [`Handle::rotate_record_key`].
    pub async fn rotate_checkpoint_key(&self, root: &SigningKey) -> Result<Receipt, ledger_client::Error> {
        let engine = self.engine_for_rotation().await?;
        let access = engine.shared.access();
        let newest = access.as_ref().and_then(|access| access.checkpoint_keys.last());
        let (_, old) = newest.copied().ok_or(domain::Denial::GenesisMisplaced)?;
        self.rotate(&engine, KeyRole::Checkpoint, &old, root).await
    }

    async fn rotate(
        &self,
        engine: &Engine,
        role: KeyRole,
        old: &PublicKey,
        root: &SigningKey,
    ) -> Result<Receipt, ledger_client::Error> {
        let unavailable = |error: Error| ledger_client::Error::Unavailable {
            reason: error.to_string(),
        };
        let new = {
            let mut keyring = engine.shared.keyring();
            let key = keyring.secrets.add_signing_key().map_err(unavailable)?;
            keyring.store().map_err(unavailable)?;
            key
        };
        let public = PublicKey::from(new.verifying_key());
        let rotation = Rotation {
            log: self.origin(),
            role: Role::from(role),
            old,
            new: &public,
        };
        let rotated = KeyRotated {
            role,
            old: old.to_base64(),
            new: public.to_base64(),
            pop: encode_base64(&rotation.sign(&new)),
            root_sig: encode_base64(&rotation.sign(root)),
        };
        self.append_own(own_record(Tenant::ledger(), "key.rotated", &rotated).map_err(unavailable)?)
            .await
    }

    /// The key of the newest record, or what that record rotates to.
    async fn current_record_key(&self) -> Result<PublicKey, ledger_client::Error> {
        let corrupt = |error: Error| ledger_client::Error::Corrupt(error.to_string());
        let size = self.head().await?.size;
        let last = size.checked_sub(1).ok_or(domain::Denial::GenesisMisplaced)?;
        let newest = self.read(last, 1).await?.into_iter().next();
        let newest = newest.ok_or_else(|| ledger_client::Error::Corrupt("the newest record is missing".to_owned()))?;
        let record = recovery::parse(&newest.bytes, newest.offset).map_err(corrupt)?;
        let rotated = match Body::of(&record) {
            Ok(Body::KeyRotated(rotated)) if rotated.role == KeyRole::Record => PublicKey::from_base64(&rotated.new),
            _ => None,
        };
        Ok(rotated.unwrap_or(record.pub_key))
    }
}

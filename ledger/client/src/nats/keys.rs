//! The key that signs replies: the log's record key, found from the pinned genesis through proven rotations.
//!
//! The reply to `keys` proves itself: genesis has the pinned hash, every rotation has the root key's consent, and the
//! reply is signed by the key that they lead to. A key that was rotated away is never believed again.

use super::Pin;
use crate::wire::{OpenedReply, RequestId, Status, body, reply_message};
use bytes::Bytes;
use domain::payload::KeyRotated;
use domain::state::{Body, Keys};
use record::{PublicKey, Record, Signature};
use std::sync::{PoisonError, RwLock};

/// What is known about the ledger's keys.
#[derive(Default)]
pub(super) struct ReplyKey(RwLock<Option<Known>>);

#[derive(Clone, Copy)]
struct Known {
    key: PublicKey,
    rotations: usize,
}

impl ReplyKey {
    /// Whether the key in force signed `document`.
    pub(super) fn verifies(&self, document: &[u8], signature: &Signature) -> bool {
        let known = *self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.is_some_and(|known| known.key.verifies(&reply_message(document), signature))
    }

    /// Learns from a reply to `keys`; `false` when it does not prove itself, or is older than what is known.
    pub(super) fn learn(
        &self,
        pin: &Pin,
        gateway: &str,
        id: RequestId,
        document: &Bytes,
        signature: &Signature,
    ) -> bool {
        let proven = || {
            let reply = OpenedReply::read(document, &pin.log, gateway, id)?;
            let (genesis, rotations) = body::read_keys(&reply.body).filter(|_| reply.status == Status::Ok)?;
            let key = fold(pin, genesis, &rotations)?;
            let signed = key.verifies(&reply_message(document), signature);
            signed.then_some(Known {
                key,
                rotations: rotations.len(),
            })
        };
        let Some(proven) = proven() else { return false };
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.is_some_and(|known| known.rotations > proven.rotations) {
            return false;
        }
        *known = Some(proven);
        true
    }
}

/// The record key that the pinned genesis and these rotations lead to.
fn fold(pin: &Pin, genesis: Vec<u8>, rotations: &[KeyRotated]) -> Option<PublicKey> {
    let record = Record::parse(genesis).ok()?;
    if record.hash != pin.genesis || record.log != pin.log {
        return None;
    }
    let Ok(Body::Genesis(genesis)) = Body::of(&record) else {
        return None;
    };
    let first = Keys::from_genesis(&genesis).filter(|keys| keys.root == pin.root)?;
    let keys = rotations
        .iter()
        .try_fold(first, |keys, rotated| keys.check_rotation(&pin.log, rotated).ok())?;
    Some(keys.record)
}

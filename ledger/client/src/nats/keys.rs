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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Reply;
    use domain::payload::key_rotated::KeyRole;
    use domain::payload::{Genesis, KeyRotated};
    use ed25519_dalek::{Signer as _, SigningKey};
    use record::key::encode_base64;
    use record::rotation::{Role, Rotation};
    use record::{Auth, Author, Draft, Fault, Kind, NewRecord, Origin, Place, RecordId, Space, Tenant, Timestamp};

    const ID: RequestId = RequestId::new([1; 16]);

    fn key(byte: u8) -> SigningKey {
        SigningKey::from_bytes(&[byte; 32])
    }

    fn public(byte: u8) -> PublicKey {
        key(byte).verifying_key().into()
    }

    fn log() -> Origin {
        Origin::parse("example.com/audit").unwrap()
    }

    /// A genesis with record key 1, checkpoint key 2 and root key 3.
    fn genesis() -> Record {
        let payload = Genesis {
            format_version: 1,
            slug: "audit".to_owned(),
            record_key: public(1).to_base64(),
            checkpoint_key: public(2).to_base64(),
            root_key: public(3).to_base64(),
            predecessor: None,
        };
        let record = NewRecord {
            tenant: Tenant::ledger(),
            kind: Kind::parse("ledger.genesis").unwrap(),
            schema_version: 1,
            id: RecordId::new(1, [1; 10]),
            space: Space::System,
            author: Author::new("ledger", Auth::Ledger),
            payload: serde_json::to_value(payload).unwrap(),
            links: Vec::new(),
            disclosures: Vec::new(),
        };
        let sealed = record.seal::<Fault>(&log(), &[], || Ok([0; 32])).unwrap();
        let place = Place {
            offset: 0,
            seq: 0,
            prev: None,
            ts: Timestamp::MIN,
            pub_key: &public(1),
        };
        let stamped = Draft::new(&log(), sealed, &[]).unwrap().stamp(&place);
        Record::parse(stamped.sign(&key(1))).unwrap()
    }

    fn pin() -> Pin {
        Pin {
            log: log(),
            genesis: genesis().hash,
            root: public(3),
        }
    }

    fn rotated(old: u8, new: u8, root: u8) -> KeyRotated {
        let (log, old, public_new) = (log(), public(old), public(new));
        let rotation = Rotation {
            log: &log,
            role: Role::Record,
            old: &old,
            new: &public_new,
        };
        KeyRotated {
            role: KeyRole::Record,
            old: old.to_base64(),
            new: public_new.to_base64(),
            pop: encode_base64(&rotation.sign(&key(new))),
            root_sig: encode_base64(&rotation.sign(&key(root))),
        }
    }

    /// Whether a reply with these rotations, signed by this key, teaches anything.
    fn learns(reply_key: &ReplyKey, pin: &Pin, rotations: &[KeyRotated], signer: u8) -> bool {
        let body = body::keys(genesis().bytes(), rotations);
        let reply = Reply {
            log: &log(),
            gateway: "gw-1",
            id: ID,
            status: Status::Ok,
            body: &body,
        };
        let document = Bytes::from(reply.document());
        let signature = key(signer).sign(&reply_message(&document)).to_bytes();
        let learned = reply_key.learn(pin, "gw-1", ID, &document, &signature);
        assert_eq!(learned, learned && reply_key.verifies(&document, &signature));
        learned
    }

    #[test]
    fn the_answer_proves_itself_from_what_is_pinned() {
        let fresh = ReplyKey::default;
        assert!(learns(&fresh(), &pin(), &[], 1));
        assert!(
            !learns(&fresh(), &pin(), &[], 2),
            "signed by another key than the one it leads to"
        );
        assert!(learns(&fresh(), &pin(), &[rotated(1, 5, 3), rotated(5, 6, 3)], 6));
        assert!(!learns(&fresh(), &pin(), &[rotated(1, 5, 3)], 1), "the old key is over");
        assert!(
            !learns(&fresh(), &pin(), &[rotated(1, 5, 9)], 5),
            "the root key did not agree"
        );
        assert!(
            !learns(&fresh(), &pin(), &[rotated(5, 6, 3)], 6),
            "it does not begin with genesis"
        );
        let genesis = Pin {
            genesis: record::Hash::of(b"another"),
            ..pin()
        };
        assert!(!learns(&fresh(), &genesis, &[], 1));
        let root = Pin {
            root: public(9),
            ..pin()
        };
        assert!(!learns(&fresh(), &root, &[], 1));
    }

    #[test]
    fn a_key_that_was_rotated_away_is_not_believed_again() {
        let reply_key = ReplyKey::default();
        assert!(learns(&reply_key, &pin(), &[], 1));
        assert!(learns(&reply_key, &pin(), &[rotated(1, 5, 3)], 5));
        assert!(
            !learns(&reply_key, &pin(), &[], 1),
            "the thief of the old key leaves the rotation out"
        );
        assert!(!reply_key.verifies(b"x", &key(1).sign(&reply_message(b"x")).to_bytes()));
        assert!(reply_key.verifies(b"x", &key(5).sign(&reply_message(b"x")).to_bytes()));
    }
}

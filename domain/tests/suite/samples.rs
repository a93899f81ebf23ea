//! Fixed keys and payloads of every kind.

use domain::payload::key_rotated::KeyRole;
use domain::payload::{GatewayEnrolled, GatewayRevoked, GatewayRole, Genesis, KeyRotated, TenantCreated};
use ed25519_dalek::SigningKey;
use record::key::encode_base64;
use record::rotation::Rotation;
use record::{Hash, Origin, PublicKey, Tenant};
use serde_json::{Value, json};

pub const RECORD: u8 = 1;
pub const CHECKPOINT: u8 = 2;
pub const ROOT: u8 = 3;

pub fn key(byte: u8) -> SigningKey {
    SigningKey::from_bytes(&[byte; 32])
}

pub fn public(byte: u8) -> PublicKey {
    key(byte).verifying_key().into()
}

pub fn log() -> Origin {
    Origin::parse("example.com/audit").unwrap()
}

pub fn tenant(text: &str) -> Tenant {
    Tenant::parse(text).unwrap()
}

pub fn genesis() -> Genesis {
    Genesis {
        format_version: 1,
        slug: "audit".to_owned(),
        record_key: public(RECORD).to_base64(),
        checkpoint_key: public(CHECKPOINT).to_base64(),
        root_key: public(ROOT).to_base64(),
        predecessor: None,
    }
}

/// A rotation with the proofs of `prover` and `root`.
pub fn rotated(role: KeyRole, old: u8, new: u8, prover: u8, root: u8) -> KeyRotated {
    let (log, old, new) = (log(), public(old), public(new));
    let rotation = Rotation {
        log: &log,
        role: role.into(),
        old: &old,
        new: &new,
    };
    KeyRotated {
        role,
        old: old.to_base64(),
        new: new.to_base64(),
        pop: encode_base64(&rotation.sign(&key(prover))),
        root_sig: encode_base64(&rotation.sign(&key(root))),
    }
}

pub fn created(name: &str) -> TenantCreated {
    TenantCreated {
        tenant: name.to_owned(),
        name: "A tenant".to_owned(),
    }
}

pub fn enrolled(name: &str, key: u8, role: GatewayRole) -> GatewayEnrolled {
    GatewayEnrolled {
        gateway: name.to_owned(),
        public_key: public(key).to_base64(),
        role,
    }
}

pub fn revoked(name: &str) -> GatewayRevoked {
    GatewayRevoked {
        gateway: name.to_owned(),
    }
}

/// A payload of every kind with every member that it may have.
pub fn payloads() -> Vec<(&'static str, Value)> {
    let mut genesis = serde_json::to_value(genesis()).unwrap();
    let hash = Hash::of(b"x").to_string();
    genesis["predecessor"] = json!({"log": "example.com/old", "size": 12, "root": hash.clone(), "hash": hash.clone()});
    vec![
        ("ledger.genesis", genesis),
        (
            "key.rotated",
            serde_json::to_value(rotated(KeyRole::Record, RECORD, 4, 4, ROOT)).unwrap(),
        ),
        ("ledger.recovered", json!({"from": 3, "to": 7, "disclosures_lost": 2})),
        ("ledger.map_root", json!({"size": 3, "root": hash.clone()})),
        ("tenant.created", serde_json::to_value(created("acme")).unwrap()),
        (
            "gateway.enrolled",
            serde_json::to_value(enrolled("gw-1", 7, GatewayRole::Reader)).unwrap(),
        ),
        ("gateway.revoked", serde_json::to_value(revoked("gw-1")).unwrap()),
        (
            "projection.verified",
            json!({
                "projection": "timeline", "version": 1, "engine": "sqlite", "position": 12, "digest": hash,
                "replayed_digest": hash, "equal": true, "differences": 0, "parked": 0,
            }),
        ),
        (
            "checkpoint.anchored",
            json!({
                "size": 12, "root": hash, "anchor": "https", "place": "anchor.example.com:443",
                "note": "example.com/audit\n12\nAA==\n", "receipt": "b2s=",
                "anchored_at": "2026-11-20T12:00:00.000000Z",
            }),
        ),
        (
            "checkpoint.anchor_failed",
            json!({"size": 12, "anchor": "https", "place": "anchor.example.com:443", "error_class": "timeout"}),
        ),
        (
            "audit.event",
            json!({
                "action": "tool.call", "outcome": "denied", "source": "agent-runtime", "data": {"a": [1.5, null]},
                "occurred_at": "2026-11-20T12:00:00.000000Z", "private": {"card": "4111"},
            }),
        ),
        (
            "canon.user.write",
            json!({"key": "note/1", "value": {"a": 1}, "min_loa": 5}),
        ),
    ]
}

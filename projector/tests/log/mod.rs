//! Real logs for tests: records sealed, stamped, hashed and signed by the same code as in a ledger, and a source over them.
//!
//! Deterministic: keys, ids and times are counted, never drawn.

use ed25519_dalek::SigningKey;
use projector::query::Pending;
use projector::{Error, Source};
use record::rotation::{Role, Rotation};
use record::{
    Auth, Author, Draft, Fault, Hash, Kind, Link, NewRecord, Origin, Place, PublicKey, RecordId, Space, Tenant,
    Timestamp,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

/// The sequencing time of the first record.
pub const START: i64 = 1_800_000_000_000_000;

/// Canonical bytes of a record.
pub type Bytes = Arc<[u8]>;

/// A log that grows.
pub struct Log {
    pub origin: Origin,
    pub records: Vec<Bytes>,
    pub next: Next,
    root: SigningKey,
    chains: BTreeMap<Tenant, (u64, Option<Hash>)>,
}

/// What the next record is stamped with; a test may change it to make a wrong one.
#[derive(Clone)]
pub struct Next {
    pub log: Origin,
    pub offset: u64,
    pub seq: Option<u64>,
    pub prev: Option<Option<Hash>>,
    pub ts: i64,
    pub claimed: SigningKey,
    pub signer: SigningKey,
}

pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub fn public(key: &SigningKey) -> PublicKey {
    PublicKey::from(key.verifying_key())
}

pub fn tenant(name: &str) -> Tenant {
    Tenant::parse(name).expect("the name follows the grammar")
}

impl Log {
    /// A log that holds its genesis.
    pub fn new() -> Self {
        let mut log = Self::empty();
        let genesis = log.genesis();
        log.append(Tenant::LEDGER, "ledger.genesis", genesis, &[]);
        log
    }

    /// A log without records.
    pub fn empty() -> Self {
        let origin = Origin::parse("example.com/audit").expect("the origin follows the grammar");
        let next = Next {
            log: origin.clone(),
            offset: 0,
            seq: None,
            prev: None,
            ts: START,
            claimed: key(1),
            signer: key(1),
        };
        Self {
            origin,
            records: vec![],
            next,
            root: key(250),
            chains: BTreeMap::new(),
        }
    }

    pub fn genesis(&self) -> Value {
        json!({
            "format_version": 1, "slug": "test", "record_key": public(&self.next.signer).to_base64(),
            "checkpoint_key": public(&key(251)).to_base64(), "root_key": public(&self.root).to_base64(),
        })
    }

    /// Appends a record of this kind; links are (label, target).
    pub fn append(&mut self, tenant: &str, kind: &str, payload: Value, links: &[(&str, &str)]) -> Bytes {
        let bytes = self.make(tenant, kind, payload, links);
        self.records.push(Arc::clone(&bytes));
        bytes
    }

    /// Makes the record that `next` describes and moves `next` behind it.
    pub fn make(&mut self, name: &str, kind: &str, payload: Value, links: &[(&str, &str)]) -> Bytes {
        let record = NewRecord {
            tenant: tenant(name),
            kind: Kind::parse(kind).expect("the kind follows the grammar"),
            schema_version: 1,
            id: RecordId::new(1_800_000_000_000 + self.next.offset, [7; 10]),
            space: if name == Tenant::LEDGER {
                Space::System
            } else {
                Space::User
            },
            author: Author::new("agent:test", Auth::Local),
            payload,
            links: links
                .iter()
                .map(|(label, target)| Link::new(*label, *target).expect("the link follows the grammar"))
                .collect(),
            disclosures: vec![],
        };
        let sealed = record.seal::<Fault>(&self.next.log, &[], || Ok([9; 32]));
        let draft = Draft::new(&self.next.log, sealed.expect("the record seals"), &[]).expect("the record fits");
        let chain = self.chains.entry(tenant(name)).or_default();
        let prev = self.next.prev.take().unwrap_or(chain.1);
        let stamped = draft.stamp(&Place {
            offset: self.next.offset,
            seq: self.next.seq.take().unwrap_or(chain.0),
            prev: prev.as_ref(),
            ts: Timestamp::from_micros(self.next.ts).expect("the time is in range"),
            pub_key: &public(&self.next.claimed),
        });
        *chain = (chain.0 + 1, Some(*stamped.hash()));
        self.next.offset += 1;
        stamped.sign(&self.next.signer).into()
    }

    /// Replaces the record key.
    pub fn rotate(&mut self, new: SigningKey) {
        let (old, public_new) = (public(&self.next.signer), public(&new));
        let rotation = Rotation {
            log: &self.origin,
            role: Role::Record,
            old: &old,
            new: &public_new,
        };
        let base64 = |signature: record::Signature| record::key::encode_base64(&signature);
        let payload = json!({
            "role": "record", "old": old.to_base64(), "new": public_new.to_base64(),
            "pop": base64(rotation.sign(&new)), "root_sig": base64(rotation.sign(&self.root)),
        });
        self.append(Tenant::LEDGER, "key.rotated", payload, &[]);
        (self.next.claimed, self.next.signer) = (new.clone(), new);
    }

    /// A log of this many small records of several kinds, tenants and timelines.
    pub fn sample(records: usize) -> Self {
        let mut log = Self::new();
        for (name, at) in [("acme", 1), ("globex", 2)] {
            log.append(name, "tenant.created", json!({"tenant": name, "name": name}), &[]);
            log.next.ts = START + at;
        }
        for at in log.records.len()..records {
            let name = if at % 3 == 0 { "globex" } else { "acme" };
            log.next.ts += (at % 4) as i64 * 250_000;
            let (actor, session) = (format!("agent:a{}", at % 5), format!("session:s{}", at / 10));
            if at % 7 == 0 {
                let payload = json!({"key": format!("k{}", at % 4), "value": {"n": at}, "min_loa": at % 6});
                log.append(name, "canon.user.write", payload, &[("actor", actor.as_str())]);
            } else {
                log.event(
                    name,
                    at,
                    &[("actor", &actor), ("session", &session), ("trace", "trace:x")],
                );
            }
            if at % 50 == 0 {
                log.rotate(key(2 + (at / 50) as u8));
            }
        }
        log
    }

    /// Appends an event that happened at some other time than it is recorded.
    pub fn event(&mut self, name: &str, at: usize, links: &[(&str, &str)]) -> Bytes {
        let happened = Timestamp::from_micros(START - (at as i64 * 7_919) % 100_000).expect("the time is in range");
        let outcome = match at % 3 {
            0 => "success",
            1 => "failure",
            _ => "denied",
        };
        let payload = json!({
            "action": format!("tool.call{}", at % 4), "outcome": outcome, "occurred_at": happened.to_string(), "source": "test",
        });
        self.append(name, "audit.event", payload, links)
    }

    /// A source over the records so far, in batches of at most `limit`.
    pub fn source(&self, limit: usize) -> Memory {
        Memory {
            log: watch::Sender::new(self.records.clone()).subscribe(),
            limit,
        }
    }
}

/// A log in memory. Waits for more while its sender is there.
pub struct Memory {
    pub log: watch::Receiver<Vec<Bytes>>,
    pub limit: usize,
}

impl Source for Memory {
    fn next(&mut self, from: u64) -> Pending<'_, Vec<Bytes>> {
        Box::pin(async move {
            let from = from as usize;
            let Ok(log) = self.log.wait_for(|log| log.len() > from).await else {
                return std::future::pending().await;
            };
            Ok(log.iter().skip(from).take(self.limit).cloned().collect())
        })
    }

    fn head(&mut self) -> Pending<'_, u64> {
        Box::pin(async move { Ok::<_, Error>(self.log.borrow().len() as u64) })
    }
}

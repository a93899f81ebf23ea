//! Builds signed logs as a store would keep them: records, timeline entries, tiles and heads.

use domain::Catalogue;
use ed25519_dalek::{Signer as _, SigningKey};
use record::rotation::{Role, Rotation};
use record::{Auth, Author, Draft, Hash, Kind, Link, NewRecord, Origin, Place, PublicKey, RecordId, Space, Tenant};
use record::{Fault, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tlog::{Edge, Frontier, Node, TileId, hash_leaf};
use verifier::{
    Claims, Derived, Head, Item, KeyType, StoredRecord, TimelineEntry, TimelineName, TreeHead, Trust, VerifierKey,
};

pub const ORIGIN: &str = "example.com/audit";
type Name = (String, String, String);

pub fn origin() -> Origin {
    Origin::parse(ORIGIN).expect("the tests write legal records")
}

pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub fn public(seed: u8) -> PublicKey {
    key(seed).verifying_key().into()
}

/// Seeds of the keys that genesis pins.
pub const RECORD_KEY: u8 = 1;
pub const CHECKPOINT_KEY: u8 = 2;
pub const ROOT_KEY: u8 = 3;

/// What a store keeps; every field may be tampered with.
#[derive(Clone)]
pub struct Store {
    pub records: Vec<StoredRecord>,
    pub heads: BTreeMap<Name, Vec<u8>>,
    pub tiles: BTreeMap<TileId, Vec<Node>>,
    pub claims: Claims,
    /// Hash of the record at offset 0 as it was written.
    pub genesis: Option<Hash>,
}

/// Writes a log record by record.
pub struct Writer {
    /// Added to the seed of each of the log's keys: another log with the same content.
    shift: u8,
    signer: SigningKey,
    chains: BTreeMap<Tenant, (u64, Option<Hash>)>,
    timelines: BTreeMap<Name, Frontier>,
    edge: Edge,
    micros: i64,
    catalogue: Catalogue,
    store: Store,
    /// Changes a record's place before it is stamped.
    pub bend: Option<fn(&mut Bent)>,
}

/// The place of a record, to be bent.
pub struct Bent {
    pub offset: u64,
    pub seq: u64,
    pub prev: Option<Hash>,
    pub micros: i64,
}

pub fn new_record(tenant: &str, kind: &str, payload: Value, links: &[(&str, &str)], number: u64) -> NewRecord {
    let system = [
        "ledger.genesis",
        "ledger.map_root",
        "ledger.recovered",
        "key.rotated",
        "tenant.created",
        "projection.verified",
        "checkpoint.anchored",
        "checkpoint.anchor_failed",
    ];
    let system = system.contains(&kind);
    let links = links
        .iter()
        .map(|(label, target)| Link::new(*label, *target).expect("the tests write legal records"));
    NewRecord {
        tenant: Tenant::parse(tenant).expect("the tests write legal records"),
        kind: Kind::parse(kind).expect("the tests write legal records"),
        schema_version: 1,
        id: RecordId::new(1_700_000_000_000 + number, [number as u8; 10]),
        space: if system { Space::System } else { Space::User },
        author: Author::new("agent:a7", if system { Auth::Ledger } else { Auth::Local }),
        payload,
        links: record::link::normalize(links.collect()).expect("the tests write legal records"),
        disclosures: Vec::new(),
    }
}

impl Writer {
    /// A log with genesis and two tenants.
    pub fn new() -> Self {
        Self::with_keys(0)
    }

    /// The same under other keys.
    pub fn with_keys(shift: u8) -> Self {
        let claims = Claims::default();
        let mut writer = Self {
            shift,
            signer: key(RECORD_KEY + shift),
            chains: BTreeMap::new(),
            timelines: BTreeMap::new(),
            edge: Edge::new(),
            micros: 1_800_000_000_000_000,
            catalogue: Catalogue::builtin(),
            store: Store {
                records: Vec::new(),
                heads: BTreeMap::new(),
                tiles: BTreeMap::new(),
                claims,
                genesis: None,
            },
            bend: None,
        };
        writer.write("sigil-ledger", "ledger.genesis", genesis_of(shift), &[]);
        for tenant in ["acme", "zeta"] {
            writer.write(
                tenant,
                "tenant.created",
                json!({"tenant": tenant, "name": "Some tenant"}),
                &[],
            );
        }
        writer
    }

    /// The records so far.
    pub fn records(&self) -> &[StoredRecord] {
        &self.store.records
    }

    /// What the store says about itself, to be added to.
    pub fn claims(&mut self) -> &mut Claims {
        &mut self.store.claims
    }

    pub fn write(&mut self, tenant: &str, kind: &str, payload: Value, links: &[(&str, &str)]) {
        let number = self.store.records.len() as u64;
        self.append(new_record(tenant, kind, payload, links, number));
    }

    pub fn append(&mut self, new: NewRecord) {
        let tenant = new.tenant.clone();
        let spec = self
            .catalogue
            .find(&new.kind, 1)
            .expect("the tests write legal records");
        let (kind, links) = (new.kind.clone(), new.links.clone());
        let sealed = new
            .seal::<Fault>(&origin(), &spec.sealed, || Ok([5; 32]))
            .expect("the tests write legal records");
        let draft = Draft::new(&origin(), sealed, &[]).expect("the tests write legal records");
        let (seq, prev) = self.chains.get(&tenant).copied().unwrap_or_default();
        self.micros += 1_000;
        let mut place = Bent {
            offset: self.store.records.len() as u64,
            seq,
            prev,
            micros: self.micros,
        };
        if let Some(bend) = self.bend.take() {
            bend(&mut place);
        }
        let stamped = draft.stamp(&Place {
            offset: place.offset,
            seq: place.seq,
            prev: place.prev.as_ref(),
            ts: Timestamp::from_micros(place.micros).expect("the tests write legal records"),
            pub_key: &self.signer.verifying_key().into(),
        });
        let hash = *stamped.hash();
        let bytes = stamped.sign(&self.signer);
        self.chains.insert(tenant.clone(), (seq + 1, Some(hash)));
        self.store(&tenant, &kind, &links, hash, bytes);
    }

    fn store(&mut self, tenant: &Tenant, kind: &Kind, links: &[Link], hash: Hash, bytes: Vec<u8>) {
        let offset = self.store.records.len();
        let sha256 = Hash::from(<[u8; 32]>::from(<sha2::Sha256 as sha2::Digest>::digest(&bytes)));
        let leaf = json!({"v": 1, "sha256": sha256.to_string(), "offset": offset, "blake3": hash.to_string()});
        let mut filled = Vec::new();
        self.edge.append(
            hash_leaf(&serde_jcs::to_vec(&leaf).expect("the tests write legal records")),
            &mut filled,
        );
        self.store
            .tiles
            .extend(filled.into_iter().map(|tile| (tile.id, tile.nodes)));
        let leaf = hash_leaf(&[b"sigil/timeline/v1\n", hash.as_bytes().as_slice()].concat());
        let mut names = vec![("", ""), ("kind", kind.as_str())];
        let labelled = links.iter().filter(|link| link.has_timeline());
        names.extend(labelled.map(|link| (link.label(), link.target())));
        let timelines = names.into_iter().map(|(label, target)| {
            let name = (tenant.to_string(), label.to_owned(), target.to_owned());
            let frontier = self.timelines.entry(name).or_default();
            let mut completed = Vec::new();
            let position = frontier.append(leaf, |node| completed.push(node));
            TimelineEntry { position, completed }
        });
        let timelines = timelines.collect();
        self.store.genesis.get_or_insert(hash);
        self.store.records.push(StoredRecord {
            bytes: bytes.into(),
            timelines,
        });
        self.store.claims = Claims {
            head: Some(Head {
                size: offset as u64 + 1,
                last_hash: Some(hash),
            }),
            tree: Some(TreeHead {
                size: self.edge.size(),
                root: self.edge.root(),
            }),
            checkpoints: std::mem::take(&mut self.store.claims.checkpoints),
            anchors: std::mem::take(&mut self.store.claims.anchors),
        };
    }

    /// Signs with another key without telling anybody.
    pub fn sign_with(&mut self, seed: u8) {
        self.signer = key(seed);
    }

    pub fn rotate(&mut self, seed: u8) {
        let seed = seed + self.shift;
        let (old, new) = (PublicKey::from(self.signer.verifying_key()), public(seed));
        let payload = rotation(&old, &new, &key(seed), &key(ROOT_KEY + self.shift));
        self.write("sigil-ledger", "key.rotated", payload, &[]);
        self.sign_with(seed);
    }

    /// Rotates the checkpoint key.
    pub fn rotate_checkpoint(&mut self, old: u8, new: u8) {
        let payload = rotation_of(
            Role::Checkpoint,
            [&public(old), &public(new)],
            &key(new),
            &key(ROOT_KEY),
        );
        self.write("sigil-ledger", "key.rotated", payload, &[]);
    }

    pub fn event(&mut self, number: u64) {
        let tenant = ["acme", "zeta"][number as usize % 2];
        let session = format!("session:s{}", number % 3);
        let actor = format!("agent:a{}", number % 4);
        let links = [("session", session.as_str()), ("actor", &actor), ("cause", "record:x")];
        self.write(tenant, "audit.event", event(number), &links);
    }

    pub fn finish(mut self) -> Store {
        self.store.heads = self
            .timelines
            .into_iter()
            .map(|(name, frontier)| (name, frontier.encode()))
            .collect();
        self.store
    }
}

/// Hashes and signs `record` as the log's own key holder would, whatever it says.
pub fn sign(mut record: Value) -> Vec<u8> {
    let members = record.as_object_mut().expect("a record is an object");
    members.retain(|name, _| !["hash", "pub_key", "sig"].contains(&name.as_str()));
    let hash = Hash::of(&serde_jcs::to_vec(members).expect("a value is JSON"));
    let sig = key(RECORD_KEY).sign(&record::draft::signed_message(&hash)).to_bytes();
    members.insert("hash".to_owned(), json!(hash.to_string()));
    members.insert("pub_key".to_owned(), json!(public(RECORD_KEY).to_base64()));
    members.insert("sig".to_owned(), json!(record::key::encode_base64(&sig)));
    serde_jcs::to_vec(&record).expect("a value is JSON")
}

pub fn genesis() -> Value {
    genesis_of(0)
}

fn genesis_of(shift: u8) -> Value {
    let key = |seed: u8| public(seed + shift).to_base64();
    json!({
        "format_version": 1, "slug": "audit", "record_key": key(RECORD_KEY),
        "checkpoint_key": key(CHECKPOINT_KEY), "root_key": key(ROOT_KEY),
    })
}

pub fn event(number: u64) -> Value {
    json!({
        "action": "tool.call", "outcome": "success", "source": "agent-runtime",
        "data": {"n": number, "ratio": 0.25, "text": "straße \"q\" \n \u{1f600}"}, "private": {"secret": number},
    })
}

pub fn rotation(old: &PublicKey, new: &PublicKey, signer: &SigningKey, root: &SigningKey) -> Value {
    rotation_of(Role::Record, [old, new], signer, root)
}

fn rotation_of(role: Role, [old, new]: [&PublicKey; 2], signer: &SigningKey, root: &SigningKey) -> Value {
    let name = match role {
        Role::Record => "record",
        Role::Checkpoint => "checkpoint",
    };
    let statement = Rotation {
        log: &origin(),
        role,
        old,
        new,
    };
    let sign = |key: &SigningKey| record::key::encode_base64(&key.sign(&statement.message()).to_bytes());
    json!({"role": name, "old": old.to_base64(), "new": new.to_base64(), "pop": sign(signer), "root_sig": sign(root)})
}

/// A log with a rotation at offset 10, events before and behind it, sealed members, and 6 + `events` records or so.
pub fn log(events: u64) -> Store {
    let mut writer = Writer::new();
    (0..events.min(7)).for_each(|number| writer.event(number));
    writer.rotate(4);
    writer.write(
        "acme",
        "canon.user.write",
        json!({"key": "k", "value": [1, {"a": null}], "min_loa": 2}),
        &[],
    );
    (7..events).for_each(|number| writer.event(number));
    writer.finish()
}

impl Store {
    pub fn items(&self, split: usize) -> Vec<Item> {
        self.records
            .chunks(split)
            .map(|block| Item::Records(block.to_vec()))
            .collect()
    }

    pub fn trust(&self) -> Trust {
        Trust {
            origin: origin(),
            genesis_hash: self.genesis.expect("every log here has a genesis"),
            root_key: public(ROOT_KEY),
            checkpoint_keys: vec![checkpoint_key()],
            policy: None,
        }
    }
}

impl Derived for Store {
    fn timeline_head(&mut self, name: TimelineName<'_>) -> Result<Option<Vec<u8>>, String> {
        let name = (name.tenant.to_owned(), name.label.to_owned(), name.target.to_owned());
        Ok(self.heads.get(&name).cloned())
    }

    fn timeline_count(&mut self) -> Result<u64, String> {
        Ok(self.heads.len() as u64)
    }

    fn tile(&mut self, id: TileId) -> Result<Option<Vec<Node>>, String> {
        Ok(self.tiles.get(&id).cloned())
    }
}

/// The log's checkpoint key as a trust file pins it.
pub fn checkpoint_key() -> VerifierKey {
    VerifierKey::new(ORIGIN, KeyType::Ed25519, public(CHECKPOINT_KEY).as_bytes()).unwrap()
}

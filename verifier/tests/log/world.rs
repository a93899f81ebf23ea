//! A log with checkpoints, maps and witnesses, and whatever a server proves about it: built from the leaves, with none of
//! the ledger's code, so that the verifier is held against the format and not against its twin.

use crate::build::{self, CHECKPOINT_KEY, ORIGIN, Writer, key, origin, public};
use record::Record;
use record::key::encode_base64;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tlog::{Checkpoint, Cosignature, Frontier, KeyType, MapKey, MapLeaf, Node, Perfect, VerifierKey};
use tlog::{
    hash_leaf, log_entry, map_root, prove_consistency, prove_inclusion, prove_map, prove_range, timeline_entry,
};
use verifier::{Options, ProofOptions, Report, Trust, verify_log};

/// Seeds of the witnesses' keys.
pub const WITNESSES: [u8; 3] = [21, 22, 23];
/// The checkpoint key behind the rotation.
pub const LATER_CHECKPOINT_KEY: u8 = 12;
/// When everybody verifies: ten seconds after the log's first record or so.
pub const NOW: i64 = 1_800_000_010;

/// A record that was written, and its leaves.
#[derive(Clone)]
pub struct Written {
    pub bytes: Vec<u8>,
    pub record: std::sync::Arc<Record>,
    pub log_leaf: Node,
    pub timeline_leaf: Node,
}

/// A signed checkpoint.
#[derive(Clone)]
pub struct Signed {
    pub size: u64,
    pub map_size: u64,
    pub note: String,
}

/// The log and everything beside it.
pub struct World {
    pub writer: Writer,
    pub written: Vec<Written>,
    pub checkpoints: Vec<Signed>,
    checkpoint_seed: u8,
    shift: u8,
}

/// One of a tenant's timelines.
#[derive(Debug, Clone, Copy)]
pub struct Name<'a>(pub &'a str, pub &'a str, pub &'a str);

/// What was asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    pub newest_first: bool,
    /// Positions of the page, of those below `as_of`.
    pub rows: std::ops::Range<u64>,
    pub cursor: bool,
    pub has_more: bool,
    /// Times around the rows, with the neighbours that show them.
    pub from: bool,
    pub to: bool,
}

impl Asked {
    /// All rows of a timeline of `count`, newest first.
    pub const fn all(count: u64) -> Self {
        Self {
            newest_first: true,
            rows: 0..count,
            cursor: false,
            has_more: false,
            from: false,
            to: false,
        }
    }
}

pub fn witness_key(seed: u8) -> VerifierKey {
    let name = format!("witness{seed}.example/w");
    VerifierKey::new(&name, KeyType::Cosignature, public(seed).as_bytes()).unwrap()
}

pub fn checkpoint_key(seed: u8) -> VerifierKey {
    VerifierKey::new(ORIGIN, KeyType::Ed25519, public(seed).as_bytes()).unwrap()
}

/// Two of three.
pub fn policy() -> String {
    let mut text = format!("log {}\n", checkpoint_key(CHECKPOINT_KEY));
    for seed in WITNESSES {
        text += &format!("witness w{seed} {}\n", witness_key(seed));
    }
    text + "group two 2 w21 w22 w23\nquorum two\n"
}

/// A note over any tree head, with any keys.
pub fn sign(size: u64, root: Node, seeds: &[u8], witnesses: &[u8], time: u64) -> String {
    let (first, others) = seeds.split_first().unwrap();
    let mut checkpoint = Checkpoint::sign(size, root, &checkpoint_key(*first), &key(*first));
    for seed in others {
        let line = tlog::Line::sign(checkpoint.note().text(), &checkpoint_key(*seed), &key(*seed));
        checkpoint.note_mut().extend([line]);
    }
    for seed in witnesses {
        let line = Cosignature::sign(checkpoint.note(), time, &witness_key(*seed), &key(*seed)).unwrap();
        checkpoint.note_mut().extend([line]);
    }
    checkpoint.note().to_text()
}

/// The perfect subtree over `leaves`.
pub fn perfect(leaves: &[Node], wanted: Perfect) -> Result<Node, tlog::Error> {
    let width = 1_usize << wanted.height;
    let from = wanted.index as usize * width;
    let mut frontier = Frontier::new();
    leaves[from..from + width].iter().for_each(|leaf| {
        frontier.append(*leaf, |_| ());
    });
    Ok(frontier.root())
}

pub fn root(leaves: &[Node]) -> Node {
    let mut frontier = Frontier::new();
    leaves.iter().for_each(|leaf| {
        frontier.append(*leaf, |_| ());
    });
    frontier.root()
}

pub fn base64(nodes: &[Node]) -> Value {
    nodes.iter().map(|node| json!(encode_base64(node.as_bytes()))).collect()
}

impl World {
    /// A log without checkpoints so far: genesis and two tenants.
    pub fn new() -> Self {
        Self::with_keys(0)
    }

    fn with_keys(shift: u8) -> Self {
        let mut world = Self {
            writer: Writer::with_keys(shift),
            written: Vec::new(),
            checkpoints: Vec::new(),
            checkpoint_seed: CHECKPOINT_KEY + shift,
            shift,
        };
        world.follow();
        world
    }

    /// Events of two tenants, both keys rotated, a checkpoint now and then whose map lags behind its record.
    pub fn lively(events: u64) -> Self {
        Self::lively_with_keys(events, 0)
    }

    /// The same under other keys of the log: what a thief of everything but the keys can make.
    pub fn lively_with_keys(events: u64, shift: u8) -> Self {
        let mut world = Self::with_keys(shift);
        for number in 0..events {
            world.event(number);
            if number == 4 {
                world.rotate();
            }
            if number == 7 {
                world.rotate_checkpoint();
            }
            if number % 9 == 8 {
                let lagging = world.size();
                world.event(1_000 + number);
                world.checkpoint(lagging);
            }
        }
        world.checkpoint(world.size());
        world
    }

    pub fn size(&self) -> u64 {
        self.written.len() as u64
    }

    pub fn event(&mut self, number: u64) {
        self.writer.event(number);
        self.follow();
    }

    pub fn rotate(&mut self) {
        self.writer.rotate(4);
        self.follow();
    }

    pub fn rotate_checkpoint(&mut self) {
        self.writer.rotate_checkpoint(CHECKPOINT_KEY, LATER_CHECKPOINT_KEY);
        self.checkpoint_seed = LATER_CHECKPOINT_KEY + self.shift;
        self.follow();
    }

    fn follow(&mut self) {
        for stored in &self.writer.records()[self.written.len()..] {
            let record = Record::parse(stored.bytes.to_vec()).unwrap();
            let entry = log_entry(record.offset, record.hash.as_bytes(), &stored.bytes);
            self.written.push(Written {
                bytes: stored.bytes.to_vec(),
                log_leaf: hash_leaf(&entry),
                timeline_leaf: hash_leaf(&timeline_entry(record.hash.as_bytes())),
                record: std::sync::Arc::new(record),
            });
        }
    }

    /// Writes a map root over the first `n` records, and signs the tree that it ends.
    pub fn checkpoint(&mut self, n: u64) -> Signed {
        let root = self.top(n).1;
        self.checkpoint_saying(json!({"size": n, "root": root.to_string()}), n)
    }

    /// The same with a payload of any content.
    pub fn checkpoint_saying(&mut self, payload: Value, n: u64) -> Signed {
        self.writer.write("sigil-ledger", "ledger.map_root", payload, &[]);
        self.follow();
        let size = self.size();
        let leaves = self.log_leaves(size);
        let note = sign(
            size,
            root(&leaves),
            &[self.checkpoint_seed],
            &WITNESSES[..2],
            NOW as u64 - 5,
        );
        let signed = Signed {
            size,
            map_size: n,
            note,
        };
        self.checkpoints.push(signed.clone());
        self.writer.claims().checkpoints.push(signed.note.clone());
        signed
    }

    /// Writes a record of the ledger's own.
    pub fn own(&mut self, kind: &str, payload: Value) {
        self.writer.write("sigil-ledger", kind, payload, &[]);
        self.follow();
    }

    pub fn newest(&self) -> Signed {
        self.checkpoints.last().unwrap().clone()
    }

    pub fn trust(&self) -> Trust {
        Trust {
            origin: origin(),
            genesis_hash: self.written[0].record.hash,
            root_key: public(build::ROOT_KEY),
            checkpoint_keys: vec![checkpoint_key(CHECKPOINT_KEY), checkpoint_key(LATER_CHECKPOINT_KEY)],
            policy: Some(policy()),
        }
    }

    /// The whole log through the verifier, as a store would give it.
    pub fn verify(self) -> Report {
        let trust = self.trust();
        let mut store = self.writer.finish();
        let options = Options {
            trust: Some(&trust),
            ..Options::default()
        };
        let claims = store.claims.clone();
        let items = store.items(5);
        verify_log(items, Some(&mut store), &claims, &options)
    }

    pub fn log_leaves(&self, size: u64) -> Vec<Node> {
        self.written[..size as usize].iter().map(|one| one.log_leaf).collect()
    }

    /// Records of a timeline below `n`.
    pub fn timeline(&self, Name(tenant, label, target): Name<'_>, n: u64) -> Vec<&Written> {
        let belongs = |one: &&Written| {
            let record = &one.record;
            record.tenant.as_str() == tenant
                && match label {
                    "" => true,
                    "kind" => record.kind.as_str() == target,
                    _ => record
                        .links
                        .iter()
                        .any(|link| (link.label(), link.target()) == (label, target)),
                }
        };
        self.written[..n as usize].iter().filter(belongs).collect()
    }

    /// The leaves of a tenant's map at `n`, and the length of its chain.
    pub fn tenant_leaves(&self, tenant: &str, n: u64) -> (u64, Vec<MapLeaf>) {
        let mut trees: BTreeMap<MapKey, Vec<Node>> = BTreeMap::new();
        let mut grow = |key, leaf| trees.entry(key).or_default().push(leaf);
        let chain = self.timeline(Name(tenant, "", ""), n);
        for one in &chain {
            grow(MapKey::whole_chain(), one.timeline_leaf);
            grow(MapKey::timeline("kind", one.record.kind.as_str()), one.timeline_leaf);
            for link in one.record.links.iter().filter(|link| link.has_timeline()) {
                grow(MapKey::timeline(link.label(), link.target()), one.timeline_leaf);
            }
        }
        let leaf = |(key, leaves): (MapKey, Vec<Node>)| MapLeaf {
            key,
            count: leaves.len() as u64,
            root: root(&leaves),
        };
        (chain.len() as u64, trees.into_iter().map(leaf).collect())
    }

    /// The leaves of the top map at `n`, and its root.
    pub fn top(&self, n: u64) -> (Vec<MapLeaf>, Node) {
        let mut tenants: Vec<&str> = self.written[..n as usize]
            .iter()
            .map(|one| one.record.tenant.as_str())
            .collect();
        tenants.sort_unstable();
        tenants.dedup();
        let mut leaves: Vec<MapLeaf> = tenants
            .into_iter()
            .map(|tenant| {
                let (count, leaves) = self.tenant_leaves(tenant, n);
                MapLeaf {
                    key: MapKey::tenant(tenant),
                    count,
                    root: map_root(&leaves),
                }
            })
            .collect();
        leaves.sort_by_key(|leaf| leaf.key);
        let root = map_root(&leaves);
        (leaves, root)
    }

    fn way(leaves: &[MapLeaf], key: &MapKey) -> Value {
        let proof = prove_map(leaves, key);
        let mut way = json!({"siblings": base64(&proof.siblings)});
        if let Some(end) = proof.end {
            way["end"] = json!({"count": end.count, "root": encode_base64(end.root.as_bytes())});
            if end.key != *key {
                way["end"]["key"] = json!(record::Hash::from(*end.key.as_bytes()).to_string());
            }
        }
        way
    }

    /// A proof of a timeline without its checkpoint.
    pub fn part(&self, name: Name<'_>, range: Option<std::ops::Range<u64>>, at: &Signed) -> Value {
        let Name(tenant, label, target) = name;
        let n = at.map_size;
        let key = match label {
            "" => MapKey::whole_chain(),
            _ => MapKey::timeline(label, target),
        };
        let mut part = json!({
            "v": 1, "tenant": tenant, "label": label, "target": target, "as_of": n,
            "top": Self::way(&self.top(n).0, &MapKey::tenant(tenant)),
            "map": Self::way(&self.tenant_leaves(tenant, n).1, &key),
        });
        if let Some(range) = range {
            let leaves: Vec<Node> = self.timeline(name, n).iter().map(|one| one.timeline_leaf).collect();
            let count = leaves.len() as u64;
            let nodes = prove_range(range.start, range.end, count, |node| perfect(&leaves, node)).unwrap();
            part["range"] = json!({"from": range.start, "until": range.end, "nodes": base64(&nodes)});
        }
        part
    }

    /// Adds the checkpoint and its last leaf.
    fn ground(&self, at: &Signed, into: &mut Value) {
        let leaves = self.log_leaves(at.size);
        let path = prove_inclusion(at.size - 1, at.size, |node| perfect(&leaves, node)).unwrap();
        into["checkpoint"] = json!(at.note);
        into["map_record"] = self.json(at.size - 1);
        into["map_path"] = base64(&path);
    }

    pub fn json(&self, offset: u64) -> Value {
        serde_json::from_slice(&self.written[offset as usize].bytes).unwrap()
    }

    /// A proof of a timeline.
    pub fn proof(&self, name: Name<'_>, range: Option<std::ops::Range<u64>>, at: &Signed) -> Value {
        let mut proof = self.part(name, range, at);
        self.ground(at, &mut proof);
        proof
    }

    /// An answer of the API, with the rows that are too new on a first page of the newest.
    pub fn answer(&self, name: Name<'_>, asked: &Asked, at: &Signed) -> Value {
        let Name(tenant, label, target) = name;
        let below = self.timeline(name, at.map_size);
        let all = self.timeline(name, self.size());
        let newer: Vec<u64> = all[below.len()..].iter().map(|one| one.record.offset).collect();
        let shows_newer = asked.newest_first && !asked.cursor && !asked.to;
        let mut rows: Vec<Value> = below[asked.rows.start as usize..asked.rows.end as usize]
            .iter()
            .map(|one| self.json(one.record.offset))
            .collect();
        let unproven = if shows_newer { newer } else { Vec::new() };
        rows.extend(unproven.iter().map(|offset| self.json(*offset)));
        if asked.newest_first {
            rows.reverse();
        }
        let mut range = asked.rows.clone();
        let (mut boundary, mut query) = (
            json!({}),
            json!({
                "tenant": tenant, "label": label, "target": target, "limit": 50,
                "order": if asked.newest_first { "desc" } else { "asc" }, "cursor": asked.cursor,
            }),
        );
        if asked.from {
            let first = &below[asked.rows.start as usize].record;
            query["recorded_from"] = json!(first.ts.to_string());
            if range.start > 0 {
                range.start -= 1;
                boundary["before"] = self.json(below[range.start as usize].record.offset);
            }
        }
        if asked.to {
            if range.end < below.len() as u64 {
                let next = &below[range.end as usize].record;
                query["recorded_to"] = json!(next.ts.to_string());
                boundary["after"] = self.json(next.offset);
                range.end += 1;
            } else {
                query["recorded_to"] = json!("2099-01-01T00:00:00.000000Z");
            }
        }
        let range = (!range.is_empty()).then_some(range);
        let mut answer = json!({
            "data": rows, "has_more": asked.has_more, "completeness": "proven", "query": query,
            "unproven": unproven, "proof": self.proof(name, range, at),
        });
        if !boundary.as_object().unwrap().is_empty() {
            answer["boundary"] = boundary;
        }
        answer
    }

    /// The text of a record's proof.
    pub fn tlog_proof(&self, offset: u64, at: &Signed) -> String {
        let leaves = self.log_leaves(at.size);
        let path = prove_inclusion(offset, at.size, |node| perfect(&leaves, node)).unwrap();
        let mut text = format!("c2sp.org/tlog-proof@v1\nindex {offset}\n");
        for node in &path {
            text += &format!("{}\n", encode_base64(node.as_bytes()));
        }
        text + "\n" + &at.note
    }

    pub fn consistency(&self, from: u64, to: u64) -> Vec<Node> {
        let leaves = self.log_leaves(to);
        prove_consistency(from, to, |node| perfect(&leaves, node)).unwrap()
    }

    fn head(&self, at: &Signed, records: usize, scope: &Value) -> Value {
        let rotations = Name("sigil-ledger", "kind", "key.rotated");
        let known = self.timeline(rotations, at.map_size);
        let range = (!known.is_empty()).then_some(0..known.len() as u64);
        let leaves = self.log_leaves(at.size);
        let genesis_path = prove_inclusion(0, at.size, |node| perfect(&leaves, node)).unwrap();
        let mut head = json!({
            "format": "sigil-proof-bundle", "v": 1, "log": ORIGIN, "records": records, "policy": policy(),
            "scope": scope,
            "keys": {
                "genesis": self.json(0), "genesis_path": base64(&genesis_path),
                "rotations": known.iter().map(|one| self.json(one.record.offset)).collect::<Vec<_>>(),
                "proof": self.part(rotations, range, at),
            },
        });
        self.ground(at, &mut head);
        head
    }

    /// A bundle of a stretch of the log, as lines.
    pub fn log_bundle(&self, from: u64, until: u64, at: &Signed) -> Vec<Vec<u8>> {
        let leaves = self.log_leaves(at.size);
        let nodes = prove_range(from, until, at.size, |node| perfect(&leaves, node)).unwrap();
        let scope = json!({"kind": "log", "from": from, "until": until, "nodes": base64(&nodes)});
        let records = self.written[from as usize..until as usize].iter();
        let head = self.head(at, records.len(), &scope);
        let mut lines = vec![head.to_string().into_bytes()];
        lines.extend(records.map(|one| one.bytes.clone()));
        lines
    }

    /// A bundle of a stretch of a timeline, as lines.
    pub fn timeline_bundle(&self, name: Name<'_>, range: std::ops::Range<u64>, at: &Signed) -> Vec<Vec<u8>> {
        let all = self.timeline(name, at.map_size);
        let records = &all[range.start as usize..range.end as usize];
        let wanted = (!range.is_empty()).then_some(range);
        let scope = json!({"kind": "timeline", "proof": self.part(name, wanted, at)});
        let mut lines = vec![self.head(at, records.len(), &scope).to_string().into_bytes()];
        lines.extend(records.iter().map(|one| one.bytes.clone()));
        lines
    }
}

/// Options of whoever holds the trust file and allows a minute.
pub fn options(trust: &Trust) -> ProofOptions<'_> {
    ProofOptions {
        trust: Some(trust),
        now: Some(NOW),
        max_age: Some(60),
        ..ProofOptions::default()
    }
}

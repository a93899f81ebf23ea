//! The trees of [`Memory`]: checkpoints that are really signed, proofs that are computed anew from all records.
//!
//! Nothing is cached and nothing is clever: `tlog` over every record, so that what the gateway serves can be verified.
//! Checkpoints come when a test asks for one.

use super::Memory;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::SigningKey;
use ledger_client::proof::{
    Answer, MapEnd, MapPath, PathProof, Question, SignedCheckpoint, Stretch, TimelineProof, TimelineRange, Unprovable,
};
use ledger_client::{Error, Pending, Refusal};
use record::{Record, Tenant};
use serde_json::json;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tlog::{Checkpoint, Cosignature, Frontier, KeyType, MapKey, MapLeaf, MapProof, Node, Note, Perfect, VerifierKey};

const LABELS: [&str; 5] = ["actor", "subject", "resource", "session", "proposal"];

/// Three witnesses.
fn witnesses() -> [(SigningKey, VerifierKey); 3] {
    [1, 2, 3].map(|number| {
        let secret = SigningKey::from_bytes(&[50 + number; 32]);
        let name = format!("witness-{number}.example.com");
        let key = VerifierKey::new(&name, KeyType::Cosignature, secret.verifying_key().as_bytes());
        (secret, key.unwrap())
    })
}

impl Memory {
    /// The key that checkpoints are signed with.
    pub fn checkpoint_key(&self) -> VerifierKey {
        let key = SigningKey::from_bytes(&[43; 32]).verifying_key();
        VerifierKey::new(self.log.as_str(), KeyType::Ed25519, key.as_bytes()).unwrap()
    }

    /// Writes the map over all records, signs the tree that ends with it, and shows it.
    pub fn checkpoint(&self) -> SignedCheckpoint {
        let records = self.records();
        let root = top_leaves(&records).iter().map(|(_, leaf)| *leaf).collect::<Vec<_>>();
        let payload = json!({"root": tlog::map_root(&root).to_string(), "size": records.len()});
        self.write_map_root(payload);
        let leaves = log_leaves(&self.records());
        let size = leaves.len() as u64;
        let secret = SigningKey::from_bytes(&[43; 32]);
        let signed = Checkpoint::sign(size, root_of(&leaves), &self.checkpoint_key(), &secret);
        let checkpoint = SignedCheckpoint {
            size,
            map_size: size - 1,
            signed_at: 1_763_640_000_000_000 + i64::try_from(size).unwrap(),
            witnessed: None,
            note: signed.note().to_text(),
        };
        self.checkpoints.lock().unwrap().push(checkpoint.clone());
        self.newest.send_modify(|changes| *changes += 1);
        checkpoint
    }

    /// A quorum has cosigned the newest checkpoint: two of three.
    pub fn witness(&self) {
        if let Some(newest) = self.checkpoints.lock().unwrap().last_mut() {
            let mut note = Note::parse(&newest.note).unwrap();
            let time = u64::try_from(newest.signed_at / 1_000_000).unwrap();
            for (secret, key) in witnesses().iter().take(2) {
                note.extend([Cosignature::sign(&note, time, key, secret).unwrap()]);
            }
            newest.note = note.to_text();
            newest.witnessed = Some(true);
        }
        self.newest.send_modify(|changes| *changes += 1);
    }

    /// The policy by which witnesses are asked.
    pub fn policy() -> String {
        let lines = witnesses().map(|(_, key)| format!("witness {0} {key}\n", key.name()));
        let [one, two, three] = witnesses().map(|(_, key)| key.name().to_owned());
        format!("{}group two 2 {one} {two} {three}\nquorum two\n", lines.concat())
    }

    pub(super) fn answer(&self, question: Question) -> Pending<'_, Answer> {
        Box::pin(async move {
            self.ledger_failure()?;
            if self.unsigned.load(Ordering::Relaxed) {
                return Ok(Answer::Unprovable(Unprovable::Disabled));
            }
            if let Question::Checkpoint {
                covering,
                witnessed,
                wait_ms,
            } = question
            {
                let enough = |newest: &SignedCheckpoint| {
                    newest.size >= covering && (!witnessed || newest.witnessed == Some(true))
                };
                let mut changes = self.newest.subscribe();
                let reached = changes.wait_for(|_| self.newest_checkpoint().is_some_and(|newest| enough(&newest)));
                let _late = tokio::time::timeout(Duration::from_millis(wait_ms), reached).await;
                return Ok(Answer::Checkpoint(self.newest_checkpoint()));
            }
            self.prove_now(&question)
        })
    }

    fn newest_checkpoint(&self) -> Option<SignedCheckpoint> {
        self.checkpoints.lock().unwrap().last().cloned()
    }

    fn checkpoint_of(&self, size: u64) -> Option<SignedCheckpoint> {
        let checkpoints = self.checkpoints.lock().unwrap();
        checkpoints.iter().find(|checkpoint| checkpoint.size == size).cloned()
    }

    fn prove_now(&self, question: &Question) -> Result<Answer, Error> {
        let covered = self.newest_checkpoint().map_or(0, |newest| newest.size);
        let records = self.records();
        let leaves = log_leaves(&records);
        let within = |size: u64| match size {
            size if size > records.len() as u64 => Some(Answer::Unprovable(Unprovable::BeyondEnd)),
            size if size > covered => Some(Answer::Unprovable(Unprovable::NotYet)),
            _ => None,
        };
        let path = |size: u64, nodes: Vec<Node>| {
            Answer::Path(PathProof {
                size,
                nodes: nodes.iter().map(text).collect(),
                checkpoint: self.checkpoint_of(size),
            })
        };
        Ok(match *question {
            Question::Checkpoint { .. } => unreachable!("it may wait"),
            Question::Checkpoints { below, limit } => {
                let kept = self.checkpoints.lock().unwrap().clone();
                let kept = kept.into_iter().rev();
                let kept = kept.filter(|checkpoint| below.is_none_or(|below| checkpoint.size < below));
                Answer::Checkpoints(kept.take(usize::from(limit)).collect())
            }
            Question::Policy => Answer::Policy((!self.unwatched.load(Ordering::Relaxed)).then(Self::policy)),
            Question::Inclusion { offset, size } => {
                let size = size.unwrap_or(covered);
                match within(size.max(offset + 1)) {
                    Some(answer) => answer,
                    None => path(size, tlog::prove_inclusion(offset, size, of(&leaves)).unwrap()),
                }
            }
            Question::Consistency { from, to } => match within(to) {
                Some(answer) => answer,
                None => path(to, tlog::prove_consistency(from, to, of(&leaves)).unwrap()),
            },
            Question::Range { from, until, size } => match within(size) {
                Some(answer) => answer,
                None => path(size, tlog::prove_range(from, until, size, of(&leaves)).unwrap()),
            },
            Question::Tile { level, index, width } => {
                let row = nodes_of_level(&leaves, level, covered);
                tile(&row, index, width, |node| node.as_bytes().to_vec())
            }
            Question::Entries { index, width } => {
                let row: Vec<&Record> = records.iter().take(usize::try_from(covered).unwrap()).collect();
                tile(&row, index, width, |record| {
                    let mut bundle = Vec::new();
                    tlog::push_entry(&mut bundle, &entry(record)).unwrap();
                    bundle
                })
            }
            Question::Timeline {
                ref tenant,
                ref label,
                ref target,
                at_most,
                stretch,
            } => {
                let checkpoints = self.checkpoints.lock().unwrap();
                let newest = checkpoints.iter().rev().find(|kept| kept.map_size <= at_most);
                match newest {
                    None => Answer::Unprovable(Unprovable::NotYet),
                    Some(newest) => timeline(&records, newest, (tenant, label, target), stretch)?,
                }
            }
        })
    }
}

fn timeline(
    records: &[Record],
    checkpoint: &SignedCheckpoint,
    (tenant, label, target): (&str, &str, &str),
    stretch: Option<Stretch>,
) -> Result<Answer, Error> {
    let at = |size: u64| usize::try_from(size).unwrap();
    let covered = &records[..at(checkpoint.map_size)];
    let top = top_leaves(covered);
    let key = MapKey::tenant(tenant);
    if !top.iter().any(|(_, leaf)| leaf.key == key) {
        return Ok(Answer::Unprovable(Unprovable::TenantUnknown));
    }
    let of_tenant = heads(covered, &Tenant::parse(tenant).unwrap());
    let wanted = if label.is_empty() {
        MapKey::whole_chain()
    } else {
        MapKey::timeline(label, target)
    };
    let leaves: Vec<MapLeaf> = of_tenant.iter().map(|(key, members)| leaf(*key, members)).collect();
    let top: Vec<MapLeaf> = top.into_iter().map(|(_, leaf)| leaf).collect();
    let members = of_tenant.get(&wanted).map_or(&[][..], Vec::as_slice);
    let last = at(checkpoint.size) - 1;
    let log = log_leaves(&records[..=last]);
    let range = match stretch.filter(|stretch| stretch.first < checkpoint.map_size) {
        None => None,
        Some(stretch) => {
            let position = |offset: u64| members.iter().position(|(known, _)| *known == offset);
            let missing = || Error::CommandRefused(Refusal::Malformed);
            let from = position(stretch.first).ok_or_else(missing)?;
            let until = if stretch.last < checkpoint.map_size {
                position(stretch.last).ok_or_else(missing)? + 1
            } else {
                members.len()
            };
            let nodes: Vec<Node> = members.iter().map(|(_, node)| *node).collect();
            let (from, until, size) = (from as u64, until as u64, members.len() as u64);
            let nodes = tlog::prove_range(from, until, size, of(&nodes)).unwrap();
            let nodes = nodes.iter().map(text).collect();
            Some(TimelineRange { from, until, nodes })
        }
    };
    let map_record = std::str::from_utf8(records[last].bytes()).unwrap().to_owned();
    let path = tlog::prove_inclusion(last as u64, checkpoint.size, of(&log)).unwrap();
    Ok(Answer::Timeline(Box::new(TimelineProof {
        v: 1,
        tenant: tenant.to_owned(),
        label: label.to_owned(),
        target: target.to_owned(),
        as_of: checkpoint.map_size,
        checkpoint: checkpoint.note.clone(),
        map_record: RawValue::from_string(map_record).unwrap(),
        map_path: path.iter().map(text).collect(),
        top: way(&tlog::prove_map(&top, &key), &key),
        map: way(&tlog::prove_map(&leaves, &wanted), &wanted),
        range,
    })))
}

fn way(proof: &MapProof, key: &MapKey) -> MapPath {
    MapPath {
        siblings: proof.siblings.iter().map(text).collect(),
        end: proof.end.as_ref().map(|end| MapEnd {
            key: (end.key != *key).then(|| end.key.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()),
            count: end.count,
            root: text(&end.root),
        }),
    }
}

/// Members of a timeline: offset and leaf.
type Members = Vec<(u64, Node)>;

fn heads(records: &[Record], tenant: &Tenant) -> BTreeMap<MapKey, Members> {
    let mut heads: BTreeMap<MapKey, Members> = BTreeMap::new();
    for record in records.iter().filter(|record| record.tenant == *tenant) {
        let links = record.links.iter().filter(|link| LABELS.contains(&link.label()));
        let mut keys: Vec<MapKey> = links
            .map(|link| MapKey::timeline(link.label(), link.target()))
            .collect();
        keys.push(MapKey::timeline("kind", record.kind.as_str()));
        keys.push(MapKey::whole_chain());
        let node = tlog::hash_leaf(&tlog::timeline_entry(record.hash.as_bytes()));
        for key in keys {
            heads.entry(key).or_default().push((record.offset, node));
        }
    }
    heads
}

fn leaf(key: MapKey, members: &Members) -> MapLeaf {
    let nodes: Vec<Node> = members.iter().map(|(_, node)| *node).collect();
    MapLeaf {
        key,
        count: members.len() as u64,
        root: root_of(&nodes),
    }
}

/// The tenants with their leaves in the top map, sorted by key.
fn top_leaves(records: &[Record]) -> Vec<(Tenant, MapLeaf)> {
    let mut tenants: Vec<Tenant> = records.iter().map(|record| record.tenant.clone()).collect();
    tenants.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    tenants.dedup();
    let top = tenants.into_iter().map(|tenant| {
        let heads = heads(records, &tenant);
        let leaves: Vec<MapLeaf> = heads.iter().map(|(key, members)| leaf(*key, members)).collect();
        let top = MapLeaf {
            key: MapKey::tenant(tenant.as_str()),
            count: heads.get(&MapKey::whole_chain()).map_or(0, Vec::len) as u64,
            root: tlog::map_root(&leaves),
        };
        (tenant, top)
    });
    let mut top: Vec<_> = top.collect();
    top.sort_by_key(|(_, leaf)| leaf.key);
    top
}

fn entry(record: &Record) -> Vec<u8> {
    tlog::log_entry(record.offset, record.hash.as_bytes(), record.bytes())
}

fn log_leaves(records: &[Record]) -> Vec<Node> {
    records.iter().map(|record| tlog::hash_leaf(&entry(record))).collect()
}

fn root_of(leaves: &[Node]) -> Node {
    let mut frontier = Frontier::new();
    for leaf in leaves {
        frontier.append(*leaf, |_| ());
    }
    frontier.root()
}

/// Perfect nodes of the tree over `leaves`.
fn of(leaves: &[Node]) -> impl FnMut(Perfect) -> Result<Node, tlog::Error> + '_ {
    |at| {
        let width = 1_usize << at.height;
        let start = usize::try_from(at.index).unwrap() * width;
        Ok(root_of(&leaves[start..start + width]))
    }
}

fn nodes_of_level(leaves: &[Node], level: u8, covered: u64) -> Vec<Node> {
    let Some(width) = 1_usize.checked_shl(8 * u32::from(level)) else {
        return Vec::new();
    };
    let covered = &leaves[..usize::try_from(covered).unwrap()];
    covered.chunks_exact(width).map(root_of).collect()
}

fn tile<T>(row: &[T], index: u64, width: Option<u8>, bytes: impl Fn(&T) -> Vec<u8>) -> Answer {
    let width = width.map_or(256, usize::from);
    let start = usize::try_from(index).unwrap_or(usize::MAX).saturating_mul(256);
    let members = row.get(start..start.saturating_add(width));
    members.map_or(Answer::Unprovable(Unprovable::NotYet), |members| {
        Answer::Bytes(STANDARD.encode(members.iter().flat_map(bytes).collect::<Vec<u8>>()))
    })
}

fn text(node: &Node) -> String {
    STANDARD.encode(node.as_bytes())
}

//! The keys of a log as a bundle proves them: genesis, every rotation below an offset, and that there are no more.
//!
//! Invariant: a key counts from the offset behind its rotation, and a rotation only when the new key and the pinned root
//! key signed for it. So the keys are judged before the checkpoint, which one of them has signed; that no rotation was
//! kept back is proven afterwards.

use super::case::Case;
use super::climb::Ground;
use super::form::TimelineText;
use super::rows::Row;
use crate::check::Check;
use crate::examine::Said;
use crate::finding::Finding;
use crate::keyring::Keyring;
use crate::signature::LogKey;
use domain::state::Body;
use tlog::{CheckpointText, Node, VerifierKey, verify_inclusion, verify_range};

/// What a bundle says about the log's keys, as it came.
pub(crate) struct KeysText {
    pub(crate) genesis: Row,
    pub(crate) genesis_path: Vec<Node>,
    pub(crate) rotations: Vec<Row>,
    pub(crate) proof: TimelineText,
}

/// The record keys of a log by offset, and the newest checkpoint key.
#[derive(Default)]
pub(crate) struct History {
    keyring: Keyring,
    /// From which offset on each key counts, ascending.
    periods: Vec<(u64, LogKey)>,
    /// The keys that have signed checkpoints, one after another.
    checkpoint_keys: Vec<VerifierKey>,
    /// Rotations at or above this offset are not proven to be all.
    pub(crate) known_until: u64,
}

impl History {
    /// The record key at `offset`.
    pub(crate) fn at(&self, offset: u64) -> Option<LogKey> {
        let behind = self.periods.partition_point(|(from, _)| *from <= offset);
        let (_, key) = self.periods.get(behind.checked_sub(1)?)?;
        Some(*key)
    }

    /// The newest checkpoint key.
    pub(crate) fn checkpoint_key(&self) -> Option<&VerifierKey> {
        self.checkpoint_keys.last()
    }

    /// Folds a genesis or a rotation; what is wrong with it.
    pub(crate) fn fold(&mut self, said: &Said) -> Option<Finding> {
        let (finding, from) = match &said.body {
            Body::Genesis(genesis) => (self.keyring.pin(genesis), 0),
            Body::KeyRotated(rotated) => {
                let behind = said.envelope.offset.saturating_add(1);
                (self.keyring.rotate(&said.envelope.log, rotated), behind)
            }
            _ => return None,
        };
        if let Some(key) = self.keyring.record_key().filter(|_| finding.is_none()) {
            self.periods.push((from, key));
        }
        let checkpoint_key = self.keyring.checkpoint_key(said.envelope.log.as_str());
        if let Some(key) = checkpoint_key.filter(|key| self.checkpoint_keys.last() != Some(key)) {
            self.checkpoint_keys.push(key);
        }
        finding
    }
}

impl Case<'_> {
    /// The keys that genesis and rotations give, before anything is said about their place in the log.
    pub(crate) fn keys(&mut self, text: &KeysText) -> Option<History> {
        let mut history = History::default();
        let pointer = &text.genesis.pointer;
        let sound = self.take_row(&text.genesis);
        let genesis = text.genesis.said.as_ref()?;
        self.check_log(&genesis.envelope.log, genesis.envelope.offset, pointer);
        let is_genesis = matches!(genesis.body, Body::Genesis(_)) && genesis.envelope.offset == 0;
        if !is_genesis || !sound {
            let detail = "the log's keys begin with its genesis, at offset 0";
            self.push(Finding::new(Check::Key, pointer.clone(), detail));
            return None;
        }
        self.place_finding(history.fold(genesis), pointer, 0);
        self.check_pinned(genesis, &history, pointer);
        self.check_key(genesis, &history, pointer);
        for row in &text.rotations {
            let sound = self.take_row(row);
            let said = row.said.as_ref().filter(|_| sound)?;
            let offset = said.envelope.offset;
            self.check_log(&said.envelope.log, offset, &row.pointer);
            if !matches!(said.body, Body::KeyRotated(_)) || !said.envelope.tenant.is_ledger() {
                let detail = "this is not a key.rotated of the ledger's own tenant";
                self.push(Finding::new(Check::Key, row.pointer.clone(), detail).at(offset));
                return None;
            }
            self.check_key(said, &history, &row.pointer);
            let finding = history.fold(said);
            self.place_finding(finding, &row.pointer, offset);
        }
        self.check_pinned_checkpoint_key(&history);
        Some(history)
    }

    fn place_finding(&mut self, finding: Option<Finding>, pointer: &str, offset: u64) {
        if let Some(finding) = finding {
            let member = format!("{pointer}{}", finding.member);
            self.push(Finding { member, ..finding }.at(offset));
        }
    }

    fn check_pinned(&mut self, genesis: &Said, history: &History, pointer: &str) {
        let Some(trust) = self.options.trust else {
            return;
        };
        if genesis.computed != trust.genesis_hash {
            let finding = Finding::new(
                Check::Trust,
                format!("{pointer}/hash"),
                "the genesis is not the pinned one",
            );
            self.push(finding.wanted(trust.genesis_hash, genesis.computed).at(0));
        }
        let root_key = history.keyring.root_key();
        if let Some(key) = root_key.filter(|key| *key != trust.root_key) {
            let member = format!("{pointer}/payload/root_key");
            let finding = Finding::new(Check::Trust, member, "the root key is not the pinned one");
            self.push(finding.wanted(trust.root_key.to_base64(), key.to_base64()).at(0));
        }
    }

    /// The newest checkpoint key is pinned, or was rotated from one that is.
    fn check_pinned_checkpoint_key(&mut self, history: &History) {
        let Some(trust) = self.options.trust else {
            return;
        };
        let pinned = |key: &VerifierKey| trust.checkpoint_keys.contains(key);
        if !history.checkpoint_keys.iter().any(pinned) {
            let detail = "none of the log's checkpoint keys is pinned";
            let words = |keys: &[VerifierKey]| keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
            let finding = Finding::new(Check::Trust, "/keys", detail);
            self.push(finding.wanted(words(&trust.checkpoint_keys), words(&history.checkpoint_keys)));
        }
    }

    /// Whether a record names the key in force at its offset.
    pub(crate) fn check_key(&mut self, said: &Said, history: &History, pointer: &str) {
        let (offset, named) = (said.envelope.offset, &said.envelope.pub_key);
        let Some(key) = history.at(offset).filter(|key| key.as_bytes() != named) else {
            return;
        };
        let member = format!("{pointer}/pub_key");
        let finding = Finding::new(Check::Key, member, "not the log's record key at this offset");
        let encode = record::key::encode_base64;
        self.push(finding.wanted(encode(key.as_bytes()), encode(named)).at(offset));
    }

    /// Proves that genesis is the log's first record, and that no rotation below the map's size was kept back.
    pub(crate) fn check_keys_placed(
        &mut self,
        text: &KeysText,
        history: &mut History,
        checkpoint: &CheckpointText,
        ground: &Ground,
    ) {
        if let Some(genesis) = &text.genesis.said {
            let (size, root) = (checkpoint.size(), checkpoint.root());
            if let Err(error) = verify_inclusion(&genesis.leaf, 0, size, root, &text.genesis_path) {
                let detail = format!("genesis is not the first leaf of the checkpoint: {error}");
                self.push(Finding::new(Check::Key, "/keys/genesis_path", detail).at(0));
            }
        }
        let proof = &text.proof;
        let about = (proof.tenant.as_str(), proof.label.as_str(), proof.target.as_str());
        if about != ("sigil-ledger", "kind", "key.rotated") {
            let finding = Finding::new(
                Check::Key,
                "/keys/proof",
                "the proof is not about the log's key rotations",
            );
            return self.push(finding.wanted("timeline kind key.rotated of sigil-ledger", proof.name()));
        }
        let Some(head) = self.climb(proof, ground, "/keys/proof") else {
            return;
        };
        history.known_until = ground.map_root.size;
        let leaves: Vec<Node> = text
            .rotations
            .iter()
            .filter_map(|row| Some(row.said.as_ref()?.timeline_leaf))
            .collect();
        let (count, root) = head.0.unwrap_or((0, tlog::EMPTY_ROOT));
        if count != leaves.len() as u64 {
            let finding = Finding::new(
                Check::Key,
                "/keys/rotations",
                "these are not all rotations of the log's keys",
            );
            return self.push(finding.wanted(count, leaves.len()));
        }
        let held = match &proof.range {
            None => count == 0,
            Some(range) => {
                (range.from, range.until) == (0, count) && verify_range(0, &leaves, count, &root, &range.nodes).is_ok()
            }
        };
        if !held {
            let detail = "these are not the rotations that the log has";
            self.push(Finding::new(Check::Key, "/keys/proof/range", detail));
        }
    }
}

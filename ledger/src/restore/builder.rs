//! A store built from records: everything that a commit derives is computed again, and nothing is taken over unchecked.
//!
//! The store is no log while it is built (see [`super::marker`]), so its batches are synced once, at the end.

use super::admit::admit;
use super::checkpoints::Checkpoints;
use crate::access::checkpoint_keys;
use crate::checkpoint::kept;
use crate::cipher::{Cipher, RESERVED};
use crate::disclosure::{self, Found};
use crate::engine::Tip;
use crate::handle::Config;
use crate::keyring::Keyring;
use crate::prepare::{Preparer, timeline_names};
use crate::recovery::Decoder;
use crate::scopes::Scopes;
use crate::store::{FORMAT, Store, name};
use crate::timelines::Timelines;
use crate::{Error, block, recovery, standing};
use domain::{Catalogue, State};
use fjall::OwnedWriteBatch;
use record::{Hash, PublicKey, Record, Slug, Timestamp};
use std::collections::HashSet;
use std::sync::Arc;
use tlog::{Edge, FullTile, Node, hash_leaf, log_entry, timeline_entry};

/// The store of a log that is being restored.
pub(super) struct Builder {
    store: Store,
    pub(super) preparer: Preparer,
    /// Opens the scope keys of sealed values, to count those that cannot be opened any more.
    scopes: Scopes,
    cipher: Cipher,
    /// Values that `cipher` has encrypted.
    uses: u64,
    state: State,
    /// Every record key that the log has had.
    keys: Vec<PublicKey>,
    /// The backup's checkpoints, each compared when the log has come to its size.
    checkpoints: Checkpoints,
    edge: Edge,
    timelines: Timelines,
    last: Option<(Hash, Timestamp)>,
    genesis: Option<Hash>,
    slug: Option<Slug>,
    lost: u64,
}

impl Builder {
    /// An empty store in the directory of `config`. The keyring's last data key must be a new one.
    pub(super) fn create(config: &Config, keyring: &Keyring, scopes: Scopes) -> Result<Self, Error> {
        let mut ciphers = keyring.ciphers();
        let cipher = ciphers.pop().expect("a keyring has at least one data key");
        Ok(Self {
            store: Store::open(&config.store_path(), config.cache_bytes, config.memtable_bytes)?,
            preparer: Preparer {
                log: keyring.log.clone(),
                index: keyring.index(),
                catalogue: Catalogue::builtin(),
                maps: false,
            },
            scopes,
            cipher,
            uses: 0,
            state: State::new(keyring.log.clone()),
            keys: Vec::new(),
            checkpoints: Checkpoints::default(),
            edge: Edge::new(),
            timelines: Timelines::default(),
            last: None,
            genesis: None,
            slug: None,
            lost: 0,
        })
    }

    /// Number of records so far.
    pub(super) const fn size(&self) -> u64 {
        self.state.size()
    }

    /// Sealed values that cannot be opened: the key or the value is missing.
    pub(super) const fn lost(&self) -> u64 {
        self.lost
    }

    /// Hash of the first record.
    pub(super) const fn genesis(&self) -> Option<Hash> {
        self.genesis
    }

    /// The log's short name in its streams.
    pub(super) const fn slug(&self) -> Option<&Slug> {
        self.slug.as_ref()
    }

    /// Every record key that the log has had.
    pub(super) fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// Every checkpoint key that the log has had, each with the smallest size that it signs.
    pub(super) fn checkpoint_keys(&self) -> Vec<(u64, PublicKey)> {
        checkpoint_keys(&self.state).unwrap_or_default()
    }

    /// Compares these checkpoints with the records that are still to come.
    pub(super) fn await_checkpoints(&mut self, checkpoints: Checkpoints) {
        self.checkpoints = checkpoints;
    }

    /// Takes over the checkpoints that were waited for.
    ///
    /// # Errors
    /// [`Error::Backup`] naming the part of the first that is not the log's own.
    pub(super) fn take_checkpoints(&mut self) -> Result<(), Error> {
        let checkpoints = self.checkpoints.finish(&self.preparer.log, &self.state)?;
        let mut batch = self.store.bulk_batch();
        for checkpoint in &checkpoints {
            kept::put(&self.store, &mut batch, checkpoint)?;
        }
        Ok(batch.commit()?)
    }

    /// The key that signs the next record.
    pub(super) fn record_key(&self) -> Option<PublicKey> {
        self.state.keys().map(|keys| keys.record)
    }

    /// The end of the log; `None` while there is no record.
    pub(super) fn tip(&self) -> Option<Tip> {
        let (hash, ts) = self.last?;
        Some(Tip {
            size: self.state.size(),
            hash,
            root: *self.edge.root().as_bytes(),
            ts,
        })
    }

    /// The root of the tree over the first `size` records, which were restored.
    pub(super) fn root_at(&self, size: u64) -> Result<Node, Error> {
        let decoder = Decoder {
            store: &self.store,
            ciphers: std::slice::from_ref(&self.cipher),
        };
        Ok(decoder.edge(size)?.root())
    }

    /// Hash of the record at `offset`, as it was stored.
    pub(super) fn hash_at(&self, offset: u64) -> Result<Hash, Error> {
        let missing = || Error::corrupt(format!("the log at offset {offset}"), "this record is missing");
        let (first, sealed) = self.store.block_at(offset)?.ok_or_else(missing)?;
        let clear = self
            .cipher
            .open("log", &first.to_be_bytes(), &sealed)
            .ok_or_else(missing)?;
        let at = usize::try_from(offset - first).unwrap_or(usize::MAX);
        let stored = block::decode(&clear).and_then(|records| records.into_iter().nth(at));
        Ok(recovery::parse(&stored.ok_or_else(missing)?.bytes, offset)?.hash)
    }

    /// Puts entries of a keyspace that is taken over as it is.
    pub(super) fn put(&self, disclosures: bool, entries: &[(&[u8], &[u8])]) -> Result<(), Error> {
        let keyspace = if disclosures {
            &self.store.disclosures
        } else {
            &self.store.guards
        };
        let mut batch = self.store.bulk_batch();
        for (key, value) in entries {
            batch.insert(keyspace, *key, *value);
        }
        Ok(batch.commit()?)
    }

    /// Adds the records that follow, as one block: at most 256 of them. `clear` is the block they were in, when they were
    /// in one: the places of the records in their timelines must be those that are computed here.
    pub(super) fn push(&mut self, records: &[Arc<[u8]>], clear: Option<&[u8]>) -> Result<(), Error> {
        let first = self.size();
        let records = admit(&self.preparer.catalogue, &mut self.state, &mut self.keys, records)?;
        let mut batch = self.store.bulk_batch();
        let mut buffer = self.put_records(&records, &mut batch)?;
        if clear.is_some_and(|clear| buffer.get(RESERVED.len()..) != Some(clear)) {
            let detail = "the places of its records in their timelines are not right";
            return Err(Error::corrupt(format!("the block at offset {first}"), detail));
        }
        let key = first.to_be_bytes();
        self.uses += 1;
        self.cipher.seal_in_place("log", &key, &mut buffer)?;
        batch.insert(&self.store.log, key, buffer);
        for (key, frontier) in self.timelines.take_changed() {
            batch.insert(&self.store.heads, key, frontier);
        }
        batch.commit()?;
        self.timelines.trim();
        for record in &records {
            self.lost += self.count_lost(record)?;
        }
        if let (0, Some(genesis)) = (first, records.first()) {
            self.genesis = Some(genesis.hash);
            let slug = genesis.payload.get("slug").and_then(serde_json::Value::as_str);
            self.slug = slug.and_then(Slug::parse);
        }
        self.last = records.last().map(|last| (last.hash, last.ts)).or(self.last);
        Ok(())
    }

    /// Puts what is derived from the records; gives their block behind room for its encryption.
    fn put_records(&mut self, records: &[Record], batch: &mut OwnedWriteBatch) -> Result<Vec<u8>, Error> {
        let (store, index) = (&self.store, &self.preparer.index);
        let mut block = block::Writer::behind(RESERVED.to_vec());
        let (mut tiles, mut completed, mut ids) = (Vec::new(), Vec::new(), HashSet::new());
        for record in records {
            let offset = record.offset;
            let id = index.id(&record.tenant, &record.id);
            if !ids.insert(id) || store.id(&id)?.is_some() {
                let detail = "an earlier record of its tenant has its id";
                return Err(Error::corrupt(format!("the record at offset {offset}"), detail));
            }
            batch.insert(&store.ids, id, offset.to_be_bytes());
            self.edge.append(
                hash_leaf(&log_entry(offset, record.hash.as_bytes(), record.bytes())),
                &mut tiles,
            );
            if self.checkpoints.is_due(offset + 1) {
                self.checkpoints.compare(&self.edge.root(), record)?;
            }
            block.record(record.bytes());
            let leaf = hash_leaf(&timeline_entry(record.hash.as_bytes()));
            for (label, target) in timeline_names(record.kind.as_str(), &record.links) {
                completed.clear();
                let key = index.timeline(&record.tenant, label, target);
                let position = self.timelines.append(store, key, leaf, &mut completed)?;
                block.timeline(position);
                completed.iter().for_each(|node| block.node(node));
            }
        }
        for FullTile { id, nodes } in tiles {
            let bytes: Vec<u8> = nodes.iter().flat_map(|node| *node.as_bytes()).collect();
            batch.insert(&store.tree, id.key(), bytes);
        }
        Ok(block.finish())
    }

    fn count_lost(&self, record: &Record) -> Result<u64, Error> {
        let found = disclosure::read(&self.preparer, &self.store, &self.scopes, record)?;
        let lost = found.iter().filter(|(_, found)| !matches!(found, Found::Opening(_)));
        Ok(lost.count() as u64)
    }

    /// Writes what a start reads first, and makes everything durable.
    pub(super) fn finish(mut self, at: Timestamp, closed: bool) -> Result<(), Error> {
        let meta = &self.store.meta;
        let mut batch = self.store.batch();
        batch.insert(meta, name::FORMAT, FORMAT.to_be_bytes());
        batch.insert(meta, name::RESTORED, standing::encode(at));
        if closed {
            batch.insert(meta, name::CLOSED, standing::encode(at));
        }
        if let Some(tip) = self.tip() {
            batch.insert(meta, name::TIP, tip.encode());
        }
        let snapshot = self.state.to_snapshot().to_string();
        let key = name::SNAPSHOT.as_bytes();
        self.uses += 1;
        batch.insert(
            meta,
            name::SNAPSHOT,
            self.cipher.seal("meta", key, snapshot.as_bytes())?,
        );
        batch.insert(meta, name::USES, self.uses.to_be_bytes());
        batch.commit()?;
        self.store.flush()
    }
}

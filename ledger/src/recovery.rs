//! Opening a log, after a clean close and after a crash alike.
//!
//! Everything since the last snapshot is folded again through the function that live commits use, and the result is
//! compared with HEAD: the store may be ahead of it (a crash between commit and HEAD) but never behind.

use crate::cipher::Cipher;
use crate::engine::Tip;
use crate::handle::Config;
use crate::head::{self, HeadFile};
use crate::keyring::Keyring;
use crate::prepare::timeline_names;
use crate::store::{FORMAT, Store, name, read_u64};
use crate::{Error, block, framing, journal, manifest, store};
use domain::State;
use domain::state::{Body, Fact};
use record::{Origin, Record, json};
use tlog::{Edge, Frontier, Node, hash_children, hash_leaf, log_entry};

/// An opened log before its threads start.
pub(crate) struct Recovered {
    pub(crate) store: Store,
    pub(crate) head: HeadFile,
    pub(crate) state: State,
    pub(crate) edge: Edge,
    pub(crate) tip: Option<Tip>,
    pub(crate) uses: u64,
}

/// Reads blocks and other encrypted values of a store.
pub(crate) struct Decoder<'a> {
    pub(crate) store: &'a Store,
    pub(crate) ciphers: &'a [Cipher],
}

/// Opens the store of `config`, folds the log and compares it with HEAD.
pub(crate) fn recover(config: &Config, keyring: &Keyring) -> Result<Recovered, Error> {
    store::guarded(|| recover_from_disk(config, keyring))
}

fn recover_from_disk(config: &Config, keyring: &Keyring) -> Result<Recovered, Error> {
    let (head, found) = HeadFile::open(&config.head_path())?;
    framing::check(&config.store_path())?;
    manifest::check(&config.store_path())?;
    journal::set_aside(&config.store_path(), &config.aside_path())?;
    let store = Store::open(&config.store_path(), config.cache_bytes, config.memtable_bytes)?;
    let ciphers = keyring.ciphers();
    let decoder = Decoder {
        store: &store,
        ciphers: &ciphers,
    };
    check_format(&store)?;
    let state = decoder.fold(&keyring.log)?;
    decoder.check_head(&state, &found)?;
    decoder.check_newest(keyring, &state)?;
    // The store agrees with HEAD, so the copies of its journals have done their work.
    journal::drop_aside(&config.aside_path())?;
    let edge = decoder.edge(state.size())?;
    let tip = decoder.check_tip(&state, &edge)?;
    // Values encrypted by a commit that failed were counted in memory only.
    let uses = store
        .meta(name::USES)?
        .map(|uses| read_u64("meta", &uses))
        .transpose()?
        .map_or(0, |uses| uses + 4_096);
    Ok(Recovered {
        head,
        state,
        edge,
        tip,
        uses,
        store,
    })
}

pub(crate) fn check_format(store: &Store) -> Result<(), Error> {
    let found = store
        .meta(name::FORMAT)?
        .map(|found| read_u64("meta", &found))
        .transpose()?;
    match found {
        Some(found) if found > FORMAT => Err(Error::FormatTooNew { found, known: FORMAT }),
        Some(_) => Ok(()),
        None => Err(Error::corrupt(
            "fjall",
            "the store names no format version: it is empty or lost its data",
        )),
    }
}

impl Decoder<'_> {
    fn unseal(&self, keyspace: &str, key: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        self.ciphers
            .iter()
            .find_map(|cipher| cipher.open(keyspace, key, sealed))
    }

    /// The records of a block.
    pub(crate) fn block(&self, first: u64, sealed: &[u8]) -> Result<Vec<block::StoredRecord>, Error> {
        let place = || format!("the block at offset {first}");
        let clear = self.unseal("log", &first.to_be_bytes(), sealed);
        let clear = clear.ok_or_else(|| Error::corrupt(place(), "it does not decrypt"))?;
        block::decode(&clear).ok_or_else(|| Error::corrupt(place(), "it is not a block"))
    }

    /// The record at `offset`.
    pub(crate) fn record(&self, offset: u64) -> Result<Option<block::StoredRecord>, Error> {
        let Some((first, sealed)) = self.store.block_at(offset)? else {
            return Ok(None);
        };
        let at = usize::try_from(offset - first).unwrap_or(usize::MAX);
        Ok(self.block(first, &sealed)?.into_iter().nth(at))
    }

    fn snapshot(&self) -> Result<Option<State>, Error> {
        let Some(sealed) = self.store.meta(name::SNAPSHOT)? else {
            return Ok(None);
        };
        let clear = self.unseal("meta", name::SNAPSHOT.as_bytes(), &sealed);
        let state = clear.and_then(|clear| State::from_snapshot(&json::parse(&clear).ok()?).ok());
        Ok(state)
    }

    /// The state of the whole log, folded from the newest snapshot.
    fn fold(&self, log: &Origin) -> Result<State, Error> {
        let mut state = self.snapshot()?.unwrap_or_else(|| State::new(log.clone()));
        let Some((start, _)) = self.store.block_at(state.size())? else {
            return Ok(state);
        };
        for guard in self.store.log.range(start.to_be_bytes()..) {
            let (key, sealed) = guard.into_inner()?;
            let first = crate::store::block_key(&key)?;
            for (stored, offset) in self.block(first, &sealed)?.into_iter().zip(first..) {
                if offset < state.size() {
                    continue;
                }
                let record = parse(&stored.bytes, offset)?;
                if record.offset != state.size() || record.offset != offset {
                    let detail = format!("offset {} follows, the store has {}", state.size(), record.offset);
                    return Err(Error::corrupt(format!("the log at offset {offset}"), detail));
                }
                let body = Body::of(&record).map_err(|_| damaged_payload(offset))?;
                state.evolve(&Fact {
                    tenant: &record.tenant,
                    hash: &record.hash,
                    ts: record.ts,
                    body: &body,
                });
            }
        }
        Ok(state)
    }

    fn check_head(&self, state: &State, head: &head::Slot) -> Result<(), Error> {
        let Some(last) = head.size.checked_sub(1) else {
            return Ok(());
        };
        let behind = |found: u64| Error::LogBehind {
            expected: head.size,
            found,
            detail: "committed records are missing: the journals as found are kept beside the store; restore a backup"
                .to_owned(),
        };
        if state.size() < head.size {
            return Err(behind(state.size()));
        }
        let stored = self.record(last)?.ok_or_else(|| behind(last))?;
        if parse(&stored.bytes, last)?.hash != head.hash {
            let detail = "HEAD names another record: the store and HEAD are not of the same log";
            return Err(Error::corrupt(format!("the record at offset {last}"), detail));
        }
        Ok(())
    }

    /// The index entries of the newest block: they were committed with it, but a table may have kept the block alone.
    fn check_newest(&self, keyring: &Keyring, state: &State) -> Result<(), Error> {
        let Some((first, sealed)) = self.store.block_at(state.size())? else {
            return Ok(());
        };
        let index = keyring.index();
        let behind = |offset: u64, keyspace: &str| {
            let detail = format!("it does not know the record at offset {offset}, which was committed with it");
            Error::corrupt(format!("keyspace {keyspace}"), detail)
        };
        for (stored, offset) in self.block(first, &sealed)?.iter().zip(first..) {
            let record = parse(&stored.bytes, offset)?;
            if self.store.id(&index.id(&record.tenant, &record.id))? != Some(offset) {
                return Err(behind(offset, "ids"));
            }
            let names = timeline_names(record.kind.as_str(), &record.links);
            for ((label, target), entry) in names.zip(&stored.timelines) {
                let head = self.store.head(&index.timeline(&record.tenant, label, target))?;
                let head = head.and_then(|head| Frontier::decode(&head).ok());
                if head.is_none_or(|head| head.size() <= entry.position) {
                    return Err(behind(offset, "heads"));
                }
            }
        }
        Ok(())
    }

    /// The right edge of the tree over the first `size` records.
    pub(crate) fn edge(&self, size: u64) -> Result<Edge, Error> {
        let tile_root = |id: tlog::TileId| {
            let bytes = self
                .store
                .tile(id)?
                .ok_or_else(|| Error::corrupt(id.path(None), "this tile is missing"))?;
            tile_root(&bytes).ok_or_else(|| Error::corrupt(id.path(None), "a full tile has 256 nodes"))
        };
        // The leaves asked for follow each other, so their block is kept.
        let mut kept: Option<(u64, Vec<block::StoredRecord>)> = None;
        let leaf = |offset: u64| {
            let missing = || Error::corrupt(format!("the log at offset {offset}"), "this record is missing");
            let in_kept = |kept: &(u64, Vec<block::StoredRecord>)| {
                let at = usize::try_from(offset.checked_sub(kept.0)?).ok()?;
                kept.1.get(at).map(|stored| std::sync::Arc::clone(&stored.bytes))
            };
            let mut bytes = kept.as_ref().and_then(in_kept);
            if bytes.is_none() {
                let (first, sealed) = self.store.block_at(offset)?.ok_or_else(missing)?;
                kept = Some((first, self.block(first, &sealed)?));
                bytes = kept.as_ref().and_then(in_kept);
            }
            let record = parse(&bytes.ok_or_else(missing)?, offset)?;
            Ok(hash_leaf(&log_entry(offset, record.hash.as_bytes(), record.bytes())))
        };
        Edge::rebuild(size, tile_root, leaf)
    }

    fn check_tip(&self, state: &State, edge: &Edge) -> Result<Option<Tip>, Error> {
        let Some(bytes) = self.store.meta(name::TIP)? else {
            return Ok(None);
        };
        let tip = Tip::decode(&bytes).ok_or_else(|| Error::corrupt("keyspace meta", "the tip is malformed"))?;
        if tip.size != state.size() || tip.root != *edge.root().as_bytes() || Some(tip.ts) != state.last_ts() {
            return Err(Error::corrupt(
                "the log tree",
                "its root is not the one that was committed with the last record",
            ));
        }
        Ok(Some(tip))
    }
}

/// Parses a stored record and checks its canonical form and hash.
pub(crate) fn parse(bytes: &[u8], offset: u64) -> Result<Record, Error> {
    let place = || format!("the record at offset {offset}");
    Record::parse(bytes.to_vec()).map_err(|fault| Error::corrupt(place(), fault.to_string()))
}

fn damaged_payload(offset: u64) -> Error {
    Error::corrupt(
        format!("the record at offset {offset}"),
        "its payload does not match its kind",
    )
}

/// The root over the 256 nodes of a full tile.
fn tile_root(bytes: &[u8]) -> Option<Node> {
    let mut nodes: Vec<Node> = bytes.as_chunks::<32>().0.iter().map(|node| Node::from(*node)).collect();
    if nodes.len() != 256 || bytes.len() != 256 * 32 {
        return None;
    }
    while nodes.len() > 1 {
        nodes = nodes
            .as_chunks::<2>()
            .0
            .iter()
            .map(|[left, right]| hash_children(left, right))
            .collect();
    }
    nodes.pop()
}

#[cfg(test)]
mod tests;

//! The store: keyspaces of fjall and their batches. The only file that knows fjall's API besides `inspect`.
//!
//! One batch per group commit, one `SyncAll` per batch. A failed commit poisons the store: whether it was applied is
//! unknown until the log is opened again, so nothing is written after it.

use crate::Error;
use crate::index::Key;
use fjall::config::CompressionPolicy;
use fjall::{
    CompressionType, Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode, Readable as _, Snapshot,
};
use std::path::Path;
use tlog::TileId;

const MIB: u64 = 1_024 * 1_024;

/// The keyspaces of one log.
#[derive(Clone)]
pub(crate) struct Store {
    db: Database,
    pub(crate) log: Keyspace,
    pub(crate) ids: Keyspace,
    pub(crate) heads: Keyspace,
    pub(crate) tree: Keyspace,
    pub(crate) map: Keyspace,
    pub(crate) disclosures: Keyspace,
    pub(crate) guards: Keyspace,
    pub(crate) meta: Keyspace,
}

/// Names in `meta`.
pub(crate) mod name {
    /// The folded state at some offset, encrypted.
    pub(crate) const SNAPSHOT: &str = "snapshot";
    /// Size, hash of the last record, tree root and time of the last record: `u64 BE || 32 || 32 || i64 BE microseconds`.
    pub(crate) const TIP: &str = "tip";
    /// Values that the current data key has encrypted: `u64 BE`.
    pub(crate) const USES: &str = "data-key-uses";
    /// When the log was restored from a copy that may lack guards: `i64 BE` microseconds.
    pub(crate) const RESTORED: &str = "restored";
    /// Present when the log was closed for good.
    pub(crate) const CLOSED: &str = "closed";
    /// Version of the formats in the store: `u64 BE`.
    pub(crate) const FORMAT: &str = "format";
}

/// Version of the formats in the store.
pub(crate) const FORMAT: u64 = 1;

impl Store {
    /// Opens the store in `dir`, creating its keyspaces in a new one.
    pub(crate) fn open(dir: &Path, cache_bytes: u64, memtable_bytes: Option<u64>) -> Result<Self, Error> {
        let db = Database::builder(dir)
            .cache_size(cache_bytes)
            .worker_threads(2)
            .max_journaling_size(64 * MIB)
            // Blocks are encrypted already; compressing them again costs time and saves nothing.
            .journal_compression(CompressionType::None)
            .open()?;
        let keyspace = |name: &str, memtable: u64| {
            let options = || {
                KeyspaceCreateOptions::default()
                    .max_memtable_size(memtable_bytes.unwrap_or(memtable))
                    .data_block_compression_policy(CompressionPolicy::disabled())
            };
            db.keyspace(name, options)
        };
        Ok(Self {
            log: keyspace("log", 32 * MIB)?,
            ids: keyspace("ids", 16 * MIB)?,
            heads: keyspace("heads", 16 * MIB)?,
            tree: keyspace("tree", 4 * MIB)?,
            map: keyspace("map", 32 * MIB)?,
            disclosures: keyspace("disclosures", 8 * MIB)?,
            guards: keyspace("guards", 8 * MIB)?,
            meta: keyspace("meta", 4 * MIB)?,
            db,
        })
    }

    /// A batch whose commit is durable.
    pub(crate) fn batch(&self) -> OwnedWriteBatch {
        self.db.batch().durability(Some(PersistMode::SyncAll))
    }

    /// A batch that is durable only after [`Store::flush`]: for a store that nobody relies on yet.
    pub(crate) fn bulk_batch(&self) -> OwnedWriteBatch {
        self.db.batch()
    }

    /// A batch that a later [`Store::batch`] makes durable: there is one journal, so what comes later in it is durable
    /// only together with what comes before.
    pub(crate) fn lazy_batch(&self) -> OwnedWriteBatch {
        self.db.batch()
    }

    /// The store as of its last commit, whatever is written meanwhile.
    pub(crate) fn view(&self) -> View {
        View {
            snapshot: self.db.snapshot(),
            store: self.clone(),
        }
    }

    /// The block that holds `offset` or the last one before it, with its first offset.
    pub(crate) fn block_at(&self, offset: u64) -> Result<Option<(u64, Vec<u8>)>, Error> {
        let Some(guard) = self.log.range(..=offset.to_be_bytes()).next_back() else {
            return Ok(None);
        };
        let (key, value) = guard.into_inner()?;
        Ok(Some((block_key(&key)?, value.to_vec())))
    }

    /// The offset of the record with this id key.
    pub(crate) fn id(&self, key: &Key) -> Result<Option<u64>, Error> {
        self.ids.get(key)?.map(|value| read_u64("ids", &value)).transpose()
    }

    /// The encoded frontier of the timeline with this key.
    pub(crate) fn head(&self, key: &Key) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.heads.get(key)?.map(|value| value.to_vec()))
    }

    /// The 256 nodes of a full tile.
    pub(crate) fn tile(&self, id: TileId) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.tree.get(id.key())?.map(|value| value.to_vec()))
    }

    /// A value of `meta`.
    pub(crate) fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.meta.get(name)?.map(|value| value.to_vec()))
    }

    /// Syncs the journal; the tables follow when the store is opened again.
    pub(crate) fn flush(&self) -> Result<(), Error> {
        Ok(self.db.persist(PersistMode::SyncAll)?)
    }
}

/// One state of the store: a batch is in it as a whole or not at all.
pub(crate) struct View {
    snapshot: Snapshot,
    store: Store,
}

impl View {
    /// All blocks, in order.
    pub(crate) fn log(&self) -> impl Iterator<Item = Pair> {
        self.pairs(&self.store.log)
    }

    /// All encrypted salts and values.
    pub(crate) fn disclosures(&self) -> impl Iterator<Item = Pair> {
        self.pairs(&self.store.disclosures)
    }

    /// All guards.
    pub(crate) fn guards(&self) -> impl Iterator<Item = Pair> {
        self.pairs(&self.store.guards)
    }

    /// A value of `meta`.
    pub(crate) fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.snapshot.get(&self.store.meta, name)?.map(|value| value.to_vec()))
    }

    /// The entries of `meta` whose keys begin with some bytes, in order.
    pub(crate) fn meta_prefix(&self, prefix: &[u8]) -> impl Iterator<Item = Pair> + use<> {
        self.snapshot.prefix(&self.store.meta, prefix).map(pair)
    }

    /// All timelines' frontiers are those of this state of the log.
    pub(crate) fn head(&self, key: &Key) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.snapshot.get(&self.store.heads, key)?.map(|value| value.to_vec()))
    }

    /// Blocks from the one that begins at `first`, in order.
    pub(crate) fn log_from(&self, first: u64) -> impl Iterator<Item = Pair> + use<> {
        self.snapshot.range(&self.store.log, first.to_be_bytes()..).map(pair)
    }

    /// First offset of the block that holds `offset`, or of the last one before it.
    pub(crate) fn block_start(&self, offset: u64) -> Result<Option<u64>, Error> {
        let last = self
            .snapshot
            .range(&self.store.log, ..=offset.to_be_bytes())
            .next_back();
        last.map(|guard| block_key(&guard.key()?)).transpose()
    }

    /// An entry of `map`.
    pub(crate) fn map(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.snapshot.get(&self.store.map, key)?.map(|value| value.to_vec()))
    }

    /// The entries of `map` whose keys begin with some bytes, in order.
    pub(crate) fn map_prefix(&self, prefix: &[u8]) -> impl DoubleEndedIterator<Item = Pair> + use<> {
        self.snapshot.prefix(&self.store.map, prefix).map(pair)
    }

    /// The entries of `map` with these keys, in order.
    pub(crate) fn map_range(&self, from: &[u8], to: &[u8]) -> impl DoubleEndedIterator<Item = Pair> + use<> {
        self.snapshot.range(&self.store.map, from..=to).map(pair)
    }

    fn pairs(&self, keyspace: &Keyspace) -> impl Iterator<Item = Pair> + use<> {
        self.snapshot.iter(keyspace).map(pair)
    }
}

fn pair(guard: fjall::Guard) -> Pair {
    let (key, value) = guard.into_inner()?;
    Ok((key.to_vec(), value.to_vec()))
}

/// Key and value of an entry.
pub(crate) type Pair = Result<(Vec<u8>, Vec<u8>), Error>;

/// Makes the names in a directory durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), Error> {
    std::fs::File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(Error::io("sync", dir))
}

/// Runs what reads the store's files: fjall takes some damaged ones for its own mistake and panics.
pub(crate) fn guarded<T>(read: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(read)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        let text = text
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        Err(Error::corrupt("fjall", format!("reading it panicked: {text}")))
    })
}

/// The first offset of a block from its key.
pub(crate) fn block_key(key: &[u8]) -> Result<u64, Error> {
    read_u64("log", key)
}

/// Eight bytes as a number.
pub(crate) fn read_u64(place: &str, bytes: &[u8]) -> Result<u64, Error> {
    let bytes = bytes
        .try_into()
        .map_err(|_| Error::corrupt(place, "a number has another length than 8 bytes"))?;
    Ok(u64::from_be_bytes(bytes))
}

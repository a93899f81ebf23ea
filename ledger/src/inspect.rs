//! Reading a closed log without writing a byte to it: what `sigil verify` and `sigil doctor` look at.
//!
//! The store is opened on a shadow (tables linked, the rest copied), because fjall repairs what it opens. Everything that
//! the directory holds can be read through here; whether it is right is the verifier's to say.

use crate::block::StoredRecord;
use crate::checkpoint::kept;
use crate::cipher::Cipher;
use crate::disclosure::{self, Found};
use crate::engine::Tip;
use crate::handle::Config;
use crate::keyring::Keyring;
use crate::map::Maps;
use crate::prepare::Preparer;
use crate::recovery::{self, Decoder};
use crate::restore::marker;
use crate::scopes::Scopes;
use crate::store::{Store, block_key, guarded, name};
use crate::{Error, framing, head, journal, manifest};
use domain::Catalogue;
use ledger_client::proof::SignedCheckpoint;
use record::{Hash, Origin, Record, RecordId, Tenant};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use tlog::Node;

pub use crate::map::MapVersion;

/// A closed log, opened for reading only.
pub struct Inspection {
    // Declared before the shadow, so that the store is closed when its files go.
    store: Store,
    ciphers: Vec<Cipher>,
    scopes: Scopes,
    preparer: Preparer,
    head: head::Slot,
    tip: Option<Tip>,
    _shadow: Shadow,
    _lock: Option<File>,
}

/// The end of the log, as three places of the directory say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// Records and last hash that HEAD names; the hash means nothing at size 0.
    pub head: (u64, Hash),
    /// Records, last hash and tree root that were committed with the last record; `None` for an empty log.
    pub tip: Option<(u64, Hash, [u8; 32])>,
}

/// What a record's sealed member turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sealed {
    /// It opens its commitment.
    Opens,
    /// Its scope key is missing, without an erasure record.
    KeyLost,
    /// The value is missing, without an erasure record.
    Absent,
    /// It does not decrypt, or does not open its commitment.
    Damaged,
}

impl Inspection {
    /// Opens the log of `config`, with its shadow in `scratch`, which must not exist and is removed at the end.
    ///
    /// # Errors
    /// As opening a log; [`Error::LogBehind`] when the store ends before HEAD.
    pub fn open(config: &Config, scratch: &Path) -> Result<Self, Error> {
        guarded(|| {
            marker::refuse(&config.data_dir)?;
            if !config.keyring_path().exists() {
                return Err(Error::Absent(config.data_dir.clone()));
            }
            let lock = lock_shared(&config.data_dir)?;
            Self::open_shadow(config, scratch, lock)
        })
    }

    /// Opens a directory that this process has locked for writing, whatever marks it has.
    pub(crate) fn open_owned(config: &Config, scratch: &Path) -> Result<Self, Error> {
        guarded(|| Self::open_shadow(config, scratch, None))
    }

    fn open_shadow(config: &Config, scratch: &Path, lock: Option<File>) -> Result<Self, Error> {
        let keyring = Keyring::open(&config.keyring_path(), &config.key)?;
        let (ciphers, index, log) = (keyring.ciphers(), keyring.index(), keyring.log);
        let head = head::read(&config.head_path())?
            .ok_or_else(|| Error::corrupt("HEAD", "it is missing or both slots are invalid"))?;
        let scopes = Scopes::open(&config.scopes_path(), &ciphers, false)?;
        if let Some(slot) = scopes.damaged().first() {
            return Err(Error::corrupt(
                "scopes",
                format!("slot {slot} does not decrypt: the values under this key cannot be opened"),
            ));
        }
        framing::check(&config.store_path())?;
        manifest::check(&config.store_path())?;
        let shadow = Shadow(scratch.to_owned());
        journal::shadow(&config.store_path(), scratch)?;
        let store = Store::open(scratch, config.cache_bytes, config.memtable_bytes)?;
        recovery::check_format(&store)?;
        let tip = store.meta(name::TIP)?;
        let tip = tip
            .map(|tip| Tip::decode(&tip).ok_or_else(|| Error::corrupt("keyspace meta", "the tip is malformed")))
            .transpose()?;
        let preparer = Preparer {
            log,
            index,
            catalogue: Catalogue::builtin(),
            maps: false,
        };
        let inspection = Self {
            store,
            ciphers,
            scopes,
            preparer,
            head,
            tip,
            _shadow: shadow,
            _lock: lock,
        };
        inspection.check_head()?;
        Ok(inspection)
    }

    fn check_head(&self) -> Result<(), Error> {
        let found = self.tip.map_or(0, |tip| tip.size);
        let expected = self.head.size;
        if found < expected {
            let detail = "committed records are missing from the store".to_owned();
            return Err(Error::LogBehind {
                expected,
                found,
                detail,
            });
        }
        let Some(last) = expected.checked_sub(1) else {
            return Ok(());
        };
        let missing = || Error::corrupt(format!("the log at offset {last}"), "this record is missing");
        let stored = self.decoder().record(last)?.ok_or_else(missing)?;
        if recovery::parse(&stored.bytes, last)?.hash != self.head.hash {
            return Err(Error::corrupt(
                format!("the record at offset {last}"),
                "HEAD names another record here",
            ));
        }
        Ok(())
    }

    fn decoder(&self) -> Decoder<'_> {
        Decoder {
            store: &self.store,
            ciphers: &self.ciphers,
        }
    }

    /// The log's origin, as the keyring says it.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.preparer.log
    }

    /// The end of the log.
    #[must_use]
    pub fn ends(&self) -> Ends {
        Ends {
            head: (self.head.size, self.head.hash),
            tip: self.tip.map(|tip| (tip.size, tip.hash, tip.root)),
        }
    }

    /// Every checkpoint that the log keeps, newest first.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when the keyspace does not read.
    pub fn checkpoints(&self) -> Result<Vec<SignedCheckpoint>, Error> {
        guarded(|| kept::page(&self.store, None, usize::MAX))
    }

    /// Every checkpoint that the log keeps, newest first, each read by itself: one that does not read is an error that
    /// names its size, and the others still come.
    pub fn each_checkpoint(&self) -> impl Iterator<Item = Result<SignedCheckpoint, Error>> + '_ {
        let mut kept = kept::newest_first(&self.store, None);
        std::iter::from_fn(move || guarded(|| kept.next().transpose()).transpose())
    }

    /// Whether the log was closed for good, so that another one may continue it.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when the keyspace does not read.
    pub fn is_closed(&self) -> Result<bool, Error> {
        guarded(|| Ok(self.store.meta(name::CLOSED)?.is_some()))
    }

    /// All blocks in order, each with its first offset. A block that does not decrypt is an error that names its offset,
    /// and the blocks after it still come. Where the store cannot read on, the error is the last item: it would come again
    /// for ever.
    pub fn blocks(&self) -> impl Iterator<Item = Result<(u64, Vec<StoredRecord>), Error>> + '_ {
        let mut guards = Some(self.store.log.iter());
        let mut last = None;
        let read = move || {
            let entry = guarded(|| {
                let guard = guards.as_mut().and_then(Iterator::next);
                let entry = guard.map(|guard| {
                    let entry = guard.into_inner().map_err(|error| unreadable("log", last, &error))?;
                    Ok((block_key(&entry.0)?, entry.1))
                });
                entry.transpose()
            });
            if entry.is_err() {
                guards = None;
            }
            let (first, sealed) = match entry.transpose()? {
                Ok(entry) => entry,
                Err(error) => return Some(Err(error)),
            };
            last = Some(first);
            Some(self.decoder().block(first, &sealed).map(|block| (first, block)))
        };
        std::iter::from_fn(read)
    }

    /// The record at this offset.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when its block does not read.
    pub fn record(&self, offset: u64) -> Result<Option<StoredRecord>, Error> {
        guarded(|| self.decoder().record(offset))
    }

    /// The canonical bytes of the records from offset `from` up to `until`.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when a block does not read.
    pub fn records(&self, from: u64, until: u64) -> Result<Vec<std::sync::Arc<[u8]>>, Error> {
        let mut records = Vec::new();
        let Some((start, _)) = self.store.block_at(from)? else {
            return Ok(records);
        };
        for guard in self.store.log.range(start.to_be_bytes()..until.to_be_bytes()) {
            let (key, sealed) = guard.into_inner()?;
            let first = block_key(&key)?;
            let block = self.decoder().block(first, &sealed)?.into_iter().zip(first..);
            let wanted = block.filter(|(_, offset)| (from..until).contains(offset));
            records.extend(wanted.map(|(stored, _)| stored.bytes));
        }
        Ok(records)
    }

    /// The encoded frontier that the store keeps for a timeline; the whole chain has label and target empty.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when the keyspace does not read.
    pub fn timeline_head(&self, tenant: &Tenant, label: &str, target: &str) -> Result<Option<Vec<u8>>, Error> {
        guarded(|| self.store.head(&self.preparer.index.timeline(tenant, label, target)))
    }

    /// Where the index says the record with this id is.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when the keyspace does not read.
    pub fn offset_of(&self, tenant: &Tenant, id: &RecordId) -> Result<Option<u64>, Error> {
        guarded(|| self.store.id(&self.preparer.index.id(tenant, id)))
    }

    /// The store on the shadow: what a test changes in it is gone with it.
    #[cfg(test)]
    pub(crate) const fn store(&self) -> &Store {
        &self.store
    }

    fn maps(&self) -> Maps {
        let (log, index) = (self.preparer.log.clone(), self.preparer.index.clone());
        Maps::new(self.store.clone(), log, index)
    }

    /// The versions of the maps over all timelines that are kept, in order.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when the keyspace does not read.
    pub fn map_versions(&self) -> Result<Vec<MapVersion>, Error> {
        guarded(|| self.maps().versions())
    }

    /// The root of the maps over `size` records, after looking at every page that the version over `before` records does
    /// not have.
    ///
    /// # Errors
    /// [`Error::Corrupt`] naming a page that is missing, does not read, or is not the one that the page above names.
    pub fn map_root(&self, before: Option<u64>, size: u64) -> Result<Node, Error> {
        guarded(|| self.maps().check_version(before, size))
    }

    /// The root over the first `count` leaves of a timeline, after recomputing every node that is stored of its tree.
    ///
    /// # Errors
    /// [`Error::Corrupt`] naming a node that is missing or wrong.
    pub fn timeline_tree(&self, tenant: &Tenant, label: &str, target: &str, count: u64) -> Result<Node, Error> {
        guarded(|| self.maps().check_tree(tenant, label, target, count))
    }

    /// The bytes of a full tile of the log tree.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when the keyspace does not read.
    pub fn tile(&self, id: tlog::TileId) -> Result<Option<Vec<u8>>, Error> {
        guarded(|| self.store.tile(id))
    }

    /// Reads every entry of every keyspace but the log, so that no damaged block of the store stays unread; gives the
    /// number of entries of each.
    ///
    /// # Errors
    /// [`Error::Corrupt`] naming the keyspace.
    pub fn scan(&self) -> Result<Vec<(&'static str, u64)>, Error> {
        let store = &self.store;
        let keyspaces = [
            ("ids", &store.ids),
            ("heads", &store.heads),
            ("tree", &store.tree),
            ("map", &store.map),
            ("disclosures", &store.disclosures),
            ("guards", &store.guards),
            ("meta", &store.meta),
        ];
        let count = |(name, keyspace): (&'static str, &fjall::Keyspace)| {
            let mut entries = 0;
            for guard in keyspace.iter() {
                let read = guard.into_inner();
                read.map_err(|error| unreadable(name, None, &error))?;
                entries += 1;
            }
            Ok((name, entries))
        };
        guarded(|| keyspaces.into_iter().map(count).collect())
    }

    /// The sealed members of a record, each tried against its commitment.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when the keyspace does not read.
    pub fn sealed(&self, record: &Record) -> Result<Vec<(String, Sealed)>, Error> {
        let found = guarded(|| disclosure::read(&self.preparer, &self.store, &self.scopes, record))?;
        Ok(found
            .into_iter()
            .map(|(pointer, found)| self.try_open(record, pointer, found))
            .collect())
    }

    fn try_open(&self, record: &Record, pointer: String, found: Found) -> (String, Sealed) {
        let opening = match found {
            Found::Opening(opening) => opening,
            Found::KeyLost => return (pointer, Sealed::KeyLost),
            Found::Absent => return (pointer, Sealed::Absent),
            Found::Damaged => return (pointer, Sealed::Damaged),
        };
        let member = match pointer.strip_prefix("/payload") {
            Some(inner) => record.payload.pointer(inner),
            None => record.author.evidence.as_ref(),
        };
        let commitment = member.and_then(record::seal::read_placeholder);
        let opens = commitment == Some(opening.commitment(&record.log, &record.tenant, &record.id));
        (pointer, if opens { Sealed::Opens } else { Sealed::Damaged })
    }
}

fn unreadable(keyspace: &str, last: Option<u64>, error: &fjall::Error) -> Error {
    let last = last.map_or_else(String::new, |last| format!(" behind the block at offset {last}"));
    Error::corrupt(format!("keyspace {keyspace}{last}"), format!("{error:?}"))
}

/// Keeps a ledger from opening the directory meanwhile; `None` where nothing was ever locked.
fn lock_shared(dir: &Path) -> Result<Option<File>, Error> {
    let path = dir.join(crate::lock::FILE);
    let Ok(file) = File::open(&path) else { return Ok(None) };
    match file.try_lock_shared() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => {
            let pid = fs::read_to_string(&path).unwrap_or_default();
            Err(Error::InUse {
                path: dir.to_owned(),
                pid: pid.trim().to_owned(),
            })
        }
        Err(TryLockError::Error(source)) => Err(Error::Io {
            action: "lock",
            path,
            source,
        }),
    }
}

/// A directory that goes when it is dropped.
struct Shadow(PathBuf);

impl Drop for Shadow {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, path = %self.0.display(), "the copy made for checking could not be removed");
        }
    }
}

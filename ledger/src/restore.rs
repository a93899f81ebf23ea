//! Restore: a new log directory from a backup, from copies of records, or from both.
//!
//! Nothing of a copy is believed: every record passes the checks of [`admit`], indexes and trees are computed again, and
//! the end is compared with what the manifest and the evidence say. The directory is no log until everything is there and
//! whoever restores has accepted it; a crash at any point leaves a directory that says so ([`marker`]), and the restore
//! begins anew.
//!
//! Erasure: no kind of record erases anything yet. The one that will has to be applied in [`Builder::push`], where every
//! restored record passes, before the scope keys of the copy are used.

mod admit;
mod base;
mod builder;
mod checkpoints;
mod evidence;
pub(crate) mod marker;
mod staged;
#[cfg(test)]
mod tests;

pub use evidence::Evidence;
pub use staged::Staged;

use crate::Error;
use crate::backup::Progress;
use crate::clock::{Clock as _, SystemClock};
use crate::handle::Config;
use crate::head::HeadFile;
use crate::keyring::Keyring;
use crate::lock::DirectoryLock;
use crate::store::guarded;
use base::{check_end, open_base, restore_scopes, take_entries, take_records};
use builder::Builder;
use checkpoints::Checkpoints;
use record::{Hash, Origin, Slug};
use std::path::PathBuf;
use std::sync::Arc;

/// Records and bytes of one block at most.
const BLOCK_RECORDS: usize = 256;
const BLOCK_BYTES: usize = 1_024 * 1_024;

/// What a restore starts from.
#[derive(Debug, Clone)]
pub enum Base {
    /// A backup.
    Backup(PathBuf),
    /// The keyring file of the lost log: it can sign, and knows no record.
    Keyring(PathBuf),
    /// Nothing but the log's name: copies can be kept, and never be continued.
    Nothing(Origin),
}

/// What is to be restored, and where to.
#[derive(Debug, Clone)]
pub struct Request {
    /// The new log; its directory must not exist, be empty, or hold an unfinished restore.
    pub config: Config,
    /// What to start from.
    pub base: Base,
    /// The copy of the scope keys; without it no sealed value can be opened.
    pub scopes: Option<PathBuf>,
    /// Take a copy of the scope keys that should have been deleted by now.
    pub expired_scopes: bool,
}

/// How a restored log goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It takes new records.
    Open,
    /// It can be read and never written: records of it are lost, and their offsets must not be given again.
    Closed,
}

/// What a restored log is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The log.
    pub log: Origin,
    /// Hash of the first record.
    pub genesis_hash: Hash,
    /// Records that came from the backup.
    pub from_backup: u64,
    /// Number of records.
    pub size: u64,
    /// Hash of the last one.
    pub hash: Hash,
    /// RFC 6962 root over all records.
    pub root: [u8; 32],
    /// Sealed values that cannot be opened any more: their key or the value itself is missing.
    pub disclosures_lost: u64,
    /// How it goes on.
    pub ending: Ending,
}

/// A restore under way.
pub struct Work {
    config: Config,
    lock: DirectoryLock,
    keyring: Keyring,
    builder: Builder,
    from_backup: u64,
}

impl Work {
    /// Takes the directory and restores what the base has. Blocks.
    ///
    /// # Errors
    /// [`Error::Exists`], [`Error::Key`], [`Error::WrongKey`], [`Error::Backup`] naming the part, [`Error::Corrupt`]
    /// naming the record, [`Error::Cancelled`], or an I/O error. The directory stays unfinished then.
    pub fn begin(request: &Request, progress: Progress<'_>) -> Result<Self, Error> {
        guarded(|| Self::begin_unguarded(request, progress))
    }

    fn begin_unguarded(request: &Request, progress: Progress<'_>) -> Result<Self, Error> {
        let config = request.config.clone();
        // A wrong key or a damaged manifest is told before anything is written.
        let (mut keyring, manifest) = open_base(request)?;
        let lock = marker::claim(&config.data_dir)?;
        let ciphers = keyring.ciphers();
        let scopes = restore_scopes(request, &keyring, manifest.as_ref(), &ciphers)?;
        // How many values the old one has encrypted since the copy was made is not known.
        keyring.secrets.add_data_key()?;
        let mut builder = Builder::create(&config, &keyring, scopes)?;
        if let (Base::Backup(dir), Some(manifest)) = (&request.base, &manifest) {
            take_entries(&builder, dir, manifest)?;
            builder.await_checkpoints(Checkpoints::read(dir, manifest)?);
            take_records(&mut builder, dir, manifest, &ciphers, progress)?;
            check_end(&builder, manifest)?;
            builder.take_checkpoints()?;
        }
        Ok(Self {
            from_backup: builder.size(),
            config,
            lock,
            keyring,
            builder,
        })
    }

    /// The log that is restored.
    #[must_use]
    pub const fn log(&self) -> &Origin {
        &self.keyring.log
    }

    /// The log's short name, once its genesis is restored.
    #[must_use]
    pub const fn slug(&self) -> Option<&Slug> {
        self.builder.slug()
    }

    /// Number of records so far: the offset of the next one.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.builder.size()
    }

    /// Adds records from a copy, in order; nothing that the copy says about them is believed. Blocks.
    ///
    /// # Errors
    /// [`Error::Corrupt`] naming the first record that is not the next one of this log.
    pub fn push(&mut self, records: &[Arc<[u8]>]) -> Result<(), Error> {
        let mut rest = records;
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = rest.iter().take(BLOCK_RECORDS).take_while(|record| {
                bytes += record.len();
                bytes <= BLOCK_BYTES
            });
            let (block, after) = rest.split_at(fits.count().max(1));
            guarded(|| self.builder.push(block, None))?;
            rest = after;
        }
        Ok(())
    }

    /// Holds the log as it is now against what is known of it.
    ///
    /// # Errors
    /// [`Error::LogBehind`] when more is known to have been committed, [`Error::Corrupt`] when it was something else.
    pub fn compare(&self, evidence: &mut Evidence) -> Result<(), Error> {
        let builder = &self.builder;
        evidence.compare(self.log(), builder.size(), builder.keys(), |offset| {
            builder.hash_at(offset)
        })?;
        let keys = builder.checkpoint_keys();
        evidence.compare_checkpoints(self.log(), builder.size(), &keys, |size| builder.root_at(size))
    }

    /// Whether the keyring holds the key that signs the next record.
    #[must_use]
    pub fn can_sign(&self) -> bool {
        let key = self.builder.record_key();
        key.is_some_and(|key| self.keyring.secrets.signing_key(&key).is_some())
    }

    /// Writes the rest of the directory, which stays marked until it is accepted. Blocks.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when there is no record, or an I/O error.
    pub fn finish(self, ending: Ending) -> Result<Staged, Error> {
        let empty = || Error::corrupt("the copy", "it has no record");
        let (tip, genesis_hash) = self.builder.tip().zip(self.builder.genesis()).ok_or_else(empty)?;
        let restored = Restored {
            log: self.keyring.log.clone(),
            genesis_hash,
            from_backup: self.from_backup,
            size: tip.size,
            hash: tip.hash,
            root: tip.root,
            disclosures_lost: self.builder.lost(),
            ending,
        };
        let at = SystemClock.read().wall;
        self.builder.finish(at, ending == Ending::Closed)?;
        HeadFile::create(&self.config.head_path())?;
        let (mut head, _) = HeadFile::open(&self.config.head_path())?;
        head.advance(tip.size, tip.hash)?;
        head.close()?;
        self.keyring.store()?;
        Ok(Staged::new(self.config, self.lock, restored))
    }
}

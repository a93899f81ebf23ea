//! Backup of an open log, while it runs: parts in a directory and a manifest that is written last.
//!
//! What is copied is one snapshot of the store, so that records, sealed values and guards are of the same commit, however
//! long the copy takes and whatever is appended meanwhile. Everything stays as it is in the store: encrypted,
//! but for the checkpoints, which hold nothing secret. The key-encryption key is not in the backup. Scope keys go to another file ([`scope_copy`]): an erasure has to reach every
//! copy of them, and a backup is kept longer than that.
//!
//! Indexes, trees and heads are not copied: a restore computes them again and compares. The checkpoints that the log keeps
//! are: nobody could sign them again, and somebody has seen them.

mod attested;
pub(crate) mod manifest;
pub(crate) mod part;
pub(crate) mod scope_copy;

use crate::checkpoint::kept;
use crate::engine::{Shared, Tip};
use crate::handle::Handle;
use crate::scopes::SLOT;
use crate::store::{self, View, block_key, guarded, name};
use crate::{Error, recovery};
use manifest::{Kind, Manifest};
use record::{Hash, Origin, Timestamp};
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// What is to be backed up, and where to.
#[derive(Debug, Clone)]
pub struct Request {
    /// A directory that does not exist, or is empty.
    pub to: PathBuf,
    /// A file for the scope keys, outside `to`; `None` leaves them out, and a restore without them opens no sealed value.
    pub scopes_to: Option<PathBuf>,
    /// Days after which that file has to be deleted. Default 30.
    pub scope_days: u32,
    /// Bytes of one part, about. Default 64 MiB.
    pub part_bytes: u64,
}

impl Request {
    /// A backup to `to` with the defaults, without scope keys.
    #[must_use]
    pub fn new(to: impl Into<PathBuf>) -> Self {
        Self {
            to: to.into(),
            scopes_to: None,
            scope_days: 30,
            part_bytes: 64 * 1_024 * 1_024,
        }
    }
}

/// What was backed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The log.
    pub log: Origin,
    /// Number of records.
    pub size: u64,
    /// Hash of the last one.
    pub hash: Hash,
    /// RFC 6962 root over all records.
    pub root: [u8; 32],
    /// Sealed values.
    pub disclosures: u64,
    /// Scope keys that the log has, whether they were copied or not.
    pub scope_keys: u64,
    /// Bytes of all parts.
    pub bytes: u64,
}

/// Told how many of how many records are done; [`ControlFlow::Break`] ends the work with [`Error::Cancelled`].
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64) -> ControlFlow<()>;

impl Handle {
    /// Writes a backup of the log as it is now. Appends go on. Blocks.
    ///
    /// # Errors
    /// [`Error::Exists`] when there is something at the destination, [`Error::Cancelled`], [`Error::Corrupt`] when the
    /// store does not read, or an I/O error. What was written is removed then.
    pub fn backup(&self, request: &Request, progress: Progress<'_>) -> Result<Written, Error> {
        let shared = self.reader().map_err(|error| Error::Store(error.to_string()))?;
        if let Some(reason) = shared.poison() {
            return Err(Error::Store(format!(
                "a commit failed and is not settled yet: {reason}"
            )));
        }
        guarded(|| write(&shared, request, progress))
    }
}

/// Removes what an unfinished backup has written.
struct Unfinished {
    dir: PathBuf,
    created: bool,
    scopes: Option<PathBuf>,
    done: bool,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            // The directory was empty before.
            let _left = fs::remove_file(entry.path());
        }
        if self.created {
            let _left = fs::remove_dir(&self.dir);
        }
        if let Some(scopes) = &self.scopes {
            let _left = fs::remove_file(scopes);
        }
    }
}

fn write(shared: &Shared, request: &Request, progress: Progress<'_>) -> Result<Written, Error> {
    check_places(request)?;
    let mut unfinished = claim(&request.to)?;
    let view = shared.store.view();
    let tip = view.meta(name::TIP)?.as_deref().and_then(Tip::decode);
    let tip = tip.ok_or_else(|| Error::Store("the log has no record to back up".to_owned()))?;
    // Keys that the snapshot needs were durable before it; what came since does no harm.
    let slots = shared.scopes().slots()?;
    let keyring = {
        let _held = shared.keyring();
        let path = shared.config.keyring_path();
        fs::read(&path).map_err(Error::io("read", path))?
    };
    let created = shared.clock.read().wall;
    let mut parts = vec![part::write_whole(&request.to, Kind::Keyring, &keyring)?];
    let every = |_: &[u8], _: &[u8]| Ok(true);
    let (disclosures, entries) = copy(&request.to, request, Kind::Disclosures, view.disclosures(), every)?;
    parts.extend(entries);
    // Requests that came over the bus are not copied: a restored log takes none from before the restore.
    let live = |key: &[u8], value: &[u8]| Ok(key.len() == Kind::Guards.key_bytes() && is_live(value, created)?);
    let (guards, entries) = copy(&request.to, request, Kind::Guards, view.guards(), live)?;
    parts.extend(entries);
    let (checkpoints, entries) = copy(&request.to, request, Kind::Checkpoints, kept::entries(&view), every)?;
    parts.extend(entries);
    let (genesis_hash, entries) = copy_records(shared, &view, &tip, request, progress)?;
    parts.extend(entries);
    let derive = |purpose: &str| shared.preparer.index.derive(purpose);
    let manifest = Manifest {
        log: shared.preparer.log.clone(),
        genesis_hash,
        created,
        tip,
        disclosures,
        guards,
        checkpoints,
        scope_keys: slots
            .chunks_exact(SLOT)
            .filter(|slot| slot.iter().any(|byte| *byte != 0))
            .count() as u64,
        parts,
    };
    if let Some(path) = &request.scopes_to {
        let about = scope_copy::About {
            log: &manifest.log,
            genesis_hash,
            created,
            days: request.scope_days,
        };
        scope_copy::write(path, &about, &slots, derive)?;
        unfinished.scopes = Some(path.clone());
        sync_parent(path)?;
    }
    finish(&request.to, &manifest.encode(derive))?;
    unfinished.done = true;
    Ok(Written {
        log: manifest.log,
        size: tip.size,
        hash: tip.hash,
        root: tip.root,
        disclosures,
        scope_keys: manifest.scope_keys,
        bytes: manifest.parts.iter().map(|part| part.bytes).sum(),
    })
}

/// A scope key in the backup would outlive its erasure, and a file that is there is somebody's.
fn check_places(request: &Request) -> Result<(), Error> {
    let Some(scopes) = &request.scopes_to else {
        return Ok(());
    };
    let absolute = |path: &Path| std::path::absolute(path).map_err(Error::io("resolve", path));
    if absolute(scopes)?.starts_with(absolute(&request.to)?) {
        let detail = "it lies in the backup, which is kept longer than scope keys may be";
        return Err(Error::backup("copy of the scope keys", detail));
    }
    if scopes.exists() {
        return Err(Error::Exists(scopes.clone()));
    }
    Ok(())
}

/// Takes an empty directory, or makes one.
fn claim(dir: &Path) -> Result<Unfinished, Error> {
    let created = match fs::read_dir(dir).map(|mut entries| entries.next().is_some()) {
        Ok(true) => return Err(Error::Exists(dir.to_owned())),
        Ok(false) => false,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(dir).map_err(Error::io("create", dir))?;
            true
        }
        Err(error) => return Err(Error::io("read", dir)(error)),
    };
    Ok(Unfinished {
        dir: dir.to_owned(),
        created,
        scopes: None,
        done: false,
    })
}

type Pair = Result<(Vec<u8>, Vec<u8>), Error>;

/// Copies the entries that `keep` takes.
fn copy(
    dir: &Path,
    request: &Request,
    kind: Kind,
    entries: impl Iterator<Item = Pair>,
    keep: impl Fn(&[u8], &[u8]) -> Result<bool, Error>,
) -> Result<(u64, Vec<manifest::Entry>), Error> {
    let (mut writer, mut count) = (part::Writer::new(dir, kind, request.part_bytes), 0);
    for entry in entries {
        let (key, value) = entry?;
        if keep(&key, &value)? {
            writer.put(&key, &value)?;
            count += 1;
        }
    }
    Ok((count, writer.finish()?))
}

fn is_live(guard: &[u8], now: Timestamp) -> Result<bool, Error> {
    let expires = guard
        .first_chunk::<8>()
        .ok_or_else(|| Error::corrupt("keyspace guards", "a guard is too short"))?;
    Ok(i64::from_be_bytes(*expires) > now.micros())
}

/// Copies the blocks; each must decrypt and follow the last. What they say is for the restore to check.
fn copy_records(
    shared: &Shared,
    view: &View,
    tip: &Tip,
    request: &Request,
    progress: Progress<'_>,
) -> Result<(Hash, Vec<manifest::Entry>), Error> {
    let decoder = shared.decoder();
    let mut writer = part::Writer::new(&request.to, Kind::Records, request.part_bytes);
    let (mut next, mut genesis, mut last) = (0, None, None);
    for entry in view.log() {
        let (key, sealed) = entry?;
        let first = block_key(&key)?;
        if first != next {
            return Err(Error::corrupt(
                format!("the log at offset {next}"),
                "records are missing here",
            ));
        }
        let records = decoder.block(first, &sealed)?;
        next += records.len() as u64;
        if genesis.is_none() {
            genesis = records
                .first()
                .map(|stored| recovery::parse(&stored.bytes, 0))
                .transpose()?;
        }
        last = records.last().map(|stored| std::sync::Arc::clone(&stored.bytes));
        writer.put(&key, &sealed)?;
        if progress(next, tip.size).is_break() {
            return Err(Error::Cancelled);
        }
    }
    let last = last
        .map(|bytes| recovery::parse(&bytes, next.saturating_sub(1)))
        .transpose()?;
    match (genesis, last) {
        (Some(genesis), Some(last)) if next == tip.size && last.hash == tip.hash => {
            Ok((genesis.hash, writer.finish()?))
        }
        _ => Err(Error::corrupt(
            "the end of the log",
            "it is not the one that was committed last",
        )),
    }
}

/// Puts the manifest in place: from here on the directory is a backup.
fn finish(dir: &Path, manifest: &[u8]) -> Result<(), Error> {
    // The parts' names are durable before the manifest that lists them.
    store::sync_dir(dir)?;
    crate::keyring::replace(&dir.join(manifest::FILE), manifest)?;
    sync_parent(dir)
}

fn sync_parent(path: &Path) -> Result<(), Error> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    store::sync_dir(parent)
}

//! The mark of a directory that is being restored into: it is no log until the mark is gone.
//!
//! It is durable before anything else of the restore and removed after everything else, so that a crash anywhere between
//! leaves a directory that says what it is.

use crate::Error;
use crate::lock::{self, DirectoryLock};
use crate::store::sync_dir;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

const FILE: &str = "UNFINISHED";

fn path(dir: &Path) -> PathBuf {
    dir.join(FILE)
}

/// Refuses a directory that holds an unfinished restore.
///
/// # Errors
/// [`Error::Unfinished`].
pub(crate) fn refuse(dir: &Path) -> Result<(), Error> {
    if path(dir).exists() {
        return Err(Error::Unfinished(dir.to_owned()));
    }
    Ok(())
}

/// Takes a directory that is not there, is empty, or holds an unfinished restore, which is removed.
///
/// # Errors
/// [`Error::Exists`] when there is anything else, [`Error::InUse`], or an I/O error.
pub(super) fn claim(dir: &Path) -> Result<DirectoryLock, Error> {
    fs::create_dir_all(dir).map_err(Error::io("create", dir))?;
    let marked = path(dir).exists();
    let entries = entries(dir)?;
    if !marked && entries.iter().any(|entry| !entry.ends_with(lock::FILE)) {
        return Err(Error::Exists(dir.to_owned()));
    }
    let lock = DirectoryLock::acquire(dir)?;
    File::create(path(dir))
        .and_then(|mark| mark.sync_all())
        .map_err(Error::io("create", path(dir)))?;
    sync_dir(dir)?;
    for entry in entries {
        if !entry.ends_with(lock::FILE) && !entry.ends_with(FILE) {
            remove(&entry).map_err(Error::io("remove", &entry))?;
        }
    }
    Ok(lock)
}

/// Makes the directory a log.
pub(super) fn lift(dir: &Path) -> Result<(), Error> {
    sync_dir(dir)?;
    fs::remove_file(path(dir)).map_err(Error::io("remove", path(dir)))?;
    sync_dir(dir)
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = fs::read_dir(dir).map_err(Error::io("read", dir))?;
    entries
        .map(|entry| entry.map(|entry| entry.path()).map_err(Error::io("read", dir)))
        .collect()
}

fn remove(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    }
}

//! Copies of the store's files: journals set aside before the store opens, and a shadow for checks that must not write.
//!
//! fjall truncates a damaged journal in place when it opens. So the journals are copied first, and the copies stay until
//! the opened store has been compared with HEAD; copies of an attempt that failed are never overwritten.

use crate::Error;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

const CHUNK: usize = 256 * 1_024;

/// Copies every journal of the store in `store` to `aside`, unless copies of a failed attempt are there.
pub(crate) fn set_aside(store: &Path, aside: &Path) -> Result<(), Error> {
    if aside.exists() || !store.exists() {
        return Ok(());
    }
    let partial = aside.with_extension("partial");
    let _stale = fs::remove_dir_all(&partial);
    let copied =
        copy_journals(store, &partial).and_then(|()| fs::rename(&partial, aside).map_err(Error::io("replace", aside)));
    if copied.is_err() {
        // On a full disk half a copy would keep the space that is missing.
        let _removed = fs::remove_dir_all(&partial);
    }
    copied
}

fn copy_journals(store: &Path, to: &Path) -> Result<(), Error> {
    fs::create_dir_all(to).map_err(Error::io("create", to))?;
    for path in files(store)?.into_iter().filter(|path| is_journal(path)) {
        copy_sparse(&path, &to.join(path.file_name().unwrap_or_default())).map_err(Error::io("copy", &path))?;
    }
    Ok(())
}

/// Copies a file without taking space for its zeros: a journal's length is set in advance.
fn copy_sparse(from: &Path, to: &Path) -> io::Result<()> {
    let (mut from, to) = (File::open(from)?, File::create(to)?);
    let (mut chunk, zeros) = (vec![0; CHUNK], vec![0; CHUNK]);
    let mut length = 0;
    loop {
        let read = from.read(&mut chunk)?;
        let bytes = chunk.get(..read).unwrap_or_default();
        if bytes.is_empty() {
            // Durable before the store may cut off the originals.
            return to.set_len(length).and_then(|()| to.sync_data());
        }
        if zeros.get(..read) != Some(bytes) {
            to.write_all_at(bytes, length)?;
        }
        length += read as u64;
    }
}

/// Bytes that the journals of a store take on the disk.
pub(crate) fn disk_bytes(store: &Path) -> Result<u64, Error> {
    let journals = files(store)?.into_iter().filter(|path| is_journal(path));
    let bytes = journals.map(|path| fs::metadata(&path).map_or(0, |metadata| metadata.blocks() * 512));
    Ok(bytes.sum())
}

/// Forgets the copies: the opened store agrees with HEAD.
pub(crate) fn drop_aside(aside: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(aside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", aside)(error)),
        _ => Ok(()),
    }
}

/// Builds a copy of the store that may be opened without touching the original: tables never change once written and are
/// linked where the file system allows it, everything else is copied.
pub(crate) fn shadow(store: &Path, to: &Path) -> Result<(), Error> {
    fs::create_dir_all(to).map_err(Error::io("create", to))?;
    for entry in fs::read_dir(store).map_err(Error::io("read", store))? {
        let path = entry.map_err(Error::io("read", store))?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            shadow(&path, &target)?;
        } else if !(is_table(&path) && fs::hard_link(&path, &target).is_ok()) {
            copy_sparse(&path, &target).map_err(Error::io("copy", &path))?;
        }
    }
    Ok(())
}

fn is_journal(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "jnl")
}

fn is_table(path: &Path) -> bool {
    path.parent()
        .and_then(Path::file_name)
        .is_some_and(|dir| dir == "tables")
}

fn files(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = fs::read_dir(dir).map_err(Error::io("read", dir))?;
    entries
        .map(|entry| entry.map(|entry| entry.path()).map_err(Error::io("read", dir)))
        .collect()
}

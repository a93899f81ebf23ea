//! The store's lists of tables, checked before the store opens them.
//!
//! Each keyspace has a list of its tables, `v<number>`, and a file `current` that names the newest list with its checksum.
//! lsm-tree writes this checksum and does not compare it: a flipped bit in a list would take tables away without a word,
//! or ask for more memory than there is. Tables themselves are checked block by block when they are read.
//!
//! ```text
//! current: u64 number of the list, u128 XXH3 of the list, u8 0 (little-endian; lsm-tree 3)
//! ```

use crate::Error;
use std::fs;
use std::io;
use std::path::Path;
use xxhash_rust::xxh3::xxh3_128;

/// Checks the lists of the store in `dir`, which need not exist.
///
/// # Errors
/// [`Error::Corrupt`] naming the file.
pub(crate) fn check(dir: &Path) -> Result<(), Error> {
    let keyspaces = dir.join("keyspaces");
    let entries = match fs::read_dir(&keyspaces) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(Error::io("read", &keyspaces))?,
    };
    for entry in entries {
        let path = entry.map_err(Error::io("read", &keyspaces))?.path();
        if path.is_dir() {
            check_one(&path)?;
        }
    }
    Ok(())
}

fn check_one(keyspace: &Path) -> Result<(), Error> {
    let name = keyspace.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let damaged = |file: &str, detail: &str| Error::corrupt(format!("fjall/keyspaces/{name}/{file}"), detail);
    let read = |file: &str| match fs::read(keyspace.join(file)) {
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(damaged(file, "the file is missing")),
        Err(error) => Err(Error::io("read", keyspace.join(file))(error)),
    };
    // fjall deletes a keyspace without this file, whatever else is there.
    let current = read("current")?;
    let malformed = || damaged("current", "it does not name a list of tables");
    let (number, rest) = current.split_first_chunk::<8>().ok_or_else(malformed)?;
    let (sum, kind) = rest.split_first_chunk::<16>().ok_or_else(malformed)?;
    if kind != [0] {
        return Err(malformed());
    }
    let list = format!("v{}", u64::from_le_bytes(*number));
    if xxh3_128(&read(&list)?) != u128::from_le_bytes(*sum) {
        return Err(damaged(
            &list,
            "its checksum is not the one in the file `current`: restore a backup",
        ));
    }
    Ok(())
}

//! Scope keys: what sealed values are encrypted under, so that destroying one key erases everything in its scope.
//!
//! They live in a file of their own outside the store: an LSM keeps old values, a fixed slot can be overwritten. A slot
//! is synced before its key is first used.
//!
//! ```text
//! 32 bytes scope (keyed hash), u64 BE offset that created it, u32 BE epoch, 12 bytes nonce, 48 bytes encrypted key
//! ```
//! A slot of zeros is a destroyed key. A key that is missing without an erasure record is lost, never taken for erased.

use crate::Error;
use crate::cipher::Cipher;
use crate::entropy::random;
use crate::index::Key;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The value of a slot is a cipher's output: epoch, nonce, and 48 bytes.
const VALUE: usize = 4 + 12 + 48;
pub(crate) const SLOT: usize = 32 + 8 + VALUE;

/// The scope keys of an open log.
pub(crate) struct Scopes {
    file: File,
    path: PathBuf,
    slots: u64,
    keys: HashMap<Key, Zeroizing<[u8; 32]>>,
    fresh: bool,
    damaged: Vec<u64>,
}

impl Scopes {
    /// Writes the empty file of a new log.
    pub(crate) fn create(path: &Path) -> Result<(), Error> {
        let file = File::create_new(path).map_err(Error::io("create", path))?;
        file.sync_all().map_err(Error::io("sync", path))
    }

    /// Reads all slots. A slot that does not decrypt is remembered as damaged; half a slot at the end was never used.
    pub(crate) fn open(path: &Path, ciphers: &[Cipher], writable: bool) -> Result<Self, Error> {
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        let file = OpenOptions::new()
            .read(true)
            .write(writable)
            .open(path)
            .map_err(Error::io("open", path))?;
        if writable {
            // A slot whose sync failed, or was cut off by a crash, is read here and used from now on.
            file.sync_data().map_err(Error::io("sync", path))?;
        }
        let mut scopes = Self {
            file,
            path: path.to_owned(),
            slots: 0,
            keys: HashMap::new(),
            fresh: false,
            damaged: Vec::new(),
        };
        for slot in bytes.chunks_exact(SLOT) {
            let number = scopes.slots;
            scopes.slots += 1;
            if slot.iter().all(|byte| *byte == 0) {
                continue;
            }
            match decode(slot, ciphers) {
                Some((scope, key)) => drop(scopes.keys.insert(scope, key)),
                None => scopes.damaged.push(number),
            }
        }
        Ok(scopes)
    }

    /// All slots as they are on the disk. Half a slot at the end was never used.
    pub(crate) fn slots(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = std::fs::read(&self.path).map_err(Error::io("read", &self.path))?;
        bytes.truncate(bytes.len() - bytes.len() % SLOT);
        Ok(bytes)
    }

    /// Numbers of slots that hold neither a key nor zeros.
    pub(crate) fn damaged(&self) -> &[u64] {
        &self.damaged
    }

    /// The key of a scope.
    pub(crate) fn find(&self, scope: &Key) -> Option<&Zeroizing<[u8; 32]>> {
        self.keys.get(scope)
    }

    /// The key of a scope, made for the record at `offset` when there is none. Call [`Scopes::sync`] before the key is
    /// used for anything that is stored.
    pub(crate) fn find_or_create(
        &mut self,
        scope: Key,
        offset: u64,
        seal: impl FnOnce(&[u8], &[u8]) -> Result<Vec<u8>, Error>,
    ) -> Result<Zeroizing<[u8; 32]>, Error> {
        if let Some(key) = self.keys.get(&scope) {
            return Ok(key.clone());
        }
        let key = Zeroizing::new(random::<32>()?);
        let place = place(&scope, offset);
        let slot = [place.as_slice(), &seal(&place, &*key)?].concat();
        self.file
            .write_all_at(&slot, self.slots * SLOT as u64)
            .map_err(Error::io("write", &self.path))?;
        self.slots += 1;
        self.fresh = true;
        self.keys.insert(scope, key.clone());
        Ok(key)
    }

    /// Makes new keys durable.
    pub(crate) fn sync(&mut self) -> Result<(), Error> {
        if self.fresh {
            self.file.sync_data().map_err(Error::io("sync", &self.path))?;
            self.fresh = false;
        }
        Ok(())
    }
}

fn place(scope: &Key, offset: u64) -> [u8; 40] {
    let mut place = [0; 40];
    place
        .iter_mut()
        .zip(scope.iter().chain(&offset.to_be_bytes()))
        .for_each(|(to, from)| *to = *from);
    place
}

/// Whether a slot holds a key under one of these ciphers.
pub(crate) fn reads(slot: &[u8], ciphers: &[Cipher]) -> bool {
    decode(slot, ciphers).is_some()
}

/// The offset that created a slot's key.
pub(crate) fn created_at(slot: &[u8]) -> u64 {
    let offset = slot.get(32..).and_then(|rest| rest.first_chunk::<8>());
    offset.map_or(0, |offset| u64::from_be_bytes(*offset))
}

fn decode(slot: &[u8], ciphers: &[Cipher]) -> Option<(Key, Zeroizing<[u8; 32]>)> {
    let (place, value) = slot.split_at_checked(40)?;
    let clear = ciphers
        .iter()
        .find_map(|cipher| cipher.open("scopes", place, value))
        .map(Zeroizing::new)?;
    let key: [u8; 32] = clear.as_slice().try_into().ok()?;
    Some((*place.first_chunk()?, Zeroizing::new(key)))
}

//! HEAD: what was committed last, kept outside the store, because a flipped framing byte in the store's journal can make
//! it drop fsynced batches silently.
//!
//! Two slots in separate 4,096-byte blocks. The slot that is not synced yet is overwritten after each commit until the
//! next sync (every second, and on close); then the other one is used. So one slot is always whole on the disk, and the
//! newest valid one wins. A torn slot is no alarm.
//!
//! ```text
//! "sigil-head/v1\n", u8 state, u64 generation, u64 size, 32 bytes record hash, 32 bytes BLAKE3 of all before
//! ```

use crate::Error;
use record::Hash;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 14] = b"sigil-head/v1\n";
const BLOCK: u64 = 4_096;
const BODY: usize = MAGIC.len() + 1 + 8 + 8 + 32;
const SLOT: usize = BODY + 32;

/// Whether the log was closed in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// A process has, or had, the log open.
    Open,
    /// Everything was flushed.
    Closed,
}

/// The end of the log as a slot says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) state: State,
    pub(crate) generation: u64,
    pub(crate) size: u64,
    pub(crate) hash: Hash,
}

/// The HEAD file of an open log.
#[derive(Debug)]
pub(crate) struct HeadFile {
    file: File,
    path: PathBuf,
    newest: Slot,
    /// The block that the next write goes to; the other one is synced.
    block: u64,
    unsynced: bool,
}

/// The newest valid slot of the file at `path`; `None` when neither is valid.
pub(crate) fn read(path: &Path) -> Result<Option<Slot>, Error> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read", path)(error)),
    };
    Ok(newest(&bytes).map(|(slot, _)| slot))
}

fn newest(bytes: &[u8]) -> Option<(Slot, u64)> {
    let slot = |block: u64| {
        let start = (block * BLOCK) as usize;
        bytes
            .get(start..start + SLOT)
            .and_then(decode)
            .map(|slot| (slot, block))
    };
    [slot(0), slot(1)]
        .into_iter()
        .flatten()
        .max_by_key(|(slot, _)| slot.generation)
}

fn encode(slot: &Slot) -> [u8; SLOT] {
    let mut out = [0; SLOT];
    let state = [if slot.state == State::Closed { 2 } else { 1 }];
    let body = [
        MAGIC,
        &state[..],
        &slot.generation.to_be_bytes(),
        &slot.size.to_be_bytes(),
        slot.hash.as_bytes(),
    ]
    .concat();
    let sum = blake3::hash(&body);
    out.iter_mut()
        .zip(body.iter().chain(sum.as_bytes()))
        .for_each(|(to, from)| *to = *from);
    out
}

fn decode(bytes: &[u8]) -> Option<Slot> {
    let (body, sum) = bytes.split_at_checked(BODY)?;
    if blake3::hash(body).as_bytes() != sum {
        return None;
    }
    let rest = body.strip_prefix(MAGIC)?;
    let (state, rest) = rest.split_first()?;
    let (generation, rest) = rest.split_first_chunk::<8>()?;
    let (size, hash) = rest.split_first_chunk::<8>()?;
    let state = match state {
        1 => State::Open,
        2 => State::Closed,
        _ => return None,
    };
    let hash: [u8; 32] = hash.try_into().ok()?;
    Some(Slot {
        state,
        generation: u64::from_be_bytes(*generation),
        size: u64::from_be_bytes(*size),
        hash: hash.into(),
    })
}

impl HeadFile {
    /// Writes the first HEAD of a new log.
    pub(crate) fn create(path: &Path) -> Result<(), Error> {
        let file = File::create_new(path).map_err(Error::io("create", path))?;
        let slot = Slot {
            state: State::Closed,
            generation: 1,
            size: 0,
            hash: Hash::from([0; 32]),
        };
        let written = file
            .set_len(2 * BLOCK)
            .and_then(|()| file.write_all_at(&encode(&slot), 0))
            .and_then(|()| file.sync_all());
        written.map_err(Error::io("write", path))
    }

    /// Opens the file and syncs state `open` before anything else is opened.
    pub(crate) fn open(path: &Path) -> Result<(Self, Slot), Error> {
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        let (found, block) = newest(&bytes).ok_or_else(|| {
            Error::corrupt(
                "HEAD",
                "both slots are invalid: the store may have lost records, compare it with a copy or a checkpoint",
            )
        })?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(Error::io("open", path))?;
        // What was found may be in memory only, and the other slot is about to be overwritten.
        file.sync_data().map_err(Error::io("sync", path))?;
        let mut head = Self {
            file,
            path: path.to_owned(),
            newest: found,
            block: 1 - block,
            unsynced: false,
        };
        head.write(Slot {
            state: State::Open,
            ..found
        })?;
        head.sync()?;
        Ok((head, found))
    }

    /// Notes a commit. Not synced: the other slot still holds the last synced end.
    pub(crate) fn advance(&mut self, size: u64, hash: Hash) -> Result<(), Error> {
        self.write(Slot {
            state: State::Open,
            size,
            hash,
            ..self.newest
        })
    }

    /// Makes the newest slot durable and turns to the other one.
    pub(crate) fn sync(&mut self) -> Result<(), Error> {
        if self.unsynced {
            self.file.sync_data().map_err(Error::io("sync", &self.path))?;
            self.unsynced = false;
            self.block = 1 - self.block;
        }
        Ok(())
    }

    /// Notes that the log was closed in order.
    pub(crate) fn close(&mut self) -> Result<(), Error> {
        self.write(Slot {
            state: State::Closed,
            ..self.newest
        })?;
        self.sync()
    }

    fn write(&mut self, slot: Slot) -> Result<(), Error> {
        let slot = Slot {
            generation: self.newest.generation + 1,
            ..slot
        };
        self.file
            .write_all_at(&encode(&slot), self.block * BLOCK)
            .map_err(Error::io("write", &self.path))?;
        self.newest = slot;
        self.unsynced = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(byte: u8) -> Hash {
        Hash::from([byte; 32])
    }

    #[test]
    fn the_newest_valid_slot_wins_and_a_torn_one_is_no_alarm() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("HEAD");
        HeadFile::create(&path).expect("creates");
        let (mut head, found) = HeadFile::open(&path).expect("opens");
        assert_eq!((found.size, found.state), (0, State::Closed));
        head.advance(1, hash(1)).expect("writes");
        head.sync().expect("syncs");
        head.advance(2, hash(2)).expect("writes");
        let slot = read(&path).expect("reads").expect("is valid");
        assert_eq!((slot.size, slot.hash, slot.state), (2, hash(2), State::Open));
        let bytes = std::fs::read(&path).expect("reads");
        for at in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            let size = newest(&flipped).expect("one slot is whole").0.size;
            assert!(size == 2 || size == 1, "bit {at} gives size {size}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_a_slot_or_none(
            bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300),
            state in 0u8..4,
        ) {
            proptest::prop_assert_eq!(decode(&bytes), None);
            proptest::prop_assert!(newest(&bytes).is_none());
            // With magic and checksum right, the rest decides.
            let mut body = [MAGIC.as_slice(), &[state], &bytes].concat();
            body.resize(BODY, 0);
            let whole = [body.as_slice(), blake3::hash(&body).as_bytes()].concat();
            match decode(&whole) {
                Some(slot) => proptest::prop_assert_eq!(encode(&slot).to_vec(), whole),
                None => proptest::prop_assert!(state != 1 && state != 2),
            }
        }
    }

    #[test]
    fn both_slots_invalid_refuses() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("HEAD");
        std::fs::write(&path, vec![0; 8_192]).expect("writes");
        assert!(matches!(HeadFile::open(&path), Err(Error::Corrupt { .. })));
    }

    #[test]
    fn closing_is_remembered() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("HEAD");
        HeadFile::create(&path).expect("creates");
        let (mut head, _) = HeadFile::open(&path).expect("opens");
        assert_eq!(read(&path).expect("reads").map(|slot| slot.state), Some(State::Open));
        head.advance(7, hash(7)).expect("writes");
        head.close().expect("closes");
        let slot = read(&path).expect("reads").expect("is valid");
        assert_eq!((slot.size, slot.state), (7, State::Closed));
    }
}

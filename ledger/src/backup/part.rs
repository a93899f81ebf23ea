//! The parts of a backup: files of frames, each with its length and hash in the manifest.
//!
//! ```text
//! per frame: key (8 bytes for records and checkpoints, 32 for everything else), u32 BE length, value
//! ```
//! Values are the store's own, as they are there: checkpoints in the clear, everything else encrypted. A part is closed before it grows beyond a size that is read
//! into memory as a whole, so that its hash is checked before one byte of it is believed.

use super::manifest::{Entry, Kind};
use crate::Error;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

/// Bytes of the largest part that is read. Parts are cut far below it.
pub(super) const LARGEST: u64 = 256 * 1_024 * 1_024;

/// Writes the frames of one kind into as many parts as needed.
pub(super) struct Writer<'a> {
    dir: &'a Path,
    kind: Kind,
    part_bytes: u64,
    open: Option<Open>,
    done: Vec<Entry>,
}

/// A part that is being written.
struct Open {
    name: String,
    path: PathBuf,
    file: BufWriter<File>,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl<'a> Writer<'a> {
    pub(super) const fn new(dir: &'a Path, kind: Kind, part_bytes: u64) -> Self {
        Self {
            dir,
            kind,
            part_bytes,
            open: None,
            done: Vec::new(),
        }
    }

    /// Adds a frame, in a new part when the current one is full.
    pub(super) fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let length =
            u32::try_from(value.len()).map_err(|_| Error::Store("a value is too large to back up".to_owned()))?;
        let frame = [key, &length.to_be_bytes(), value].concat();
        let full = |open: &Open| open.bytes + frame.len() as u64 > self.part_bytes;
        if self.open.as_ref().is_some_and(full) {
            self.close()?;
        }
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.begin(key)?,
        };
        open.hasher.update(&frame);
        open.bytes += frame.len() as u64;
        let written = open.file.write_all(&frame).map_err(Error::io("write", &open.path));
        self.open = Some(open);
        written
    }

    /// Closes the last part; gives all of them, in order.
    pub(super) fn finish(mut self) -> Result<Vec<Entry>, Error> {
        self.close()?;
        Ok(self.done)
    }

    fn begin(&self, key: &[u8]) -> Result<Open, Error> {
        let number = match self.kind {
            Kind::Records => key.try_into().map_or(0, u64::from_be_bytes),
            _ => self.done.len() as u64,
        };
        let name = self.kind.name(number);
        let path = self.dir.join(&name);
        let file = File::create_new(&path).map_err(Error::io("create", &path))?;
        Ok(Open {
            name,
            path,
            file: BufWriter::with_capacity(256 * 1_024, file),
            hasher: blake3::Hasher::new(),
            bytes: 0,
        })
    }

    fn close(&mut self) -> Result<(), Error> {
        let Some(mut open) = self.open.take() else {
            return Ok(());
        };
        open.file
            .flush()
            .and_then(|()| open.file.get_ref().sync_all())
            .map_err(Error::io("write", &open.path))?;
        self.done.push(Entry {
            name: open.name,
            bytes: open.bytes,
            hash: *open.hasher.finalize().as_bytes(),
        });
        Ok(())
    }
}

/// Writes a part that is one value, not frames.
pub(super) fn write_whole(dir: &Path, kind: Kind, bytes: &[u8]) -> Result<Entry, Error> {
    let name = kind.name(0);
    let path = dir.join(&name);
    File::create_new(&path)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .map_err(Error::io("write", &path))?;
    Ok(Entry {
        name,
        bytes: bytes.len() as u64,
        hash: *blake3::hash(bytes).as_bytes(),
    })
}

/// Reads a part as a whole and checks its length and hash.
///
/// # Errors
/// [`Error::Backup`] naming the part.
pub(crate) fn read(dir: &Path, entry: &Entry) -> Result<Vec<u8>, Error> {
    let wrong = |detail: String| Error::backup(&entry.name, detail);
    let path = dir.join(&entry.name);
    let length = match std::fs::metadata(&path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(wrong("it is missing".to_owned())),
        Err(error) => return Err(Error::io("read", path)(error)),
    };
    if length != entry.bytes || length > LARGEST {
        return Err(wrong(format!(
            "it has {length} bytes, the manifest names {}",
            entry.bytes
        )));
    }
    let bytes = std::fs::read(&path).map_err(Error::io("read", path))?;
    if *blake3::hash(&bytes).as_bytes() != entry.hash {
        return Err(wrong("its hash is not the one in the manifest".to_owned()));
    }
    Ok(bytes)
}

/// What to say of a part that ends in the middle of a frame.
pub(crate) fn cut(entry: &Entry) -> Error {
    Error::backup(&entry.name, "it ends in the middle of an entry")
}

/// One frame of a part that was read.
pub(crate) struct Frame<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
}

/// The frames of a part with keys of `key_bytes`; `None` in place of one that is cut off.
pub(crate) fn frames(part: &[u8], key_bytes: usize) -> impl Iterator<Item = Option<Frame<'_>>> {
    let mut rest = part;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let frame = split(&mut rest, key_bytes);
        if frame.is_none() {
            rest = &[];
        }
        Some(frame)
    })
}

fn split<'a>(rest: &mut &'a [u8], key_bytes: usize) -> Option<Frame<'a>> {
    let (key, after) = rest.split_at_checked(key_bytes)?;
    let (length, after) = after.split_first_chunk::<4>()?;
    let (value, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    *rest = after;
    Some(Frame { key, value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_frames_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut back = Vec::new();
            let mut whole = true;
            for frame in frames(&bytes, 8) {
                match frame {
                    Some(frame) => back.extend([frame.key, &(frame.value.len() as u32).to_be_bytes(), frame.value].concat()),
                    None => whole = false,
                }
            }
            prop_assert!(bytes.starts_with(&back));
            prop_assert_eq!(whole, back == bytes);
        }
    }

    #[test]
    fn parts_are_cut_at_their_size_and_read_back() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut writer = Writer::new(dir.path(), Kind::Records, 64);
        for offset in 0_u64..5 {
            writer.put(&offset.to_be_bytes(), &[7; 20]).expect("writes");
        }
        let entries = writer.finish().expect("finishes");
        let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "records-00000000000000000000",
                "records-00000000000000000002",
                "records-00000000000000000004"
            ]
        );
        let part = read(dir.path(), &entries[1]).expect("reads");
        let keys: Vec<u8> = frames(&part, 8).map(|frame| frame.expect("is whole").key[7]).collect();
        assert_eq!(keys, [2, 3]);
    }
}

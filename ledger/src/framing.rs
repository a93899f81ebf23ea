//! The frames of the store's journals, walked before the store opens them.
//!
//! fjall takes the first frame that it cannot read for the torn end of a journal and cuts off everything behind it, also
//! in the middle and without a word. HEAD shows when the log itself gets shorter by that; it does not show an index entry
//! that is lost while its record had already reached a table. So: what cannot be read must be the very last batch, the one
//! that a crash tears. Nothing is written here.
//!
//! ```text
//! start  01, u32 items, u64 sequence number
//! item   02, u8 type, u8 compression, u64 keyspace, u16 key length, u32 value length, u32 stored length, key, value
//! end    03, u64 XXH3 of the items, "FJL" 03
//! clear  04, u64 keyspace
//! ```
//! All integers little-endian (fjall 3). fjall checks the sum as well, but cannot say where. The sum leaves out the
//! sequence number, which decides what overwrites what: so these must increase from batch to batch.

use crate::Error;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::Xxh3Default;

const END: u8 = 3;
const MAGIC: [u8; 4] = *b"FJL\x03";
/// Tag, checksum and magic of an end frame.
const END_BYTES: usize = 1 + 8 + MAGIC.len();
const CHUNK: usize = 256 * 1_024;

/// Checks the journals of the store in `dir`, which need not exist.
///
/// # Errors
/// [`Error::Corrupt`] naming journal and byte when batches follow something that is none.
pub(crate) fn check(dir: &Path) -> Result<(), Error> {
    let mut newest = None;
    let mut torn: Option<String> = None;
    for (_, path) in journals(dir)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let damaged = |at: u64, detail: &str| Error::corrupt(format!("fjall/{name} at byte {at}"), detail);
        let walked = walk(&path, &mut newest).map_err(Error::io("read", &path))?;
        if let (Some(place), true) = (&torn, walked.batches > 0) {
            return Err(Error::corrupt(place.as_str(), BEFORE_OTHERS));
        }
        match walked.stop {
            Stop::End => {}
            Stop::Changed(at) => return Err(damaged(at, "the checksum of this batch is another")),
            Stop::Disorder(at) => return Err(damaged(at, "the number of this batch is not above the one before")),
            Stop::Unreadable(at) => {
                if batches_follow(&path, at).map_err(Error::io("read", &path))? {
                    return Err(damaged(at, BEFORE_OTHERS));
                }
                torn = Some(format!("fjall/{name} at byte {at}"));
            }
        }
    }
    Ok(())
}

const BEFORE_OTHERS: &str = "a batch cannot be read, and whole ones follow: opening would lose them. Nothing was \
                             changed; restore a backup";

/// The journals in the order of their numbers.
fn journals(dir: &Path) -> Result<Vec<(u64, PathBuf)>, Error> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(Error::io("read", dir))?,
    };
    let mut journals = Vec::new();
    for entry in entries {
        let path = entry.map_err(Error::io("read", dir))?.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        if let Some(number) = number.filter(|_| path.extension().is_some_and(|extension| extension == "jnl")) {
            journals.push((number, path));
        }
    }
    journals.sort_unstable();
    Ok(journals)
}

struct Walked {
    batches: u64,
    stop: Stop,
}

/// Where a walk ended.
enum Stop {
    /// Behind the last batch, at the end of the file or of what is written in it.
    End,
    /// At a whole batch with another checksum.
    Changed(u64),
    /// At a batch that is older than the one before it.
    Disorder(u64),
    /// At a batch that is not whole.
    Unreadable(u64),
}

fn walk(path: &Path, newest: &mut Option<u64>) -> io::Result<Walked> {
    let mut file = BufReader::new(File::open(path)?);
    let length = file.get_ref().metadata()?.len();
    let (mut batches, mut at) = (0, 0);
    let stop = loop {
        let Some((seqno, end, fits)) = batch(&mut file, at, length)? else {
            break Stop::Unreadable(at);
        };
        if !fits {
            break Stop::Changed(at);
        }
        if newest.is_some_and(|newest| seqno <= newest) {
            break Stop::Disorder(at);
        }
        *newest = Some(seqno);
        (batches, at) = (batches + 1, end);
        if at == length {
            break Stop::End;
        }
    };
    // Behind the batches a journal is zeros: its space is taken in advance.
    let stop = match stop {
        Stop::Unreadable(at) if only_zeros(&mut file, at)? => Stop::End,
        stop => stop,
    };
    Ok(Walked { batches, stop })
}

/// Sequence number and end of the batch at `at`, and whether its checksum fits; `None` when it is not whole.
fn batch(file: &mut BufReader<File>, at: u64, length: u64) -> io::Result<Option<(u64, u64, bool)>> {
    let Some([1, start @ ..]) = read::<13>(file)? else {
        return Ok(None);
    };
    let (items, seqno) = start.split_at(4);
    let (mut left, mut at, mut sum) = (little(items), at + 13, Xxh3Default::new());
    while left > 0 {
        let Some(size) = item(file, length - at, &mut sum)? else {
            return Ok(None);
        };
        (left, at) = (left - 1, at + size);
    }
    let end = read::<END_BYTES>(file)?.filter(|end| end.first() == Some(&END) && end.ends_with(&MAGIC));
    Ok(end.map(|end| {
        let stored = end.get(1..9).map_or(0, little);
        (little(seqno), at + END_BYTES as u64, stored == sum.digest())
    }))
}

/// Bytes of the item that comes now, `left` at most, which go into the sum; `None` when there is none.
fn item(file: &mut BufReader<File>, left: u64, sum: &mut Xxh3Default) -> io::Result<Option<u64>> {
    let Some(tag) = read::<1>(file)? else { return Ok(None) };
    sum.update(&tag);
    let body = match tag {
        [2] => {
            let Some(head) = read::<20>(file)? else { return Ok(None) };
            sum.update(&head);
            let [_type, compression, lengths @ ..] = head;
            let (key, lengths) = lengths.split_at(8).1.split_at(2);
            let (clear, stored) = lengths.split_at(4);
            // The ledger has fjall compress nothing.
            if compression != 0 || clear != stored {
                return Ok(None);
            }
            20 + little(key) + little(stored)
        }
        [4] => 8,
        _ => return Ok(None),
    };
    if 1 + body > left {
        return Ok(None);
    }
    let rest = if tag == [2] { body - 20 } else { body };
    let mut content = Vec::new();
    file.by_ref().take(rest).read_to_end(&mut content)?;
    sum.update(&content);
    Ok((content.len() as u64 == rest).then_some(1 + body))
}

fn little(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn read<const N: usize>(file: &mut impl Read) -> io::Result<Option<[u8; N]>> {
    let mut bytes = [0; N];
    match file.read_exact(&mut bytes) {
        Ok(()) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

fn only_zeros(file: &mut BufReader<File>, at: u64) -> io::Result<bool> {
    file.seek(SeekFrom::Start(at))?;
    let (mut chunk, zeros) = (vec![0; CHUNK], vec![0; CHUNK]);
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(true),
            read if chunk.get(..read) == zeros.get(..read) => {}
            _ => return Ok(false),
        }
    }
}

/// Whether a batch ends somewhere behind `at` and another one begins right there.
fn batches_follow(path: &Path, at: u64) -> io::Result<bool> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(at))?;
    let mut window = Vec::with_capacity(2 * CHUNK);
    loop {
        let read = (&mut file).take(CHUNK as u64).read_to_end(&mut window)?;
        let seam = |frames: &[u8]| matches!(frames.split_first(), Some((&END, rest)) if rest.get(8..12) == Some(&MAGIC) && rest.get(12) == Some(&1));
        if window.windows(END_BYTES + 1).any(seam) {
            return Ok(true);
        }
        if read == 0 {
            return Ok(false);
        }
        // A seam may lie across two chunks.
        window.drain(..window.len().saturating_sub(END_BYTES));
    }
}

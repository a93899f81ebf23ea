//! A directory with one file for each anchored checkpoint: fit for object lock, for another machine's share, for tape.
//!
//! A file is made once under a name that no other checkpoint has, read-only, synced with its directory, and never changed,
//! renamed or removed: what is written is what a store with object lock keeps. `<log>-<size>.checkpoint`: `<log>` are the
//! first 16 hex digits of the SHA-256 of the log's origin, `<size>` has 20 digits, so that names sort as sizes do and
//! several logs share a directory. A file that a crash left incomplete keeps its name; the checkpoint then takes the next:
//! `<log>-<size>-2.checkpoint`.

use super::NotAnchored;
use domain::payload::AnchorError;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;
use tlog::CheckpointText;

const EXTENSION: &str = ".checkpoint";
/// Names that one checkpoint may try.
const NAMES: u32 = 9;
/// Of one log, so many are read at a start. The newest one alone would do: its tree has the others' in it.
const NEWEST: usize = 64;
/// Bytes of a file that is read; a note with a thousand cosignatures has less.
const BYTES: u64 = 256 * 1_024;

/// A directory of checkpoints.
#[derive(Debug, Clone)]
pub struct Dir {
    path: PathBuf,
}

/// A file that was read.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The file's name.
    pub name: String,
    /// What is in it.
    pub note: String,
    /// When it was written, in microseconds, by the clock of what keeps it.
    pub written: Option<i64>,
}

/// A file of ours, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Named {
    log: String,
    size: u64,
    name: String,
}

impl Dir {
    /// The directory at `path`, which is not looked at yet.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Writes a checkpoint; gives the file's name, also where it is there already.
    pub(super) fn put(&self, origin: &str, size: u64, note: &str) -> Result<String, NotAnchored> {
        for attempt in 1..=NAMES {
            let name = name(origin, size, attempt);
            let path = self.path.join(&name);
            match write(&path, note) {
                Ok(()) => {
                    let synced = File::open(&self.path).and_then(|dir| dir.sync_all());
                    return synced.map(|()| name).map_err(|error| storage(&error));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    let there = read(&path).map_err(|error| storage(&error))?;
                    match compare(&there, note) {
                        There::Same => return Ok(name),
                        There::Incomplete => {}
                        There::Another => {
                            let detail = format!("{name} holds another checkpoint of {size} records");
                            return Err(NotAnchored::new(AnchorError::Conflict, detail));
                        }
                    }
                }
                Err(error) => return Err(storage(&error)),
            }
        }
        let detail = format!("{NAMES} incomplete files of {size} records are in the directory");
        Err(NotAnchored::new(AnchorError::Conflict, detail))
    }

    /// Whether a file of this name is there.
    pub(super) fn has(&self, name: &str) -> bool {
        Named::parse(name).is_some() && self.path.join(name).is_file()
    }

    /// Of each log that has files here, the newest complete ones.
    ///
    /// # Errors
    /// The directory or one of those files cannot be read.
    pub fn newest(&self) -> io::Result<Vec<Kept>> {
        let mut logs: BTreeMap<String, Vec<Named>> = BTreeMap::new();
        for named in self.list()? {
            logs.entry(named.log.clone()).or_default().push(named);
        }
        let mut kept = Vec::new();
        for mut files in logs.into_values() {
            files.sort_by_key(|named| std::cmp::Reverse(named.size));
            let read = files.into_iter().map(|named| self.kept(named.name));
            // What does not read is none: a crash left it, and sigil verify names it.
            let complete = read.filter(|kept| {
                kept.as_ref()
                    .map_or(true, |kept| CheckpointText::parse(&kept.note).is_ok())
            });
            kept.extend(complete.take(NEWEST).collect::<io::Result<Vec<_>>>()?);
        }
        Ok(kept)
    }

    /// Every file of the log `origin`, by size.
    ///
    /// # Errors
    /// The directory or one of those files cannot be read.
    pub fn all(&self, origin: &str) -> io::Result<Vec<Kept>> {
        let log = hash(origin);
        let mut files: Vec<Named> = self.list()?.into_iter().filter(|named| named.log == log).collect();
        files.sort_by_key(|named| named.size);
        files.into_iter().map(|named| self.kept(named.name)).collect()
    }

    fn list(&self) -> io::Result<Vec<Named>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            let name = entry?.file_name().into_string();
            found.extend(name.ok().as_deref().and_then(Named::parse));
        }
        Ok(found)
    }

    fn kept(&self, name: String) -> io::Result<Kept> {
        let path = self.path.join(&name);
        Ok(Kept {
            note: read(&path)?,
            written: written(&path),
            name,
        })
    }
}

impl Kept {
    /// The file at `path`, whatever its name.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(path: &Path) -> io::Result<Self> {
        Ok(Self {
            name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            note: read(path)?,
            written: written(path),
        })
    }
}

impl Named {
    fn parse(name: &str) -> Option<Self> {
        let mut parts = name.strip_suffix(EXTENSION)?.split('-');
        let (log, size, attempt, end) = (parts.next()?, parts.next()?, parts.next(), parts.next());
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let is_log = log.len() == 16 && log.bytes().all(is_hex);
        let is_size = size.len() == 20 && size.bytes().all(|byte| byte.is_ascii_digit());
        let is_attempt = attempt.is_none_or(|attempt| matches!(attempt.as_bytes(), [b'2'..=b'9']));
        (is_log && is_size && is_attempt && end.is_none()).then_some(())?;
        Some(Self {
            log: log.to_owned(),
            size: size.parse().ok()?,
            name: name.to_owned(),
        })
    }
}

/// The name of a file.
fn name(origin: &str, size: u64, attempt: u32) -> String {
    let log = hash(origin);
    match attempt {
        1 => format!("{log}-{size:020}{EXTENSION}"),
        _ => format!("{log}-{size:020}-{attempt}{EXTENSION}"),
    }
}

/// What stands for a log's origin in a name: an origin may hold what no name may.
fn hash(origin: &str) -> String {
    let digest = Sha256::digest(origin.as_bytes());
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Makes the file, or leaves it incomplete; never touches one that is there.
fn write(path: &Path, note: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o444).open(path)?;
    let written = file.write_all(note.as_bytes()).and_then(|()| file.sync_all());
    if written.is_err() {
        // Where the store keeps everything, it keeps this, too: the next attempt takes another name.
        let _kept = std::fs::remove_file(path);
    }
    written
}

fn read(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn written(path: &Path) -> Option<i64> {
    let modified = std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok()?;
    let since = modified.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_micros()).ok()
}

/// What a file that is there already is to the checkpoint that is to be written.
#[derive(Debug, PartialEq, Eq)]
enum There {
    /// The same tree head with the same signature of the log; witnesses may be others.
    Same,
    /// No checkpoint at all.
    Incomplete,
    /// A checkpoint that this is not.
    Another,
}

fn compare(there: &str, note: &str) -> There {
    let (Ok(there), Ok(ours)) = (CheckpointText::parse(there), CheckpointText::parse(note)) else {
        return There::Incomplete;
    };
    let signed = ours.note().lines().first();
    let is_same =
        there.note().text() == ours.note().text() && signed.is_some_and(|line| there.note().lines().contains(line));
    if is_same { There::Same } else { There::Another }
}

fn storage(error: &io::Error) -> NotAnchored {
    NotAnchored::new(AnchorError::Storage, format!("the directory: {error}"))
}

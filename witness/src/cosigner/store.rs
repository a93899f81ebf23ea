//! Where a cosigner remembers: one file for each log, the newest checkpoint that it cosigned, as a signed note.
//!
//! ```text
//! <state dir>/lock                       held while the process runs
//! <state dir>/<sha256 of origin>         the note: the log's lines and this witness's
//! <state dir>/<sha256 of origin>.new     being written; of no meaning
//! ```
//!
//! Invariant: a file is replaced as a whole or not at all: written beside it, synced, renamed, the directory synced. A
//! file that this witness has not signed is refused, so damage is never taken for an older state.

use super::{Cosigned, origin_hash};
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use tlog::{CheckpointText, Cosignature, Seen, VerifierKey};

/// Why a state directory is not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process remembers there.
    #[error("{} is in use by another cosigner", .0.display())]
    InUse(PathBuf),
    /// A file is not as this witness writes it.
    #[error("{}: {reason}: restore the file; without it, this witness might cosign a fork", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Reading or writing failed.
    #[error("{action} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

/// A step of [`Store::write`], in order. At each one the process may die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The new file is about to be written.
    Write,
    /// It is about to be synced.
    Sync,
    /// It is about to take the old one's place.
    Rename,
    /// It has; that may not be durable.
    SyncDir,
    /// Everything is durable, nobody has heard of it.
    Done,
}

/// Makes steps fail in tests; in a product build every step succeeds.
pub(super) type Probe = Box<dyn Fn(Step) -> io::Result<()> + Send + Sync>;

pub(super) struct Store {
    dir: PathBuf,
    key: VerifierKey,
    probe: Probe,
    /// Freed when the process ends, however it ends.
    _lock: File,
}

impl Store {
    pub(super) fn open(dir: PathBuf, key: VerifierKey) -> Result<Self, OpenError> {
        create_durably(&dir)?;
        let path = dir.join("lock");
        let opened = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let lock = opened.map_err(failed("open", &path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse(dir)),
            Err(TryLockError::Error(source)) => return Err(failed("lock", &path)(source)),
        }
        Ok(Self {
            dir,
            key,
            probe: Box::new(|_| Ok(())),
            _lock: lock,
        })
    }

    #[cfg(test)]
    pub(super) fn probed(self, probe: Probe) -> Self {
        Self { probe, ..self }
    }

    /// The newest cosigned checkpoint of a log; `None` when there is none.
    pub(super) fn read(&self, origin: &str) -> Result<Option<Cosigned>, OpenError> {
        let path = self.file(origin);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(damaged(path, "it is not a text"));
            }
            Err(error) => return Err(failed("read", &path)(error)),
        };
        let checkpoint = match CheckpointText::parse(&text) {
            Ok(checkpoint) => checkpoint,
            Err(error) => return Err(damaged(path, error)),
        };
        if checkpoint.origin() != origin {
            return Err(damaged(path, "it is of another log"));
        }
        match Cosignature::find(checkpoint.note(), &self.key) {
            Ok(Some(_)) => {}
            Ok(None) => return Err(damaged(path, "this witness has not signed it")),
            Err(error) => return Err(damaged(path, error)),
        }
        let seen = Seen {
            size: checkpoint.size(),
            root: *checkpoint.root(),
        };
        Ok(Some(Cosigned { seen, text }))
    }

    /// Remembers `text` for a log, durably. After a failure the file is the old one or the new one.
    pub(super) fn write(&self, origin: &str, text: &str) -> io::Result<()> {
        let path = self.file(origin);
        let fresh = path.with_extension("new");
        // A crash up to the rename leaves the old state and a file of no meaning.
        (self.probe)(Step::Write)?;
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)?;
        file.write_all(text.as_bytes())?;
        (self.probe)(Step::Sync)?;
        file.sync_all()?;
        (self.probe)(Step::Rename)?;
        fs::rename(&fresh, &path)?;
        // A crash from here on leaves the old state or the new one. Neither lies: the cosignature has not left.
        (self.probe)(Step::SyncDir)?;
        self.sync()?;
        (self.probe)(Step::Done)
    }

    /// Makes the names in the directory durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }

    /// The same, when the directory is opened.
    pub(super) fn settle(&self) -> Result<(), OpenError> {
        self.sync().map_err(failed("sync", &self.dir))
    }

    fn file(&self, origin: &str) -> PathBuf {
        self.dir.join(origin_hash(origin))
    }
}

/// Creates the directory and those above it that are missing. Their names are durable before anything is remembered in
/// it: a state that goes with its directory would be a promise forgotten.
fn create_durably(dir: &Path) -> Result<(), OpenError> {
    let missing: Vec<&Path> = dir.ancestors().take_while(|above| !above.exists()).collect();
    let created = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    created.map_err(failed("create", dir))?;
    for parent in missing.into_iter().filter_map(Path::parent) {
        // Of a relative path, what is above the first name is where the process stands.
        let parent = if parent.as_os_str().is_empty() {
            Path::new(".")
        } else {
            parent
        };
        let synced = File::open(parent).and_then(|parent| parent.sync_all());
        synced.map_err(failed("sync", parent))?;
    }
    Ok(())
}

fn damaged(path: PathBuf, reason: impl ToString) -> OpenError {
    let reason = reason.to_string();
    OpenError::Damaged { path, reason }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Io { action, path, source }
}

//! Why a log cannot be created, opened or written. A failed request of a client is [`ledger_client::Error`].

use std::path::PathBuf;

/// A failure of the store or its files.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file operation failed.
    #[error("{action} {path}")]
    Io {
        /// What was tried, as the beginning of a sentence: `read`, `create`.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(String),
    /// Another process has the data directory.
    #[error("{path} is in use by process {pid}: stop it first")]
    InUse {
        /// The data directory.
        path: PathBuf,
        /// The other process, as its lock file says.
        pid: String,
    },
    /// There is no log in the directory.
    #[error("{0} holds no log: create one with `sigil init`")]
    Absent(PathBuf),
    /// There is something in the directory already.
    #[error("{0} exists already: a log is created in a directory of its own")]
    Exists(PathBuf),
    /// A restore was interrupted here.
    #[error("{0} holds an unfinished restore, not a log: run `sigil restore` again")]
    Unfinished(PathBuf),
    /// The key file is missing, has open permissions, or is malformed.
    #[error("the key {path} cannot be used: {detail}")]
    Key {
        /// The key file or the name of the source.
        path: String,
        /// What is wrong and what to do.
        detail: String,
    },
    /// The key does not open this log's keyring.
    #[error("this key does not open the log's keyring: it is the key of another log, or the keyring is damaged")]
    WrongKey,
    /// The log was written by a newer build.
    #[error("the log has format {found}, this build reads {known}: use a newer build")]
    FormatTooNew {
        /// What the log says.
        found: u64,
        /// What this build knows.
        known: u64,
    },
    /// The store ends before what HEAD, or a signed checkpoint, says was committed: records are missing.
    #[error("LOG_BEHIND: the store has {found} records and had {expected}: {detail}")]
    LogBehind {
        /// Records that HEAD knows to be committed.
        expected: u64,
        /// Records that the store gives.
        found: u64,
        /// What to do.
        detail: String,
    },
    /// Stored bytes are not what was written.
    #[error("{place} is damaged: {detail}")]
    Corrupt {
        /// The file, keyspace or range of offsets.
        place: String,
        /// What does not fit.
        detail: String,
    },
    /// A backup, or a part of it, is not what was written.
    #[error("backup: {part}: {detail}")]
    Backup {
        /// The part.
        part: String,
        /// What does not fit.
        detail: String,
    },
    /// Whoever asked for the work does not want it any more.
    #[error("cancelled")]
    Cancelled,
    /// The operating system gave no randomness.
    #[error("the operating system gives no randomness")]
    Entropy,
}

impl Error {
    /// An I/O error with its place.
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    pub(crate) fn corrupt(place: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Corrupt {
            place: place.into(),
            detail: detail.into(),
        }
    }

    pub(crate) fn backup(part: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Backup {
            part: part.into(),
            detail: detail.into(),
        }
    }

    /// What failed, for a client: with its cause, without paths of this machine.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Io { action, source, .. } => format!("{action}: {source}"),
            Self::InUse { .. } | Self::Absent(_) | Self::Exists(_) | Self::Unfinished(_) | Self::Key { .. } => {
                "the log cannot be opened again: the ledger's own log says why".to_owned()
            }
            other => other.to_string(),
        }
    }

    /// Whether the bytes on disk are at fault, so that a check of them has failed.
    #[must_use]
    pub const fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::LogBehind { .. } | Self::Corrupt { .. } | Self::Backup { .. } | Self::WrongKey
        )
    }
}

impl From<fjall::Error> for Error {
    fn from(error: fjall::Error) -> Self {
        match error {
            fjall::Error::Io(source) | fjall::Error::Storage(fjall::LsmError::Io(source)) => from_store_io(source),
            fjall::Error::Poisoned | fjall::Error::Locked | fjall::Error::KeyspaceDeleted => {
                Self::Store(format!("{error:?}"))
            }
            fjall::Error::JournalRecovery(fault) => Self::corrupt("a journal in fjall", format!("{fault:?}")),
            fjall::Error::Storage(fault) => Self::corrupt("a table in fjall", format!("{fault:?}")),
            other => Self::corrupt("fjall", format!("{other:?}")),
        }
    }
}

/// A file that ends too early or reads as nonsense is damage; everything else is the disk's answer.
fn from_store_io(source: std::io::Error) -> Error {
    use std::io::ErrorKind::{InvalidData, InvalidInput, NotFound, UnexpectedEof};
    match source.kind() {
        InvalidData | InvalidInput | NotFound | UnexpectedEof => Error::corrupt("fjall", source.to_string()),
        _ => Error::Io {
            action: "use the store in",
            path: "fjall".into(),
            source,
        },
    }
}

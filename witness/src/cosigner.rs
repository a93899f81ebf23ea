//! A witness: judges checkpoints, remembers, cosigns.
//!
//! ```text
//! add_checkpoint   parse -> know the log -> [ one at a time for each log: judge -> sign -> store, synced ] -> answer
//! ```
//!
//! Invariant: no cosignature leaves before its checkpoint is stored durably, and one log's requests are judged one after
//! another, so of any two cosigned checkpoints of a log one continues the other, whatever is killed when. What this cannot
//! see: somebody who puts an older copy of the state directory back, or removes a file from it. docs/adr/0030 says what
//! that means.

mod store;

use crate::CosignerKey;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use store::Store;
use tlog::{AddCheckpoint, Cosignature, Line, Note, Refusal, Seen, VerifierKey};

pub use store::OpenError;
#[cfg(test)]
use store::Probe;

/// Bytes of a request at most: 63 lines of proof and a checkpoint with some hundred lines.
const MAX_BODY: usize = 64 * 1_024;

/// What a cosigner is made of.
pub struct Config {
    /// What it signs with.
    pub key: CosignerKey,
    /// Checkpoint keys of the logs that it knows, each under the log's origin; several for one log while it changes its
    /// key.
    pub logs: Vec<VerifierKey>,
    /// Where it remembers. Created when it is not there.
    pub state_dir: PathBuf,
    /// Seconds since the Unix epoch.
    pub clock: Box<dyn Fn() -> u64 + Send + Sync>,
}

/// An answer, with the status and the media type of tlog-witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub media_type: &'static str,
    /// Cosignature lines, a size, or a sentence.
    pub body: String,
}

/// Why a request is not granted.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// No add-checkpoint request.
    #[error("{0}")]
    Malformed(tlog::Error),
    /// Not UTF-8, or too long.
    #[error("the request is no UTF-8 text of at most 65536 bytes")]
    NotText,
    /// A log that this witness does not know.
    #[error("this witness does not know the log")]
    UnknownLog,
    /// The log is known, the checkpoint is not cosigned.
    #[error(transparent)]
    Judged(#[from] Refusal),
    /// What has to be remembered was not stored: nothing was cosigned.
    #[error("the witness cannot keep its state")]
    State(#[source] std::io::Error),
}

/// A witness.
pub struct Cosigner {
    key: CosignerKey,
    logs: BTreeMap<String, Known>,
    store: Store,
    clock: Box<dyn Fn() -> u64 + Send + Sync>,
}

/// What is known of one log.
struct Known {
    keys: Vec<VerifierKey>,
    /// Held from the judgement to the stored state: two requests never see the same past.
    memory: Mutex<Memory>,
}

/// The newest cosigned checkpoint of one log.
enum Memory {
    /// None yet, or this one.
    Sure(Option<Cosigned>),
    /// Storing one failed half-way: the file says what is remembered.
    Unsure,
}

/// A cosigned checkpoint as it is stored: the log's own lines and ours, nobody else's.
#[derive(Clone)]
pub(crate) struct Cosigned {
    seen: Seen,
    text: String,
}

impl Cosigner {
    /// Opens the state directory.
    ///
    /// # Errors
    /// Another process has it, a file in it is not as this witness writes it, or an I/O error.
    pub fn open(config: Config) -> Result<Self, OpenError> {
        Self::open_with(config, Store::open)
    }

    #[cfg(test)]
    fn open_probed(config: Config, probe: Probe) -> Result<Self, OpenError> {
        Self::open_with(config, |dir, key| Ok(Store::open(dir, key)?.probed(probe)))
    }

    fn open_with(
        config: Config,
        open: impl FnOnce(PathBuf, VerifierKey) -> Result<Store, OpenError>,
    ) -> Result<Self, OpenError> {
        let Config {
            key,
            logs,
            state_dir,
            clock,
        } = config;
        let store = open(state_dir, key.public().clone())?;
        let mut known: BTreeMap<String, Known> = BTreeMap::new();
        for log in logs {
            if let Some(known) = known.get_mut(log.name()) {
                known.keys.push(log);
                continue;
            }
            let memory = Memory::Sure(store.read(log.name())?);
            let (name, memory) = (log.name().to_owned(), Mutex::new(memory));
            let keys = vec![log];
            known.insert(name, Known { keys, memory });
        }
        // A process that died between a rename and its sync has left a state that only looks durable.
        store.settle()?;
        Ok(Self {
            key,
            logs: known,
            store,
            clock,
        })
    }

    /// The key that it signs with, as a policy names it.
    pub const fn public(&self) -> &VerifierKey {
        self.key.public()
    }

    /// The origins of the logs that it knows.
    pub fn origins(&self) -> impl Iterator<Item = &str> {
        self.logs.keys().map(String::as_str)
    }

    /// Answers `POST <submission prefix>/add-checkpoint`. Writes and syncs a file: not for the thread of a runtime.
    pub fn add_checkpoint(&self, body: &[u8]) -> Reply {
        match self.cosign(body) {
            Ok(line) => Reply {
                status: 200,
                media_type: TEXT,
                body: line.to_text(),
            },
            Err(refused) => refused.reply(),
        }
    }

    /// Cosigns the checkpoint in an add-checkpoint request.
    ///
    /// # Errors
    /// [`Refused`]: nothing was signed.
    pub fn cosign(&self, body: &[u8]) -> Result<Line, Refused> {
        let text = Some(body).filter(|body| body.len() <= MAX_BODY);
        let text = text.and_then(|body| std::str::from_utf8(body).ok());
        let request = AddCheckpoint::parse(text.ok_or(Refused::NotText)?).map_err(Refused::Malformed)?;
        let origin = request.checkpoint.origin().to_owned();
        let log = self.logs.get(&origin).ok_or(Refused::UnknownLog)?;
        let mut memory = log.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.remembered(&origin, &mut memory)?;
        let before = before.as_ref().map(|cosigned| cosigned.seen);
        let checkpoint = request.judge(&origin, &log.keys, before.as_ref())?;
        let seen = Seen {
            size: checkpoint.size(),
            root: *checkpoint.root(),
        };
        let line = Cosignature::sign(checkpoint.note(), (self.clock)(), self.key.public(), self.key.secret())
            .map_err(Refused::Malformed)?;
        let text = cosigned_text(checkpoint.note(), &log.keys, &line);
        // Crash before this: nothing was promised. Crash after it: the promise is kept, and whoever asks again with the old
        // size hears the new one (409).
        if before != Some(seen) {
            *memory = Memory::Unsure;
            self.store.write(&origin, &text).map_err(Refused::State)?;
        }
        *memory = Memory::Sure(Some(Cosigned { seen, text }));
        Ok(line)
    }

    /// Answers `GET <monitoring prefix>/<hash>/checkpoint`: the newest cosigned checkpoint of the log whose origin has this
    /// SHA-256, in lower-case hex.
    pub fn checkpoint(&self, hash: &str) -> Option<String> {
        let (_, log) = self.logs.iter().find(|(origin, _)| origin_hash(origin) == hash)?;
        match &*log.memory.lock().unwrap_or_else(PoisonError::into_inner) {
            Memory::Sure(Some(cosigned)) => Some(cosigned.text.clone()),
            Memory::Sure(None) | Memory::Unsure => None,
        }
    }

    /// What is remembered; read again where that is not sure.
    fn remembered(&self, origin: &str, memory: &mut Memory) -> Result<Option<Cosigned>, Refused> {
        if matches!(memory, Memory::Unsure) {
            let read = self.store.read(origin).map_err(|error| match error {
                OpenError::Io { source, .. } => Refused::State(source),
                error => Refused::State(std::io::Error::other(error)),
            })?;
            // Durable before it is built on: the directory may not have been synced.
            self.store.sync().map_err(Refused::State)?;
            *memory = Memory::Sure(read);
        }
        match memory {
            Memory::Sure(known) => Ok(known.clone()),
            Memory::Unsure => Err(Refused::State(std::io::Error::other("the state is not sure"))),
        }
    }
}

impl std::fmt::Debug for Cosigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cosigner")
            .field("key", &self.key)
            .field("logs", &self.logs.len())
            .finish_non_exhaustive()
    }
}

const TEXT: &str = "text/plain; charset=utf-8";
const SIZE: &str = "text/x.tlog.size";

impl Refused {
    fn reply(&self) -> Reply {
        let (status, media_type, body) = match self {
            // The body is the size alone, for the client to go on from.
            Self::Judged(Refusal::Stale { size }) => (409, SIZE, format!("{size}\n")),
            Self::Judged(refusal) => (refusal.status(), TEXT, format!("{refusal}\n")),
            Self::Malformed(_) | Self::NotText => (400, TEXT, format!("{self}\n")),
            Self::UnknownLog => (404, TEXT, format!("{self}\n")),
            Self::State(source) => {
                tracing::error!(error = %source, "a checkpoint was not cosigned: the state cannot be kept");
                (500, TEXT, format!("{self}\n"))
            }
        };
        Reply {
            status,
            media_type,
            body,
        }
    }
}

/// What a log is called in the path of its monitoring address, and in the state directory.
#[must_use]
pub fn origin_hash(origin: &str) -> String {
    hex::encode(Sha256::digest(origin.as_bytes()))
}

/// The note with one line of each of the log's own keys and ours: what others have put under it is not ours to keep, and a
/// log that signs many times would make a note that is too long to be read again.
fn cosigned_text(note: &Note, keys: &[VerifierKey], ours: &Line) -> String {
    let mut text = format!("{}\n", note.text());
    let by_log = keys.iter().filter_map(|key| {
        let is_its = |line: &&Line| key.id() == line.id() && key.name() == line.name();
        note.lines().iter().find(is_its)
    });
    for line in by_log.chain([ours]) {
        // Writing to a String does not fail.
        let _ok = write!(text, "{}", line.to_text());
    }
    text
}

#[cfg(test)]
mod tests;

//! Signed checkpoints: a tree head of this log, signed with the checkpoint key in force, kept, and announced.
//!
//! Invariant: whatever was announced is durable, and everything that is signed continues it. So a checkpoint is signed only
//! when the store proves that its tree is the announced one continued, and a log is opened only when it holds all that it
//! has signed. Crash points, in order:
//! 1. before the checkpoint's batch: nobody has seen it; another one is signed after the start.
//! 2. after the batch, before it is announced: it is the newest one after the start, and the next one continues it.

mod candidate;
mod config;
mod cosign;
pub(crate) mod kept;
mod keys;
mod publisher;

pub(crate) use candidate::Candidate;
pub use config::CheckpointConfig;
pub(crate) use keys::{verify_any, verify_at};
pub(crate) use publisher::Publisher;

use crate::Error;
use crate::engine::Shared;
use crate::proofs::LogTree;
use kept::Thinned;
use ledger_client::proof::SignedCheckpoint;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tlog::CheckpointText;
use tokio::sync::watch;

/// Who waits for checkpoints hears of them here. Outlives an engine that fails.
#[derive(Clone)]
pub(crate) struct Announced {
    /// The newest checkpoint.
    pub(crate) newest: watch::Sender<Option<Arc<SignedCheckpoint>>>,
    /// The newest one that a quorum of witnesses has cosigned.
    pub(crate) witnessed: watch::Sender<Option<Arc<SignedCheckpoint>>>,
}

impl Announced {
    /// Nothing yet.
    pub(crate) fn nothing() -> Self {
        Self {
            newest: watch::channel(None).0,
            witnessed: watch::channel(None).0,
        }
    }

    /// Tells of a checkpoint, new or with more cosignatures. Never goes back to a smaller one.
    fn tell(&self, checkpoint: &Arc<SignedCheckpoint>) {
        let tell = |to: &watch::Sender<Option<Arc<SignedCheckpoint>>>| {
            to.send_if_modified(|told| {
                let later = told.as_ref().is_none_or(|told| told.size <= checkpoint.size);
                if later {
                    *told = Some(Arc::clone(checkpoint));
                }
                later
            });
        };
        tell(&self.newest);
        if checkpoint.witnessed == Some(true) {
            tell(&self.witnessed);
        }
    }
}

/// What writes checkpoints, one writer at a time.
pub(crate) struct Checkpoints {
    announced: Announced,
    writing: Mutex<Thinned>,
}

impl Checkpoints {
    pub(crate) fn new(announced: Announced) -> Self {
        Self {
            announced,
            writing: Mutex::new(Thinned::default()),
        }
    }

    fn write(&self) -> MutexGuard<'_, Thinned> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn newest(&self) -> Option<Arc<SignedCheckpoint>> {
        self.announced.newest.borrow().clone()
    }
}

/// Holds a log that is being opened against every checkpoint that it may have signed: the newest kept one, the one that
/// was announced before its engine failed, and those that were found elsewhere. Then tells of the newest.
pub(crate) fn hold_against_signed(shared: &Shared) -> Result<(), Error> {
    let announced = &shared.checkpoints.announced;
    let told = announced.newest.borrow().clone();
    let kept = kept::newest(&shared.store)?.map(Arc::new);
    for checkpoint in [kept.as_ref(), told.as_ref()].into_iter().flatten() {
        continues(shared, &read(checkpoint)?)?;
    }
    let known = shared.config.checkpoints.as_ref().map(|config| config.known.as_slice());
    for note in known.unwrap_or_default() {
        // A directory may hold several logs' checkpoints.
        if CheckpointText::parse(note).is_ok_and(|text| text.origin() != shared.preparer.log.as_str()) {
            continue;
        }
        match keys::verify(shared, note) {
            Some(checkpoint) => continues(shared, &checkpoint)?,
            // Unsigned evidence raises an alarm; it does not keep a log from opening.
            None => tracing::error!("a checkpoint that was kept elsewhere is not signed by a key of this log"),
        }
    }
    if let Some(kept) = kept {
        announced.tell(&kept);
    }
    if let Some(witnessed) = newest_witnessed(shared)? {
        announced.tell(&witnessed);
    }
    Ok(())
}

/// The newest witnessed checkpoint among the last ones; older ones are of no use to anybody who waits.
fn newest_witnessed(shared: &Shared) -> Result<Option<Arc<SignedCheckpoint>>, Error> {
    const LOOKED_AT: usize = 1_024;
    let recent = kept::newest_first(&shared.store, None).take(LOOKED_AT);
    for checkpoint in recent {
        let checkpoint = checkpoint?;
        if checkpoint.witnessed == Some(true) {
            return Ok(Some(Arc::new(checkpoint)));
        }
    }
    Ok(None)
}

/// Whether the log continues a checkpoint.
fn continues(shared: &Shared, checkpoint: &CheckpointText) -> Result<(), Error> {
    let (expected, found) = (checkpoint.size(), shared.committed_size());
    if expected > found {
        let detail =
            "it has signed a checkpoint of records that are missing: the directory is an older copy, or was cut. \
                      Bring the records back with sigil restore, from a newer backup or from the stream"
                .to_owned();
        return Err(Error::LogBehind {
            expected,
            found,
            detail,
        });
    }
    if LogTree(shared).root(expected)? == *checkpoint.root() {
        return Ok(());
    }
    let detail = format!("its first {expected} records are not those of the checkpoint that it signed");
    Err(Error::corrupt("the log tree", detail))
}

/// The tree head of a checkpoint of our own.
fn read(checkpoint: &SignedCheckpoint) -> Result<CheckpointText, Error> {
    let read = CheckpointText::parse(&checkpoint.note).ok();
    read.filter(|read| read.size() == checkpoint.size).ok_or_else(|| {
        let place = format!("the checkpoint of {} records", checkpoint.size);
        Error::corrupt(place, "its note does not read")
    })
}

#[cfg(test)]
pub(crate) mod tests;

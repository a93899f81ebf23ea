//! The checkpoints of a backup, held against the log that is restored from it.
//!
//! Invariant: one is taken over only when the tree that was computed anew has its root at its size, the record before is
//! the map root that it names, and the checkpoint key in force there has signed it. Anything else refuses the backup: a
//! checkpoint that does not fit was signed for another history, and somebody may have seen it.
//!
//! Not here: whether its witnesses are a quorum. That is judged by a policy, whenever one is given.

use crate::Error;
use crate::access::checkpoint_keys;
use crate::backup::manifest::{self, Kind, Manifest};
use crate::backup::part;
use crate::checkpoint::{kept, verify_at};
use domain::State;
use domain::state::Body;
use ledger_client::proof::SignedCheckpoint;
use record::{Origin, Record};
use std::collections::VecDeque;
use std::path::Path;
use tlog::{CheckpointText, Node};

/// A checkpoint with the part that it was read from.
struct Copied {
    part: String,
    checkpoint: SignedCheckpoint,
    text: CheckpointText,
}

/// See the module. The default holds none, as a restore without a backup.
#[derive(Default)]
pub(super) struct Checkpoints {
    /// Those whose size the log has not reached, smallest first.
    waiting: VecDeque<Copied>,
    /// Those whose tree is the log's.
    fit: Vec<Copied>,
}

impl Checkpoints {
    /// Reads what a backup has; nothing of it is believed yet.
    ///
    /// # Errors
    /// [`Error::Backup`] naming the part, or the manifest when it names another number of them.
    pub(super) fn read(dir: &Path, manifest: &Manifest) -> Result<Self, Error> {
        let mut waiting: VecDeque<Copied> = VecDeque::new();
        for entry in manifest.of(Kind::Checkpoints) {
            let bytes = part::read(dir, entry)?;
            for frame in part::frames(&bytes, Kind::Checkpoints.key_bytes()) {
                let frame = frame.ok_or_else(|| part::cut(entry))?;
                let copied = read(&entry.name, frame.key, frame.value)?;
                if waiting
                    .back()
                    .is_some_and(|last| last.text.size() >= copied.text.size())
                {
                    return Err(Error::backup(&entry.name, "its checkpoints are not in order"));
                }
                waiting.push_back(copied);
            }
        }
        if waiting.len() as u64 != manifest.checkpoints {
            let detail = format!(
                "its parts have {} checkpoints, it names {}",
                waiting.len(),
                manifest.checkpoints
            );
            return Err(Error::backup(manifest::FILE, detail));
        }
        Ok(Self {
            waiting,
            fit: Vec::new(),
        })
    }

    /// Whether the next one is of this size.
    pub(super) fn is_due(&self, size: u64) -> bool {
        self.waiting.front().is_some_and(|copied| copied.text.size() == size)
    }

    /// Compares the one that is due with the tree behind the record `last`.
    ///
    /// # Errors
    /// [`Error::Backup`] naming the part.
    pub(super) fn compare(&mut self, root: &Node, last: &Record) -> Result<(), Error> {
        let Some(copied) = self.waiting.pop_front() else {
            return Ok(());
        };
        if copied.text.root() != root {
            return Err(copied.wrong("is of another history than the records"));
        }
        let map_size = match Body::of(last) {
            Ok(Body::MapRoot(map)) => Some(map.size),
            _ => None,
        };
        if map_size != Some(copied.checkpoint.map_size) {
            return Err(copied.wrong("does not end in the map root that it names"));
        }
        self.fit.push(copied);
        Ok(())
    }

    /// All of them, when each was compared and is signed by the log whose records led to `state`.
    ///
    /// # Errors
    /// [`Error::Backup`] naming the part.
    pub(super) fn finish(&mut self, log: &Origin, state: &State) -> Result<Vec<SignedCheckpoint>, Error> {
        if let Some(copied) = self.waiting.front() {
            return Err(copied.wrong("has a size that the records do not have"));
        }
        let keys = checkpoint_keys(state).unwrap_or_default();
        let signed = |copied: Copied| {
            if verify_at(log, &keys, &copied.text) {
                Ok(copied.checkpoint)
            } else {
                Err(copied.wrong("is not signed by the log's checkpoint key of that time"))
            }
        };
        std::mem::take(&mut self.fit).into_iter().map(signed).collect()
    }
}

impl Copied {
    fn wrong(&self, what: &str) -> Error {
        Error::backup(
            &self.part,
            format!("the checkpoint of {} records {what}", self.text.size()),
        )
    }
}

fn read(part: &str, key: &[u8], value: &[u8]) -> Result<Copied, Error> {
    let size = key.try_into().map_or(0, u64::from_be_bytes);
    let wrong = |detail: String| Error::backup(part, format!("the checkpoint of {size} records: {detail}"));
    let checkpoint = kept::decode(size, value).map_err(|error| wrong(error.to_string()))?;
    let text = CheckpointText::parse(&checkpoint.note).map_err(|error| wrong(error.to_string()))?;
    if text.size() != size {
        return Err(wrong("its note names another size".to_owned()));
    }
    Ok(Copied {
        part: part.to_owned(),
        checkpoint,
        text,
    })
}

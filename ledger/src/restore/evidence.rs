//! What is known of the log beside the copy that is restored: a HEAD that survived, records and checkpoints that the log
//! signed.
//!
//! A log that goes on behind such evidence would give offsets again that somebody has seen. So it is refused with
//! `LOG_BEHIND`, and one that disagrees with the evidence is another log. What is not signed by the log is no evidence.

use crate::checkpoint::verify_any;
use crate::{Error, head};
use record::{Hash, PublicKey, Record};
use std::path::Path;
use tlog::{CheckpointText, Node};

/// What is known to have been committed.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    head: Option<(u64, Hash)>,
    records: Vec<Record>,
    checkpoints: Vec<CheckpointText>,
    ignored: Vec<String>,
}

impl Evidence {
    /// Adds the HEAD file of the lost log.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when it does not read: then nothing is known.
    pub fn head_file(&mut self, path: &Path) -> Result<(), Error> {
        let damaged = || Error::corrupt(path.display().to_string(), "it is missing or both slots are invalid");
        let slot = head::read(path)?.ok_or_else(damaged)?;
        self.head = Some((slot.size, slot.hash));
        Ok(())
    }

    /// Adds the canonical bytes of a record that somebody has.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when they are no record.
    pub fn record(&mut self, place: &str, bytes: &[u8]) -> Result<(), Error> {
        let record = Record::parse(bytes.to_vec()).map_err(|fault| Error::corrupt(place, fault.to_string()))?;
        self.records.push(record);
        Ok(())
    }

    /// Adds a checkpoint that somebody has: a signed note.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when it is none.
    pub fn checkpoint(&mut self, place: &str, note: &str) -> Result<(), Error> {
        let text = CheckpointText::parse(note).map_err(|error| Error::corrupt(place, error.to_string()))?;
        self.checkpoints.push(text);
        Ok(())
    }

    /// Number of records that the surviving HEAD names.
    #[must_use]
    pub fn head_size(&self) -> Option<u64> {
        self.head.map(|(size, _)| size)
    }

    /// Sentences about what was given and is no evidence, such as a record of another log.
    #[must_use]
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// Holds a log of `size` records, signed by these keys, against everything known.
    ///
    /// # Errors
    /// [`Error::LogBehind`] for what the log does not have, [`Error::Corrupt`] for what it has otherwise.
    pub(super) fn compare(
        &mut self,
        log: &record::Origin,
        size: u64,
        keys: &[PublicKey],
        mut hash_at: impl FnMut(u64) -> Result<Hash, Error>,
    ) -> Result<(), Error> {
        let mut known: Vec<(u64, Hash, &str)> = Vec::new();
        if let Some((head, hash)) = self.head {
            known.extend(head.checked_sub(1).map(|last| (last, hash, "HEAD")));
        }
        for record in &self.records {
            let signed = keys.contains(&record.pub_key) && record.verify_signature(&record.pub_key).is_ok();
            if record.log == *log && signed {
                known.push((record.offset, record.hash, "a record that the log signed"));
            } else {
                self.ignored.push(format!(
                    "the record of offset {} is of another log, or not signed by a key that this log names",
                    record.offset
                ));
            }
        }
        for (offset, hash, what) in known {
            if offset >= size {
                return Err(behind(size, offset, what));
            }
            if hash_at(offset)? != hash {
                let detail = format!(
                    "{what} has another record here: this is a copy of another log, or one of the two was forged"
                );
                return Err(Error::corrupt(format!("the record at offset {offset}"), detail));
            }
        }
        Ok(())
    }
}

impl Evidence {
    /// Holds a log of `size` records, whose checkpoints are signed by these keys, against every checkpoint known.
    ///
    /// # Errors
    /// [`Error::LogBehind`] for one of more records, [`Error::Corrupt`] for one of another history.
    pub(super) fn compare_checkpoints(
        &mut self,
        log: &record::Origin,
        size: u64,
        keys: &[(u64, PublicKey)],
        root_at: impl Fn(u64) -> Result<Node, Error>,
    ) -> Result<(), Error> {
        for checkpoint in &self.checkpoints {
            let covered = checkpoint.size();
            if !verify_any(log, keys, checkpoint) {
                self.ignored.push(format!(
                    "the checkpoint of {covered} records is of another log, or not signed by a key that this log names"
                ));
                continue;
            }
            if let Some(last) = covered.checked_sub(1).filter(|_| covered > size) {
                return Err(behind(size, last, "a checkpoint that the log signed"));
            }
            if root_at(covered)? != *checkpoint.root() {
                let detail = "a checkpoint that the log signed has other records: this is a copy of another log, or one of \
                    the two was forged";
                return Err(Error::corrupt(format!("the log up to offset {covered}"), detail));
            }
        }
        Ok(())
    }
}

fn behind(found: u64, offset: u64, what: &str) -> Error {
    Error::LogBehind {
        expected: offset + 1,
        found,
        detail: format!(
            "{what} shows that more was committed; bring the missing records with `sigil restore --from-stream`, \
             or restore a newer backup"
        ),
    }
}

//! The consumer: fetches records, checks them and projects them, one batch ahead of whoever applies the changes.
//!
//! Checking runs on a blocking thread, because a batch takes milliseconds of CPU. A consumer is used by value: one that
//! failed is gone, and the next begins from what was applied.

use crate::{Change, Checked, Checker, Error, Source};
use std::sync::Arc;

/// Records gathered for one batch while the log's end is far.
const BATCH_RECORDS: usize = 1_024;
/// Bytes after which a batch is closed.
const BATCH_BYTES: usize = 4 << 20;

/// A checker fed by a source.
pub struct Consumer<'a> {
    source: &'a mut dyn Source,
    checker: Checker,
    /// Records known to be in the log: up to here, waiting for a fuller batch is short.
    head: u64,
}

/// What a run of records changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Offset of the first record.
    pub from: u64,
    /// Offset after the last record.
    pub until: u64,
    /// In the order of the records.
    pub changes: Vec<Change>,
}

impl<'a> Consumer<'a> {
    /// A consumer that goes on where `checker` stands.
    ///
    /// # Errors
    /// [`Error::LogBehind`] when the log ends before that, [`Error::Source`].
    pub async fn new(source: &'a mut dyn Source, checker: Checker) -> Result<Self, Error> {
        let (position, head) = (checker.position(), source.head().await?);
        if position > head {
            return Err(Error::LogBehind { position, head });
        }
        Ok(Self { source, checker, head })
    }

    /// Number of records consumed.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.checker.position()
    }

    /// Number of records that the log is known to have.
    #[must_use]
    pub const fn head(&self) -> u64 {
        self.head
    }

    /// The checker behind the last batch.
    #[must_use]
    pub fn into_checker(self) -> Checker {
        self.checker
    }

    /// Asks the source again how long the log is.
    ///
    /// # Errors
    /// [`Error::Source`].
    pub async fn refresh_head(&mut self) -> Result<u64, Error> {
        self.head = self.source.head().await?.max(self.head);
        Ok(self.head)
    }

    /// The next batch; waits while the log has none.
    ///
    /// # Errors
    /// [`Error::Source`], and everything of [`Checker::check`].
    pub async fn next(mut self) -> Result<(Self, Batch), Error> {
        let records = self.fetch().await?;
        let from = self.checker.position();
        // A refusal consumes the checker, so who may ask somebody else keeps it.
        let kept = self.source.fallback().is_some().then(|| self.checker.clone());
        let (checker, changes) = match (check(self.checker, records).await, kept) {
            (Err(error), Some(kept)) if error.is_refusal() => {
                tracing::warn!(%error, "the source is not believed: its records are asked of its fallback");
                check(kept, again(self.source, from).await?).await?
            }
            (checked, _) => checked?,
        };
        let until = checker.position();
        Ok((Self { checker, ..self }, Batch { from, until, changes }))
    }

    async fn fetch(&mut self) -> Result<Vec<Arc<[u8]>>, Error> {
        let mut records: Vec<Arc<[u8]>> = Vec::new();
        let mut bytes = 0;
        loop {
            let next = self.checker.position() + records.len() as u64;
            let fetched = self.source.next(next).await?;
            if fetched.is_empty() {
                return Err(Error::Source(format!("it gave no record at offset {next}")));
            }
            bytes += fetched.iter().map(|record| record.len()).sum::<usize>();
            records.extend(fetched);
            let end = self.checker.position() + records.len() as u64;
            if end >= self.head || records.len() >= BATCH_RECORDS || bytes >= BATCH_BYTES {
                return Ok(records);
            }
        }
    }
}

/// Checks records on a thread that may be busy.
async fn check(checker: Checker, records: Vec<Arc<[u8]>>) -> Result<(Checker, Vec<Change>), Error> {
    let checked = tokio::task::spawn_blocking(move || {
        let (checker, records) = checker.check(&records)?;
        let changes: Vec<Change> = records.iter().flat_map(Checked::changes).collect();
        Ok((checker, changes))
    });
    let abandoned = |error| Error::Source(format!("the check of records was abandoned: {error}"));
    checked.await.map_err(abandoned)?
}

/// The records from `from` on, from whoever the source itself believes.
async fn again(source: &mut dyn Source, from: u64) -> Result<Vec<Arc<[u8]>>, Error> {
    match source.fallback() {
        Some(fallback) => fallback.next(from).await,
        None => source.next(from).await,
    }
}

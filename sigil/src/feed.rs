//! The in-process feed: a ledger's committed records as a projector's source.

use ledger_client::LedgerClient;
use projector::query::Pending;
use projector::{Error, Source};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Records of one read at most.
const READ: usize = 1_024;

/// Under load, at most so many reads a second: 40. Larger batches cost far less per record, in signatures checked at once
/// and in transactions; a record that comes alone is handed on at once.
const PACE: Duration = Duration::from_millis(25);

/// Reads a ledger and waits for its commits.
pub struct Feed {
    ledger: Arc<dyn LedgerClient>,
    last: Option<Instant>,
}

impl Feed {
    /// The feed of `ledger`.
    pub const fn new(ledger: Arc<dyn LedgerClient>) -> Self {
        Self { ledger, last: None }
    }
}

impl Source for Feed {
    fn next(&mut self, from: u64) -> Pending<'_, Vec<Arc<[u8]>>> {
        Box::pin(async move {
            let mut committed = self.ledger.committed();
            let closed = |_| Error::Source("the ledger is closed".to_owned());
            committed.wait_for(|size| *size > from).await.map_err(closed)?;
            if let Some(last) = self.last {
                let full = committed.wait_for(|size| *size >= from + READ as u64);
                let until = last + PACE;
                // Either enough for a full read, or the time is up; a closed ledger shows in the read.
                let _either = tokio::time::timeout_at(until.into(), full).await;
            }
            self.last = Some(Instant::now());
            let records = self.ledger.read(from, READ).await.map_err(failed)?;
            if records.is_empty() {
                return Err(Error::Source(format!("the ledger has no record at offset {from}")));
            }
            Ok(records.into_iter().map(|record| record.bytes).collect())
        })
    }

    fn head(&mut self) -> Pending<'_, u64> {
        Box::pin(async move { Ok(self.ledger.head().await.map_err(failed)?.size) })
    }
}

fn failed(error: ledger_client::Error) -> Error {
    Error::Source(error.to_string())
}

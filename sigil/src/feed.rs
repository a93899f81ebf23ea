//! The in-process feed: a ledger's committed records as a projector's source.

use ledger_client::LedgerClient;
use projector::query::Pending;
use projector::{Error, Source};
use std::sync::Arc;

/// Records of one read at most.
const READ: usize = 1_024;

/// Reads a ledger and waits for its commits.
pub struct Feed {
    ledger: Arc<dyn LedgerClient>,
}

impl Feed {
    /// The feed of `ledger`.
    pub const fn new(ledger: Arc<dyn LedgerClient>) -> Self {
        Self { ledger }
    }
}

impl Source for Feed {
    fn next(&mut self, from: u64) -> Pending<'_, Vec<Arc<[u8]>>> {
        Box::pin(async move {
            let mut committed = self.ledger.committed();
            let closed = |_| Error::Source("the ledger is closed".to_owned());
            committed.wait_for(|size| *size > from).await.map_err(closed)?;
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

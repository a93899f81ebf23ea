//! A ledger whose writes are answered only when a quorum of witnesses has cosigned a checkpoint that covers them.
//!
//! The record is durable before the wait begins and stays so when the wait ends without a quorum: the caller hears where it
//! is stored and that it is not witnessed, and the same record sent again waits again. Whatever fails behind the commit is
//! told so, never as a write that did not happen.

use crate::config::Witnesses;
use ledger_client::proof::{Answer, Question};
use ledger_client::{Append, Committed, Error, Head, LedgerClient, Pending, Receipt, Report};
use record::{NewRecord, Opening, RecordId, Tenant};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// The ledger behind it, with that wait.
pub struct Required {
    ledger: Arc<dyn LedgerClient>,
    wait: Duration,
}

impl Required {
    /// `ledger` as the configuration wants it.
    pub fn around(ledger: Arc<dyn LedgerClient>, witnesses: &Witnesses) -> Arc<dyn LedgerClient> {
        if witnesses.required {
            let wait = Duration::from_millis(witnesses.required_wait_ms);
            Arc::new(Self { ledger, wait })
        } else {
            ledger
        }
    }

    /// Waits until the first `size` records are covered; gives how many of the log's records are.
    async fn witnessed(&self, size: u64) -> u64 {
        let question = Question::Checkpoint {
            covering: size,
            witnessed: true,
            wait_ms: u64::try_from(self.wait.as_millis()).unwrap_or(u64::MAX),
        };
        match self.ledger.prove(question).await {
            Ok(Answer::Checkpoint(Some(checkpoint))) if checkpoint.witnessed == Some(true) => checkpoint.size,
            _ => 0,
        }
    }

    async fn after(&self, receipt: Result<Receipt, Error>) -> Result<Receipt, Error> {
        let receipt = receipt?;
        let covered = self.witnessed(receipt.committed.offset + 1).await;
        judge(receipt, covered)
    }
}

/// The receipt, when the quorum covers its record.
fn judge(receipt: Receipt, covered: u64) -> Result<Receipt, Error> {
    let offset = receipt.committed.offset;
    if offset < covered {
        Ok(receipt)
    } else {
        Err(Error::Unwitnessed { id: receipt.id, offset })
    }
}

impl LedgerClient for Required {
    fn append(&self, append: Append) -> Pending<'_, Receipt> {
        Box::pin(async move { self.after(self.ledger.append(append).await).await })
    }

    fn append_many(&self, records: Vec<NewRecord>) -> Pending<'_, Vec<Result<Receipt, Error>>> {
        Box::pin(async move {
            let receipts = self.ledger.append_many(records).await?;
            let written = receipts.iter().filter_map(|receipt| receipt.as_ref().ok());
            // One checkpoint that covers the last one covers all.
            let last = written.map(|receipt| receipt.committed.offset).max();
            let covered = match last {
                Some(last) => self.witnessed(last + 1).await,
                None => 0,
            };
            let judged = receipts.into_iter().map(|receipt| judge(receipt?, covered));
            Ok(judged.collect())
        })
    }

    fn create_tenant(&self, tenant: Tenant, name: String) -> Pending<'_, Receipt> {
        Box::pin(async move { self.after(self.ledger.create_tenant(tenant, name).await).await })
    }

    /// What this process reports of itself waits for nobody.
    fn report(&self, report: Report) -> Pending<'_, Receipt> {
        self.ledger.report(report)
    }

    fn head(&self) -> Pending<'_, Head> {
        self.ledger.head()
    }

    fn read(&self, from: u64, limit: usize) -> Pending<'_, Vec<Committed>> {
        self.ledger.read(from, limit)
    }

    fn find(&self, tenant: Tenant, id: RecordId) -> Pending<'_, Option<Committed>> {
        self.ledger.find(tenant, id)
    }

    fn open_sealed(&self, tenant: Tenant, id: RecordId) -> Pending<'_, Option<Vec<Opening>>> {
        self.ledger.open_sealed(tenant, id)
    }

    fn prove(&self, question: Question) -> Pending<'_, Answer> {
        self.ledger.prove(question)
    }

    fn committed(&self) -> watch::Receiver<u64> {
        self.ledger.committed()
    }
}

//! A ledger whose writes are answered only when a quorum of witnesses has cosigned a checkpoint that covers them.
//!
//! The record is durable before the wait begins and stays so when the wait ends without a quorum: the caller hears that it
//! may be stored, and the same record sent again waits again.

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

    /// Waits until the first `size` records are covered.
    async fn witnessed(&self, size: u64, id: RecordId) -> Result<(), Error> {
        let question = Question::Checkpoint {
            covering: size,
            witnessed: true,
            wait_ms: u64::try_from(self.wait.as_millis()).unwrap_or(u64::MAX),
        };
        match self.ledger.prove(question).await? {
            Answer::Checkpoint(Some(checkpoint)) if checkpoint.size >= size && checkpoint.witnessed == Some(true) => {
                Ok(())
            }
            _ => Err(Error::CommitUnknown {
                id,
                reason: "it is stored, but no quorum of witnesses has cosigned it in time".to_owned(),
            }),
        }
    }

    async fn after(&self, receipt: Result<Receipt, Error>) -> Result<Receipt, Error> {
        let receipt = receipt?;
        self.witnessed(receipt.committed.offset + 1, receipt.id).await?;
        Ok(receipt)
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
            let last = written.max_by_key(|receipt| receipt.committed.offset);
            if let Some(last) = last {
                self.witnessed(last.committed.offset + 1, last.id).await?;
            }
            Ok(receipts)
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

//! A ledger that is not reached yet: until it is, every request fails as unavailable, and nothing was stored.
//!
//! So a gateway listens and answers whatever starts first.

use ledger_client::proof::{Answer, Question};
use ledger_client::{Append, Committed, Error, Head, LedgerClient, Pending, Receipt, Report};
use record::{NewRecord, Opening, RecordId, Tenant};
use std::sync::OnceLock;
use tokio::sync::watch;

/// A client that comes later.
pub struct Late<C> {
    client: OnceLock<C>,
    committed: watch::Sender<u64>,
}

impl<C: LedgerClient> Late<C> {
    /// One that is not there yet.
    pub fn new() -> Self {
        Self {
            client: OnceLock::new(),
            committed: watch::Sender::new(0),
        }
    }

    /// It is there now. Runs on: hands the log's length on to whoever asked before. The first client stays.
    pub async fn arrive(&self, client: C) {
        let mut length = client.committed();
        // There is no second one.
        let _again = self.client.set(client);
        loop {
            self.committed.send_replace(*length.borrow_and_update());
            if length.changed().await.is_err() {
                return;
            }
        }
    }

    fn client(&self) -> Result<&C, Error> {
        self.client.get().ok_or_else(|| Error::Unavailable {
            reason: "the broker has not been reached yet".to_owned(),
        })
    }
}

fn failed<'a, T: Send + 'a>(error: Error) -> Pending<'a, T> {
    Box::pin(std::future::ready(Err(error)))
}

impl<C: LedgerClient> LedgerClient for Late<C> {
    fn append(&self, append: Append) -> Pending<'_, Receipt> {
        self.client().map_or_else(failed, |client| client.append(append))
    }

    fn append_many(&self, records: Vec<NewRecord>) -> Pending<'_, Vec<Result<Receipt, Error>>> {
        self.client().map_or_else(failed, |client| client.append_many(records))
    }

    fn create_tenant(&self, tenant: Tenant, name: String) -> Pending<'_, Receipt> {
        self.client()
            .map_or_else(failed, |client| client.create_tenant(tenant, name))
    }

    fn report(&self, report: Report) -> Pending<'_, Receipt> {
        self.client().map_or_else(failed, |client| client.report(report))
    }

    fn head(&self) -> Pending<'_, Head> {
        self.client().map_or_else(failed, LedgerClient::head)
    }

    fn read(&self, from: u64, limit: usize) -> Pending<'_, Vec<Committed>> {
        self.client().map_or_else(failed, |client| client.read(from, limit))
    }

    fn find(&self, tenant: Tenant, id: RecordId) -> Pending<'_, Option<Committed>> {
        self.client().map_or_else(failed, |client| client.find(tenant, id))
    }

    fn open_sealed(&self, tenant: Tenant, id: RecordId) -> Pending<'_, Option<Vec<Opening>>> {
        self.client()
            .map_or_else(failed, |client| client.open_sealed(tenant, id))
    }

    fn prove(&self, question: Question) -> Pending<'_, Answer> {
        self.client().map_or_else(failed, |client| client.prove(question))
    }

    fn committed(&self) -> watch::Receiver<u64> {
        self.committed.subscribe()
    }
}

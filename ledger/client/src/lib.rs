//! What the other rooms may ask of a ledger, whether it runs in this process or behind a bus.
//!
//! [`LedgerClient`] is the one trait. The in-process implementation is `ledger::Handle`; [`nats::NatsClient`] reaches a
//! ledger in another process, which answers with `ledger::rpc`. [`wire`] is the protocol that both ends share.

mod error;
pub mod nats;
pub mod proof;
mod receipt;
mod refusal;
mod report;
pub mod trace;
pub mod wire;

pub use error::{Error, Kind};
pub use receipt::{Append, Committed, Guard, Head, Receipt};
pub use refusal::Refusal;
pub use report::Report;
#[doc(hidden)]
pub use tracing;

use record::{NewRecord, Opening, RecordId, Tenant};
use std::future::Future;
use std::pin::Pin;
use tokio::sync::watch;

/// An answer that is still under way.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// One ledger.
pub trait LedgerClient: Send + Sync + 'static {
    /// Appends one record; resolves when it is durable. Sending the same record (same id) again is safe and answers the
    /// first receipt.
    fn append(&self, append: Append) -> Pending<'_, Receipt>;

    /// Appends records that stand alone: one result each, in order. A refused one does not stop the others.
    fn append_many(&self, records: Vec<NewRecord>) -> Pending<'_, Vec<Result<Receipt, Error>>>;

    /// Begins a tenant with `tenant.created`, on the authority of the ledger's operator.
    fn create_tenant(&self, tenant: Tenant, name: String) -> Pending<'_, Receipt>;

    /// Writes down what a role did, on the ledger's own authority, in the ledger's own tenant.
    fn report(&self, report: Report) -> Pending<'_, Receipt>;

    /// The end of the log.
    fn head(&self) -> Pending<'_, Head>;

    /// Committed records from offset `from` on, in order: at most `limit`, at least one when there is one, fewer when they
    /// are large.
    fn read(&self, from: u64, limit: usize) -> Pending<'_, Vec<Committed>>;

    /// The record with this id; `None` when the tenant has none.
    fn find(&self, tenant: Tenant, id: RecordId) -> Pending<'_, Option<Committed>>;

    /// Salt and value of every sealed member of a record that can still be opened; `None` when there is no such record.
    fn open_sealed(&self, tenant: Tenant, id: RecordId) -> Pending<'_, Option<Vec<Opening>>>;

    /// Answers a question about the log's signed trees.
    fn prove(&self, question: proof::Question) -> Pending<'_, proof::Answer>;

    /// Number of committed records, updated after each commit.
    fn committed(&self) -> watch::Receiver<u64>;
}

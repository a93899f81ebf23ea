//! The trait `LedgerClient` on both of its implementations, and what the bus between them can do to a request: a real
//! ledger, a real nats-server, and a proxy that breaks connections.

#![expect(clippy::indexing_slicing, reason = "a test that indexes wrongly fails, as it should")]

mod conformance;
mod faults;
mod hostile;
mod keys;
#[path = "../it/log.rs"]
mod log;
mod prove;
mod stand;

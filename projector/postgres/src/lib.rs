//! The Postgres read model: tables that are derived from the log, applied record by record, rebuilt from nothing.
//!
//! [`ReadModel`] is a control schema and a schema per generation; a row names the current one. Live records go into the
//! current generation, rows and position in one transaction ([`apply`]), by whoever of several projectors holds the
//! lease ([`live`]). What this build cannot read is parked ([`parked`]). A rebuild fills a new generation and switches when it has caught up ([`rebuild`]). Questions are
//! planned by `projector::plan` and answered in [`queries`], in a role that sees one tenant at a time.
//! Nothing here decides what a record means: that is `projector::project`.

mod apply;
mod config;
mod fault;
mod generation;
mod lease;
mod live;
mod load;
mod page;
mod parked;
#[cfg(test)]
mod plans;
mod queries;
mod read_model;
mod rebuild;
mod resume;
mod role;
mod scan;
pub mod schema;
mod server;
mod snapshot;
pub mod statements;

pub use config::{Config, Tls};
pub use live::Standing;
pub use read_model::ReadModel;

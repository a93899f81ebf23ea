//! The SQLite read model: tables that are derived from the log, applied record by record, rebuilt from nothing.
//!
//! [`ReadModel`] is a directory of generations: each is one database file, and a small file names the current one. Live
//! records go into the current generation, rows and position in one transaction ([`apply`]); a rebuild fills a new one
//! and switches when it has caught up ([`rebuild`]). What this build cannot read is parked ([`parked`]). Questions are
//! planned by `projector::plan` and answered in [`queries`].
//! Nothing here decides what a record means: that is `projector::project`.

mod apply;
mod fault;
mod generation;
mod load;
mod page;
mod parked;
#[cfg(test)]
mod plans;
mod queries;
mod read_model;
mod rebuild;
mod resume;
mod scan;
pub mod schema;
pub mod statements;
mod store;

pub use read_model::ReadModel;

//! The authenticated map from timelines to their heads, kept beside the log: what makes "nothing was left out" provable.
//!
//! A worker of its own keeps it, off the way of an append: the committer only hands over what it has at hand. Everything
//! here follows from the log, so it can be lost and is made again; `ledger.map_root` in the log names its roots.
//!
//! `page` and `trie` are the map as such, `fragment` the trees of the timelines, `place` and `version` where they lie in the
//! keyspace `map`, `reader` what proves, `audit` what holds all of it against the log. Two levels: a map per tenant, and one over all tenants.

mod audit;
mod catch_up;
mod delta;
mod fragment;
mod notes;
mod pace;
mod page;
mod pages;
mod pending;
mod place;
mod reader;
mod trie;
mod version;
mod worker;
mod writer;

pub use audit::MapVersion;
pub(crate) use delta::Growth;
pub(crate) use notes::{Teller, notes};
pub(crate) use reader::{Maps, Proven};
pub(crate) use worker::{Start, Worker};

#[cfg(test)]
mod altered;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod tests;

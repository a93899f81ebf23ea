//! Commands over NATS: the service by which gateways in other processes reach this ledger.
//!
//! Deny is the default. A command is carried out only if its name is enrolled and not revoked, its signature is the
//! enrolled key's, it is meant for this log, its time has come and is not over, its role includes the verb, and, where it
//! changes or opens anything, it was never carried out before. What cannot even be answered (no reply subject, no
//! readable header) is dropped and counted.

mod answer;
mod config;
mod counters;
mod intake;
mod judge;
mod service;

pub use config::Config;
pub use counters::{Counted, Counters};
pub use service::{Service, StartError};

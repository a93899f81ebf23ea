//! The ledger: sequencing, group commit, the store, encryption at rest, keys, recovery and the feed.
//!
//! A record goes through these files in order: [`Handle`] takes it and `prepare` makes a draft of it beside the
//! sequencer; `sequencer` (one thread, the only one that decides) asks `domain`, stamps and hashes; `signer` signs on all
//! cores; `committer` extends the trees, writes one encrypted block and its index keys in one fsynced fjall batch,
//! updates HEAD, and only then answers. Opening a log runs `recovery`, which folds the same state through the same
//! function as a live commit.

// Tests inside the crate use the helpers of those outside.
#[cfg(test)]
extern crate self as ledger;
#[cfg(test)]
#[path = "../tests/it/check.rs"]
mod check;
#[cfg(test)]
#[path = "../tests/it/log.rs"]
mod log;
#[cfg(test)]
#[path = "../tests/it/oracle.rs"]
mod oracle;

mod access;
pub mod backup;
mod block;
mod blocks;
mod checkpoint;
mod cipher;
mod clock;
mod committer;
mod compare;
mod disclosure;
mod engine;
mod entropy;
mod error;
pub mod feed;
mod framing;
mod gateways;
mod guards;
mod handle;
mod head;
mod index;
mod init;
pub mod inspect;
mod journal;
mod keyring;
mod lock;
mod manifest;
mod map;
mod prepare;
mod probe;
mod proofs;
mod recent;
mod recovery;
pub mod restore;
mod rotate;
pub mod rpc;
mod scopes;
mod sequencer;
mod signer;
mod standing;
mod store;
mod timelines;

pub use block::{StoredRecord, TimelineEntry};
pub use checkpoint::CheckpointConfig;
pub use clock::{Clock, Reading, SystemClock};
pub use entropy::{fresh_id, fresh_secret};
pub use error::Error;
pub use handle::{Config, Handle};
pub use init::{Created, Init, create, create_successor};
pub use keyring::KeySource;
pub use rotate::read_root_key;

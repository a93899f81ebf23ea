//! The ledger through its public face: a real store on a real disk.

#![expect(clippy::indexing_slicing, reason = "a test that indexes wrongly fails, as it should")]

mod append;
mod backup;
mod check;
mod clock;
mod crash;
mod disk;
mod feed;
mod files;
mod flips;
mod history;
mod log;
mod map;
mod oracle;
mod prove;
mod reopen;
mod restore;

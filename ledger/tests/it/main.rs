//! The ledger through its public face: a real store on a real disk.

mod append;
mod log;
mod reopen;

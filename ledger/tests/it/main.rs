//! The ledger through its public face: a real store on a real disk.

mod append;
mod check;
mod clock;
mod crash;
mod disk;
mod files;
mod flips;
mod history;
mod log;
mod reopen;

//! Record kinds, their payload types and schemas, and the pure functions that decide and evolve.
//!
//! `decide` reads state folded from the log and says whether a record may be written; `evolve` folds a committed record
//! into that state. Neither has a clock, randomness or I/O: what they need is in the record or an argument, so a replay
//! equals the live run. Adding a kind is described in `docs/adding/record-kind.md`.

pub mod kind;
pub mod payload;
pub mod state;
mod validate;

pub use kind::{Catalogue, KindSpec};
pub use state::{Command, Denial, State};

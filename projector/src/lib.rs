//! From the log to read models: a consumer that checks every record, a pure `project`, and the traits of a read model.
//!
//! A record comes from a [`Source`], passes the [`Checker`] (form, hash, offset, chain, key, signature, schema), becomes
//! [`Change`]s by [`project`], and a sub-crate applies these with its position in one transaction. [`digest`] compares
//! what two read models hold. SQL is the sub-crates'; who fetches records and from where is the source's.

mod cancel;
mod check;
mod consumer;
mod dictionary;
pub mod digest;
mod error;
mod pace;
pub mod plan;
mod project;
mod pump;
pub mod query;
mod read_model;
mod resume;
mod retry;
mod rows;
mod source;
pub mod stream;
mod verify;

pub use cancel::{Cancel, Trigger};
pub use check::{Checked, Checker};
pub use consumer::{Batch, Consumer};
pub use dictionary::{Dictionary, DictionaryRow, PlacedLink};
pub use digest::Digest;
pub use error::Error;
pub use pace::{Measured, Pace};
pub use project::{
    CanonRow, Change, LinkRow, PARKED_DETAIL, PROJECTION_VERSION, ParkedRow, RecordRow, TimelineKey, TimelineRow, park,
    project,
};
pub use pump::{Sink, pump};
pub use read_model::{Parked, Progress, ReadModel, Retried, Stage};
pub use resume::{ChainEnd, Resume};
pub use retry::Retry;
pub use rows::Rows;
pub use source::Source;
pub use stream::{Copies, StreamSource};
pub use verify::{Damage, NAMED_ROWS, Verification, What, verify};

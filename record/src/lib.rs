//! The canonical record: strict JSON intake, RFC 8785 bytes, hash, signatures, sealed members, ids and limits.
//!
//! Pure: no clock, no I/O, no randomness, no async runtime. What a caller brings in (a time, a salt, a key) arrives as
//! an argument, so that the same input gives the same bytes on every machine.
//!
//! One record passes through these files in this order: [`json`] parses what a client sent, [`intake`] checks its
//! envelope, [`seal`] replaces sealed members by commitments, [`draft`] holds the canonical fragments and, once the
//! sequencer has given the record its place, stamps and signs it, and [`stored`] reads the bytes back and checks them.

pub mod attestation;
pub mod author;
pub mod canonical;
pub mod cloud_event;
pub mod draft;
mod fault;
pub mod hash;
pub mod id;
pub mod intake;
pub mod json;
pub mod key;
pub mod limits;
pub mod link;
pub mod name;
pub mod rotation;
pub mod seal;
pub mod stored;
pub mod time;
pub mod wire;

pub use author::{Auth, Author};
pub use draft::{Draft, Place, Stamped};
pub use fault::{Code, Fault};
pub use hash::Hash;
pub use id::RecordId;
pub use intake::{Intake, NewRecord};
pub use key::{KeyText, PublicKey, Signature};
pub use link::Link;
pub use name::{Kind, Origin, Slug, Space, Tenant};
pub use seal::Opening;
pub use stored::Record;
pub use time::Timestamp;

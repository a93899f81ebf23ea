//! Checkpoints: from a state of the log that may be signed to what everybody sees.

mod candidate;
mod config;

pub(crate) use candidate::Candidate;
pub use config::CheckpointConfig;

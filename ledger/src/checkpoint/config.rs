//! How a log signs checkpoints.

use std::time::Duration;
use tlog::Policy;

/// Whether and when checkpoints are signed. Every limit has a default ([`CheckpointConfig::new`]).
#[derive(Debug, Clone)]
pub struct CheckpointConfig {
    /// How long a record waits for a checkpoint at most; when the log was idle, it does not wait. Default 1 s.
    pub interval: Duration,
    /// Whether a checkpoint waits until the log's stream holds all its records. Default false.
    pub after_stream: bool,
    /// Which witnesses cosign, and how many of them are enough. Default: nobody is asked.
    pub policy: Option<Policy>,
    /// Checkpoints of this log that are kept outside its directory, such as anchors: signed notes. A log that does not
    /// continue one of them was rolled back or exchanged and is not opened. Default: none.
    pub known: Vec<String>,
    /// Timeline entries that may wait for the map of timelines; past that it reads the log instead. Each takes about
    /// 200 bytes. Default 262,144.
    pub waiting: usize,
}

impl CheckpointConfig {
    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            interval: Duration::from_secs(1),
            after_stream: false,
            policy: None,
            known: Vec::new(),
            waiting: 262_144,
        }
    }
}

impl Default for CheckpointConfig {
    fn default() -> Self {
        Self::new()
    }
}

//! How a feed works: limits and the operator's choices, each with a default that is safe to run with.

use std::time::Duration;

/// How a feed works. Every limit has a default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Copies that a cluster keeps of each message. Default 1.
    pub replicas: usize,
    /// Records published and not yet acknowledged, at most 1,024. Default 512.
    pub in_flight: usize,
    /// Bytes of them. Default 8 MiB.
    pub in_flight_bytes: usize,
    /// How long the server may take to acknowledge a record, in milliseconds. Default 5,000.
    pub ack_timeout_ms: u64,
    /// How long it may take to answer a request, in milliseconds. Default 5,000.
    pub timeout_ms: u64,
    /// Whether a stream that diverged is rebuilt without an operator. Default false. A stream of another log, and one
    /// whose name is needed, wait for `sigil stream rebuild --force` in any case.
    pub rebuild_automatically: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            replicas: 1,
            in_flight: 512,
            in_flight_bytes: 8 * 1_024 * 1_024,
            ack_timeout_ms: 5_000,
            timeout_ms: 5_000,
            rebuild_automatically: false,
        }
    }
}

impl Config {
    pub(super) const fn ack_timeout(&self) -> Duration {
        Duration::from_millis(self.ack_timeout_ms)
    }

    pub(super) const fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }
}

//! The limits of the service. Every one has a default ([`Config::new`]).

use ledger_client::wire::REQUEST_BYTES;

/// How commands are served.
#[derive(Debug, Clone)]
pub struct Config {
    /// Whether nobody can listen on the way to the bus: TLS, or loopback. Without it no opening is answered.
    pub protected: bool,
    /// Requests that are worked on at once; beyond that, `Overloaded`. Default 256.
    pub requests: usize,
    /// Bytes of requests that are worked on at once. Default 64 MiB.
    pub bytes: usize,
    /// Requests that wait for the log to grow. Default 1,024.
    pub waits: usize,
    /// Bytes of one request. Default 4 MiB.
    pub request_bytes: usize,
    /// Requests of which parts are still missing. Default 64.
    pub partial_requests: usize,
    /// How long missing parts are waited for, in milliseconds. Default 10,000.
    pub partial_wait_ms: u64,
    /// How far the clocks of gateways may be off, in seconds, at most 3,600. Default 30.
    pub clock_tolerance_s: u32,
    /// How long a request may be valid, in seconds. Default 300.
    pub lifetime_s: u32,
    /// How long the end of the service waits for what it took, in milliseconds. Default 15,000.
    pub drain_ms: u64,
}

impl Config {
    /// The defaults.
    #[must_use]
    pub const fn new(protected: bool) -> Self {
        Self {
            protected,
            requests: 256,
            bytes: 64 * 1_024 * 1_024,
            waits: 1_024,
            request_bytes: REQUEST_BYTES,
            partial_requests: 64,
            partial_wait_ms: 10_000,
            clock_tolerance_s: 30,
            lifetime_s: 300,
            drain_ms: 15_000,
        }
    }

    /// The tolerance in microseconds, never beyond what requests are remembered for.
    pub(super) fn tolerance_micros(&self) -> i64 {
        (i64::from(self.clock_tolerance_s) * 1_000_000).min(crate::guards::MARGIN_MICROS)
    }
}

//! What a client is made of, and what it pins.

use crate::wire::GatewayKey;
use record::{Hash, Origin, PublicKey, Slug};

/// What the client holds the ledger to; a trust file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The log's origin.
    pub log: Origin,
    /// Hash of the record at offset 0.
    pub genesis: Hash,
    /// The key that agrees to every rotation.
    pub root: PublicKey,
}

/// How a ledger is reached. Every limit has a default ([`Config::new`]).
#[derive(Debug, Clone)]
pub struct Config {
    /// The name and key that are enrolled.
    pub key: GatewayKey,
    /// What replies are checked against.
    pub pin: Pin,
    /// The log's short name, which its subjects have.
    pub slug: Slug,
    /// Whether nobody can listen on the way to the bus: TLS, or loopback. Without it, values to be sealed are not sent and
    /// openings are not asked for.
    pub protected: bool,
    /// How long an answer may take, in milliseconds; after that the outcome of an append is unknown. Default 10,000.
    pub timeout_ms: u64,
    /// Append requests that are on their way at once; more records than they hold wait, and share the next. Default 8.
    pub in_flight: usize,
    /// Records that one append request holds at most. Default 64.
    pub request_records: usize,
    /// Bytes of records that wait or are on their way. Default 64 MiB.
    pub queue_bytes: usize,
    /// How long a record waits for room before it is refused, in milliseconds. Default 5,000.
    pub queue_wait_ms: u64,
    /// How long the ledger holds back its answer while the log does not grow, in milliseconds. Default 5,000.
    pub wait_ms: u64,
}

impl Config {
    /// The defaults.
    #[must_use]
    pub const fn new(key: GatewayKey, pin: Pin, slug: Slug, protected: bool) -> Self {
        Self {
            key,
            pin,
            slug,
            protected,
            timeout_ms: 10_000,
            in_flight: 8,
            request_records: 64,
            queue_bytes: 64 * 1_024 * 1_024,
            queue_wait_ms: 5_000,
            wait_ms: 5_000,
        }
    }
}

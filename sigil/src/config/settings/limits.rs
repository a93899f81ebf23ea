//! Limits, each with a default that is safe to run with.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Limits.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Of the API.
    pub http: gateway::Config,
    /// Of the log.
    pub ledger: LedgerLimits,
    /// Of the commands that a ledger takes from the broker.
    pub commands: CommandLimits,
    /// Of the commands that a gateway sends.
    pub client: ClientLimits,
    /// Pause before a projector tries again. Default 1,000.
    pub apply_retry_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            http: gateway::Config::default(),
            ledger: LedgerLimits::default(),
            commands: CommandLimits::default(),
            client: ClientLimits::default(),
            apply_retry_ms: 1_000,
        }
    }
}

/// Limits of the log.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LedgerLimits {
    /// Bytes of records that may be on their way to the disk. Default 64 MiB.
    pub queue_bytes: usize,
    /// How long a request waits for room in the queue. Default 5,000.
    pub queue_wait_ms: u64,
    /// Threads that sign. Default: the cores of the machine.
    pub signers: Option<usize>,
    /// Bytes of the store's block cache. Default 64 MiB.
    pub cache_bytes: u64,
    /// Records between two snapshots of the folded state. Default 16,384.
    pub snapshot_every: u64,
    /// A jump of the wall clock beyond this many seconds is refused. Default 300.
    pub max_clock_jump_s: u32,
}

impl Default for LedgerLimits {
    fn default() -> Self {
        Self {
            queue_bytes: 64 << 20,
            queue_wait_ms: 5_000,
            signers: None,
            cache_bytes: 64 << 20,
            snapshot_every: 16_384,
            max_clock_jump_s: 300,
        }
    }
}

/// Limits of the commands that a ledger takes.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CommandLimits {
    /// Requests that are worked on at once; beyond that they are refused as overload. Default 256.
    pub requests: usize,
    /// Bytes of requests that are worked on at once. Default 64 MiB.
    pub bytes: usize,
    /// Requests that wait for the log to grow. Default 1,024.
    pub waits: usize,
    /// How far the clocks of gateways may be off, in seconds. Default 30.
    pub clock_tolerance_s: u32,
    /// How long a request may be valid, in seconds. Default 300.
    pub lifetime_s: u32,
    /// How long the end of the process waits for commands under way. Default 15,000.
    pub drain_ms: u64,
}

impl Default for CommandLimits {
    fn default() -> Self {
        Self {
            requests: 256,
            bytes: 64 << 20,
            waits: 1_024,
            clock_tolerance_s: 30,
            lifetime_s: 300,
            drain_ms: 15_000,
        }
    }
}

/// Limits of the commands that a gateway sends.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClientLimits {
    /// Append requests that are on their way at once; more records wait and share the next one. Default 8.
    pub in_flight: usize,
    /// Records of one append request at most. Default 64.
    pub request_records: usize,
    /// Bytes of records that wait or are on their way. Default 64 MiB.
    pub queue_bytes: usize,
    /// How long a record waits for room before it is refused. Default 5,000.
    pub queue_wait_ms: u64,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            in_flight: 8,
            request_records: 64,
            queue_bytes: 64 << 20,
            queue_wait_ms: 5_000,
        }
    }
}

//! The limits of the gateway, each with a default that is safe to run with.
//!
//! Plain values; reading files and the environment is the executable's.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Limits of one gateway. Unknown fields are refused.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Bytes of a request body with one record. Default 1 MiB.
    pub record_bytes: usize,
    /// Bytes of a request body with many records, one a line. Default 16 MiB.
    pub ndjson_bytes: usize,
    /// Header fields of a request. Default 64; hyper itself stops reading at 100.
    pub headers: usize,
    /// Bytes of all header names and values of a request. Default 32 KiB; hyper itself stops reading at twice that.
    pub header_bytes: usize,
    /// How long a request's head may take, which also closes idle connections. Default 5,000.
    pub header_timeout_ms: u64,
    /// How long a request may take: its body, and the answer of the ledger or the read model, each. Default 30,000.
    pub request_timeout_ms: u64,
    /// How long requests under way may go on after the stop. Default 10,000.
    pub drain_deadline_ms: u64,
    /// How long a client may leave an answer unread before its connection is closed. Default 30,000.
    pub write_timeout_ms: u64,
    /// Connections at a time, streams among them; more wait in the listener's backlog. Default 2,048.
    pub connections: usize,
    /// Rows of a page when the request does not say. Default 50.
    pub page_default: u16,
    /// Rows of a page at most. Default 500, which is also the read model's limit.
    pub page_max: u16,
    /// How long a read waits for its minimum position when the request does not say. Default 2,000.
    pub min_position_timeout_ms: u64,
    /// The longest such wait. Default 30,000.
    pub min_position_timeout_max_ms: u64,
    /// Streams at a time. Default 1,000.
    pub streams: usize,
    /// Bytes of recent records that all streams share; a stream whose reader falls behind them ends. Default 32 MiB.
    pub stream_buffer_bytes: usize,
    /// Bytes a second that all streams together send at most, so that appends keep their part of the machine. Default
    /// 64 MiB.
    pub stream_bytes_per_second: u64,
    /// How long a stream may be silent before it shows that it lives. Default 15,000.
    pub stream_heartbeat_ms: u64,
    /// What stands before a code in `type` and `docs_url` of a problem. Default `/docs/errors/`, which this gateway serves.
    pub error_docs: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            record_bytes: 1024 * 1024,
            ndjson_bytes: 16 * 1024 * 1024,
            headers: 64,
            header_bytes: 32 * 1024,
            header_timeout_ms: 5_000,
            request_timeout_ms: 30_000,
            drain_deadline_ms: 10_000,
            write_timeout_ms: 30_000,
            connections: 2_048,
            page_default: 50,
            page_max: 500,
            min_position_timeout_ms: 2_000,
            min_position_timeout_max_ms: 30_000,
            streams: 1_000,
            stream_buffer_bytes: 32 * 1024 * 1024,
            stream_bytes_per_second: 64 * 1024 * 1024,
            stream_heartbeat_ms: 15_000,
            error_docs: "/docs/errors/".to_owned(),
        }
    }
}

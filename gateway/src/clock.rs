//! The wall clock of the edge: request times and the time inside record ids. Nothing that is signed comes from here.

use record::Timestamp;
use std::time::{SystemTime, UNIX_EPOCH};

/// Now, in Unix microseconds; a clock before 1970 reads as 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "the edge is where a clock enters; the ledger stamps records by its own"
)]
fn micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Now.
pub(crate) fn now() -> Timestamp {
    i64::try_from(micros())
        .ok()
        .and_then(Timestamp::from_micros)
        .unwrap_or(Timestamp::MAX)
}

/// Now, in Unix milliseconds.
pub(crate) fn unix_ms() -> u64 {
    micros() / 1_000
}

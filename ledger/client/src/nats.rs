//! A ledger in another process, reached over NATS: signs what it sends, believes only what the ledger signed.
//!
//! One subscription of its own receives every reply. Appends that wait at the same time travel in one request, so that
//! its two signatures are shared; when nothing waits, a record is sent alone and at once. What is durable is the
//! ledger's word; where no word comes in time, the outcome of an append is unknown and the record may be sent again.

mod call;
mod client;
mod config;
mod dispatch;
mod follow;
mod keys;
mod protect;
mod queue;

pub use client::{ConnectError, NatsClient};
pub use config::{Config, Pin};

use record::{RecordId, Timestamp};

/// The time of this machine.
#[expect(clippy::disallowed_methods, reason = "this is where time enters")]
fn now() -> Timestamp {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    let now = i64::try_from(since.as_micros()).ok().and_then(Timestamp::from_micros);
    now.unwrap_or(Timestamp::MAX)
}

/// Random bytes of the operating system.
#[expect(clippy::disallowed_methods, reason = "this is where entropy enters")]
pub(crate) fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// A new record id.
fn fresh_id() -> Result<RecordId, getrandom::Error> {
    let unix_ms = u64::try_from(now().micros() / 1_000).unwrap_or(0);
    Ok(RecordId::new(unix_ms, random()?))
}

//! The client against real cosigners in this process, and against witnesses that misbehave.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test's own helpers may panic: that fails the test"
)]

mod client;
mod log;

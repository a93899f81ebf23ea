//! Whole logs, built with the real writer, verified and tampered with.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test's own helpers may panic: that fails the test"
)]

mod build;
mod fixtures;
mod intact;
mod known_answer;
mod tamper;
mod trust;

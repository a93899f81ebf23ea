//! Whole logs, built with the real writer, verified and tampered with.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test's own helpers may panic: that fails the test"
)]

mod anchors;
mod answers;
mod build;
mod bundles;
mod fixtures;
mod followed;
mod intact;
mod known_answer;
mod maps;
mod notes;
mod tamper;
mod tampered;
mod trust;
mod world;

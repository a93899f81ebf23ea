//! The distributed form from outside: a real nats-server, a real Postgres, and the executable as three processes.
//!
//! Everything listens on a free port of 127.0.0.1, and nothing outlives its test. What a single role does is tested in
//! its room; here they run together, and are killed.

#![expect(clippy::indexing_slicing, reason = "a test that meets an absent member shall fail")]

mod checkpoints;
#[expect(dead_code, reason = "the product's tests use the rest of it")]
#[path = "../product/client.rs"]
mod client;
mod house;
mod load;
#[expect(dead_code, reason = "the product's tests use the rest of it")]
#[path = "../product/log.rs"]
mod log;
mod outcome;
mod process;
mod replay;
mod sample;
mod whole;

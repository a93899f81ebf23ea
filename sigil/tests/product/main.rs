//! The `sigil` executable from outside: every test starts the real program on a data directory of its own.
//!
//! Servers listen on a free port of 127.0.0.1, everything a test writes goes with it, and nothing waits for a while when
//! it could wait for a condition. Tests of a room's inner workings are in that room.

#![expect(clippy::indexing_slicing, reason = "a test that meets an absent member shall fail")]

mod anchors;
mod answers;
mod backup;
mod bundle;
mod client;
mod collector;

mod commands;
mod compose;
mod config;
mod contracts;
mod cosigner;
mod crash;
mod gateways;
mod http;
mod lifecycle;
mod log;
mod projections;
mod proofs;
mod python;
mod roles;
mod sample_logs;
mod server;
mod service;
mod sources;
mod stream;
mod subscriber;
mod system;
mod verify;
mod watch;
mod witnesses;

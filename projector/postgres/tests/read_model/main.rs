//! The Postgres read model, on a real server: what every one must do, and what is Postgres's own.
#![cfg(test)]

#[path = "../../../tests/conformance/mod.rs"]
mod conformance;
#[path = "../../../tests/log/mod.rs"]
mod log;
mod place;

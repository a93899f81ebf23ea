//! The SQLite read model: what every one must do, and what is SQLite's own.
#![cfg(test)]

#[path = "../../../tests/conformance/mod.rs"]
mod conformance;
mod files;
#[path = "../../../tests/log/mod.rs"]
mod log;
mod place;

//! The Postgres read model, on a real server: what every one must do, and what is Postgres's own.
#![cfg(test)]

#[path = "../../../tests/conformance/mod.rs"]
mod conformance;
mod equal;
mod faults;
mod gateway;
#[path = "../../../tests/log/mod.rs"]
mod log;
mod place;
mod projectors;
mod walls;

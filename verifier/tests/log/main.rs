//! Whole logs, built with the real writer, verified and tampered with.

mod build;
mod intact;
mod known_answer;
mod tamper;
mod trust;

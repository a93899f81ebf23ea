//! The client against real cosigners in this process, and against witnesses that misbehave.

mod client;
mod log;

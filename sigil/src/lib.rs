//! The `sigil` executable as a library: configuration, wiring and the command line, so that benchmarks and tests run the
//! very same wiring. Parses the command line, runs one command, and turns its end into an exit code.

mod anchors;
mod bus;
mod checkpoints;
mod cli;
mod command;
pub mod config;
mod contract;
mod control;
mod desk;
pub mod embedded;
mod exit;
mod feed;
mod follow;
pub mod http;
mod output;
pub mod place;
mod policy;
mod progress;
mod roles;
mod sample;
mod secret;
mod stop;
mod telemetry;
mod tls;
pub mod witnesses;

pub use exit::{Exit, Failure};
pub use feed::Feed;

use clap::Parser as _;
use std::process::ExitCode;

// A profile of appends showed about 8 % of the time in the system's allocator. The gain itself was not measured apart.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let output = output::Output::new(cli.json);
    // A service's diagnostics are what its configuration says.
    if !matches!(cli.verb, cli::Verb::Serve(_)) {
        telemetry::start(cli.verbose);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output.fail(&exit::Failure::from(anyhow::Error::from(error))),
    };
    let ended = runtime.block_on(command::run(cli, &output));
    // Blocking reads that nobody waits for any more must not hold up the end.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    match ended {
        Ok(code) => code.into(),
        Err(failure) => output.fail(&failure),
    }
}

//! `sigil serve`: one role of a distributed ledger, or all of it in one process.

use crate::cli::ConfigArgs;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::{command, roles};

/// Checks the configuration, then runs the role.
pub async fn run(args: ConfigArgs, verbose: u8, output: &Output) -> Result<Exit, Failure> {
    let loaded = command::config::load(&args)?;
    roles::run(&args, &loaded, verbose, output).await
}

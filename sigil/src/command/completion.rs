//! `sigil completion`: a script for the shell, on standard output.

use crate::cli::Cli;
use crate::exit::{Exit, Failure};
use clap::CommandFactory as _;
use std::io::Write as _;

/// Prints the script.
pub fn run(shell: clap_complete::Shell) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "sigil", &mut script);
    match std::io::stdout().write_all(&script) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(Exit::Ok),
    }
}

//! One file per verb. A command gets its arguments and the output, and gives an exit code or a failure.

mod backup;
mod completion;
mod config;
pub mod cosigner;
mod demo;
mod dev;
mod doctor;
mod export;
mod gateway;
mod health;
mod import;
mod init;
mod key;
pub mod projection;
mod record;
mod restore;
mod role;
pub mod serve;
mod stream;
mod timeline;
mod verify;

use crate::cli::{Cli, Verb};
use crate::contract;
use crate::exit::{Exit, Failure};
use crate::output::Output;

/// Runs the command that was asked for.
pub async fn run(cli: Cli, output: &Output) -> Result<Exit, Failure> {
    let verbose = cli.verbose;
    match cli.verb {
        Verb::Demo(args) => demo::run(args, output).await,
        Verb::Dev(args) => dev::run(args, output).await,
        Verb::Serve(args) => role::run(args, verbose, output).await,
        Verb::Health(args) => health::run(args, output).await,
        Verb::Config(verb) => config::run(verb, output),
        Verb::Init(args) => init::run(args, output).await,
        Verb::Import(args) => import::run(args, output).await,
        Verb::Timeline(args) => timeline::run(args, output).await,
        Verb::Record(verb) => record::run(verb, output).await,
        Verb::Verify(args) => verify::run(*args, output).await,
        Verb::Export(verb) => export::run(verb, output).await,
        Verb::Projection(verb) => projection::run(verb, output).await,
        Verb::Key(verb) => key::run(verb, output).await,
        Verb::Gateway(verb) => gateway::run(verb, output).await,
        Verb::Stream(verb) => stream::run(verb, output).await,
        Verb::Cosigner(verb) => cosigner::run(verb, output).await,
        Verb::Backup(args) => backup::run(args, output).await,
        Verb::Restore(args) => restore::run(args, output).await,
        Verb::Doctor(args) => doctor::run(args, output).await,
        Verb::Completion { shell } => completion::run(shell),
        Verb::Contracts { out } => contract::write(&out),
    }
}

//! `cargo xtask <verb>`: the project's one entry point. This file names the verbs and dispatches to them.
//!
//! Invariant: exit 0 means that the verb did all it promises; 1 that it failed, with the reason as the last line; 2
//! that there is no such verb. It holds no check of its own, and depends on next to nothing because it is built first.

mod bench;
mod ci;
mod finding;
mod generated;
mod layers;
mod matrix;
mod packages;
mod process;
mod scratch;
mod services;
mod source;
mod sql;
mod suite;
mod tidy;
mod verbs;
mod workspace;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let name = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    if matches!(name.as_str(), "--help" | "-h" | "help") {
        println!("{}", verbs::HELP);
        return ExitCode::SUCCESS;
    }
    let Some(verb) = verbs::find(&name) else {
        eprintln!("{}\n\nxtask: no verb named \"{name}\"", verbs::HELP);
        return ExitCode::from(2);
    };
    match verb(&rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

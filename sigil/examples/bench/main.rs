//! `cargo xtask bench`: every claim about speed as a ratio against a limit or a peer, measured in the same run.
//!
//! These machines are shared and noisy: absolute rates are printed to understand a ratio, not to be quoted. Server and
//! load generator share the cores; the server is this same executable, started as a process of its own.

#![expect(
    clippy::indexing_slicing,
    reason = "a measurement may panic: there is nobody to answer"
)]

mod append;
mod client;
mod cpu;
mod feed;
mod flat;
mod http;
mod limit;
mod load;
mod memory;
mod postgres;
mod proof;
mod server;
mod size;
mod sse;
mod stage;
mod table;
mod visible;

use std::process::ExitCode;

const NAMES: [&str; 14] = [
    "limits", "append", "http", "ndjson", "timeline", "verify", "scale", "feed", "separate", "sse", "proofs",
    "receipts", "memory", "flat",
];

fn main() -> ExitCode {
    if std::env::var_os(server::CHILD).is_some() {
        return sigil::main();
    }
    let asked: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = asked.iter().find(|name| !NAMES.contains(&name.as_str())) {
        eprintln!("bench: {unknown} is not one of {}", NAMES.join(" "));
        return ExitCode::from(2);
    }
    let wanted = |name: &str| asked.is_empty() || asked.iter().any(|asked| asked == name);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    table::head();
    if wanted("limits") {
        limit::print();
    }
    if wanted("append") {
        runtime.block_on(append::run());
    }
    if wanted("http") {
        runtime.block_on(http::single());
    }
    if wanted("ndjson") {
        runtime.block_on(http::ndjson());
    }
    let sizes = wanted("timeline") || wanted("verify") || wanted("scale");
    if sizes {
        let full = wanted("scale");
        runtime.block_on(size::run(full));
    }
    if wanted("verify") || wanted("flat") {
        runtime.block_on(flat::run());
    }
    if wanted("feed") {
        runtime.block_on(feed::run());
    }
    if wanted("separate") {
        runtime.block_on(visible::run());
    }
    if wanted("sse") {
        runtime.block_on(sse::run());
    }
    // Takes minutes and says nothing about speed: only when asked for.
    if wanted("memory") && !asked.is_empty() {
        runtime.block_on(memory::run());
    }
    if wanted("proofs") {
        runtime.block_on(proof::run());
    }
    if wanted("receipts") {
        runtime.block_on(proof::receipts());
    }
    ExitCode::SUCCESS
}

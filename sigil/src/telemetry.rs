//! Diagnostics to standard error: `SIGIL_LOG` or `-v` says how much. Never a secret or a sealed value.

use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;

/// Starts the subscriber; `verbose` counts the `-v`.
pub fn start(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "info,fjall=warn,lsm_tree=warn,sqlx=warn",
        _ => "debug,fjall=info,lsm_tree=info,hyper=info,sqlx=info",
    };
    let filter = EnvFilter::try_from_env("SIGIL_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colour)
        // A full disk under standard error must not end the request that is told about.
        .log_internal_errors(false);
    // A test harness may have started one already.
    let _already = subscriber.try_init();
}

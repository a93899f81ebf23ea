//! When to stop: Ctrl-C or SIGTERM.

use tokio::signal::unix::{SignalKind, signal};

/// Why a command was asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM, as a service manager sends it.
    Terminate,
}

/// Resolves at the first signal.
///
/// # Errors
/// Signals cannot be listened for.
pub async fn requested() -> std::io::Result<Stop> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => Ok(Stop::Terminate),
        _ = interrupt.recv() => Ok(Stop::Interrupt),
    }
}

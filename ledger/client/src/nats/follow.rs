//! The end of the log, kept current by a question that the ledger answers when the log has grown.

use super::call::{Failed, Wire};
use crate::wire::{Verb, body};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Pause after an answer, so that a busy log is not asked without end.
const PAUSE: Duration = Duration::from_millis(20);
/// Pause after a failure.
const RETRY: Duration = Duration::from_millis(500);

/// Asks for ever; the task is aborted with its client.
pub(super) async fn follow(wire: Arc<Wire>, committed: watch::Sender<u64>) {
    loop {
        let known = *committed.borrow();
        match ask(&wire, known).await {
            Ok(Some(size)) => {
                advance(&committed, size);
                tokio::time::sleep(PAUSE).await;
            }
            Ok(None) | Err(_) => tokio::time::sleep(RETRY).await,
        }
    }
}

async fn ask(wire: &Wire, above: u64) -> Result<Option<u64>, Failed> {
    let body = body::numbers(("above", above), ("for_ms", wire.config.wait_ms));
    let timeout = Duration::from_millis(wire.config.wait_ms + wire.config.timeout_ms);
    let sent = wire
        .send(Verb::Wait, wire.config.key.name(), &body, timeout, None)
        .await?;
    let answer = wire.answer(sent).await?;
    Ok(body::read_size(&answer))
}

/// The log has at least `size` records; it never shrinks.
pub(super) fn advance(committed: &watch::Sender<u64>, size: u64) {
    committed.send_if_modified(|known| {
        let grown = size > *known;
        *known = size.max(*known);
        grown
    });
}

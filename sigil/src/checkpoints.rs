//! Numbers of a log's checkpoints, for alerts: how far they are, and how old.
//!
//! A log that nothing is appended to signs nothing, so age alone is no alarm: it is one where records wait.

use gateway::ops::{Board, Kind};
use ledger::{Clock as _, Handle, SystemClock};
use ledger_client::LedgerClient as _;
use ledger_client::proof::SignedCheckpoint;
use std::sync::Arc;
use tokio::sync::watch;

type Newest = watch::Receiver<Option<Arc<SignedCheckpoint>>>;

/// Shows them on `board`, as far as there is a checkpoint.
pub fn meters(board: &Board, handle: &Handle) {
    let show = |name: &'static str, text, from: Newest, read: fn(&SignedCheckpoint) -> f64| {
        board.meter(name, Kind::Gauge, text, move || from.borrow().as_deref().map(read));
    };
    let size = |checkpoint: &SignedCheckpoint| checkpoint.size as f64;
    let newest = || handle.checkpoints();
    show(
        "checkpoint_size",
        "Records that the newest signed checkpoint covers.",
        newest(),
        size,
    );
    show(
        "checkpoint_age_seconds",
        "Seconds since the newest checkpoint was signed.",
        newest(),
        age,
    );
    show(
        "witnessed_size",
        "Records that the newest checkpoint with a quorum covers.",
        handle.witnessed(),
        size,
    );
    show(
        "witnessed_age_seconds",
        "Seconds since the newest checkpoint with a quorum was signed.",
        handle.witnessed(),
        age,
    );
    let (committed, checkpoints) = (handle.committed(), newest());
    let text = "Committed records that no signed map covers yet, without the record of the map itself.";
    board.meter("map_backlog_records", Kind::Gauge, text, move || {
        let covered = checkpoints.borrow().as_deref()?.map_size.saturating_add(1);
        Some(committed.borrow().saturating_sub(covered) as f64)
    });
}

fn age(checkpoint: &SignedCheckpoint) -> f64 {
    let now = SystemClock.read().wall.micros();
    // A clock that was set back makes it young, not negative.
    now.saturating_sub(checkpoint.signed_at).max(0) as f64 / 1_000_000.0
}

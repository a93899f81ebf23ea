//! The live projector: follows a source into a read model and goes on after failures that pass. SQLite with the feed in
//! this process and Postgres with the stream run on the same loop.

use crate::bus::chain;
use gateway::ops::Board;
use projector::{Cancel, Error, ReadModel, Source};
use std::time::Duration;

/// The part's name on the board.
pub const PART: &str = "projector";
/// A run that has not failed for so long does its work, also when there is nothing to apply.
const SETTLED: Duration = Duration::from_millis(300);

/// Follows `source` until cancelled. With `retry`, failures that pass are tried again after this pause: a full disk, a
/// database or a broker that comes back, a ledger that opens itself again.
///
/// # Errors
/// What does not pass: the read model stays as it is.
pub async fn follow<M: ReadModel>(
    read_model: &M,
    source: &mut dyn Source,
    cancel: &Cancel,
    retry: Option<Duration>,
    board: Option<&Board>,
) -> Result<(), Error> {
    loop {
        let error = match run(read_model, source, cancel, board).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let reason = chain(&error);
        match (retry, &error) {
            (_, Error::Cancelled) => return Err(error),
            (Some(pause), error) if passes(error) => {
                tracing::warn!(reason, "the read model stands still; the projector tries again");
                // What a database says may hold values: it stays in the diagnostics.
                if let Some(board) = board {
                    board.waits(PART, error.to_string());
                }
                if cancel.guard(tokio::time::sleep(pause)).await.is_none() {
                    return Ok(());
                }
            }
            _ => {
                tracing::error!(reason, "the projector halted: the read model stays as it is");
                if let Some(board) = board {
                    board.halts(PART, error.to_string());
                }
                return Err(error);
            }
        }
    }
}

/// Whether trying again may help.
const fn passes(error: &Error) -> bool {
    matches!(
        error,
        Error::Database(_) | Error::Source(_) | Error::PositionConflict { .. }
    )
}

async fn run<M: ReadModel>(
    read_model: &M,
    source: &mut dyn Source,
    cancel: &Cancel,
    board: Option<&Board>,
) -> Result<(), Error> {
    let mut running = read_model.run(source, cancel);
    let Some(board) = board else { return running.await };
    match tokio::time::timeout(SETTLED, &mut running).await {
        Ok(ended) => ended,
        Err(_still_running) => {
            board.works(PART);
            running.await
        }
    }
}

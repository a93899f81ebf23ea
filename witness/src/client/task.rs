//! The task of one witness: asks it about each target, and again after a pause when it fails.

use super::ask::Asker;
use super::standing::Board;
use super::{Head, Report};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// Pause after the first failure; doubled by each further one.
const PAUSE: Duration = Duration::from_millis(250);
/// The longest pause: a witness that is back is noticed within it.
const LONGEST: Duration = Duration::from_secs(30);

pub(super) struct One {
    asker: Asker,
    board: Arc<Board>,
    clock: Arc<dyn Fn() -> u64 + Send + Sync>,
    report: mpsc::Sender<Report>,
    /// The size at which the witness knows the log, as far as this task has heard.
    known: u64,
    failures: u32,
}

impl One {
    pub(super) fn new(
        asker: Asker,
        board: Arc<Board>,
        clock: Arc<dyn Fn() -> u64 + Send + Sync>,
        report: mpsc::Sender<Report>,
    ) -> Self {
        Self {
            asker,
            board,
            clock,
            report,
            known: 0,
            failures: 0,
        }
    }

    /// Until there is no target any more.
    pub(super) async fn run(mut self, mut targets: watch::Receiver<Option<Arc<Head>>>) {
        let mut retry: Option<Instant> = None;
        loop {
            tokio::select! {
                changed = targets.changed() => if changed.is_err() { return },
                () = at(retry) => {}
            }
            let target = targets.borrow_and_update().clone();
            let Some(head) = target else { continue };
            if retry.is_some_and(|retry| Instant::now() < retry) {
                // In its pause. The round need not wait for it.
                self.tell(head.size, false).await;
                continue;
            }
            retry = if self.ask(&head).await {
                None
            } else {
                Some(Instant::now() + pause(self.failures))
            };
        }
    }

    async fn ask(&mut self, head: &Head) -> bool {
        let name = self.asker.witness.name.clone();
        let asked = self.asker.ask(head, &mut self.known).await;
        let cosigned = asked.is_ok();
        match asked {
            Ok(lines) => {
                self.failures = 0;
                self.board.cosigned(&name, head.size, (self.clock)());
                self.asker.log.cosigned(head.size, lines).await;
            }
            Err(failure) => {
                self.failures = self.failures.saturating_add(1);
                self.board.failed(&name, failure);
            }
        }
        self.tell(head.size, cosigned).await;
        cosigned
    }

    async fn tell(&self, size: u64, cosigned: bool) {
        let name = self.asker.witness.name.clone();
        // Nobody listens when the client ends.
        let _ended = self.report.send(Report { name, size, cosigned }).await;
    }
}

/// Resolves at this time; never without one.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

fn pause(failures: u32) -> Duration {
    let doubled = failures.saturating_sub(1).min(16);
    PAUSE.saturating_mul(1 << doubled).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit() {
        assert_eq!(pause(1), PAUSE);
        assert_eq!(pause(2), 2 * PAUSE);
        assert_eq!(pause(8), LONGEST);
        assert_eq!(pause(u32::MAX), LONGEST);
    }
}

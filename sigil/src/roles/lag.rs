//! How far a read model is behind its log: in records, and in seconds.
//!
//! The log's length is noted with the time it was seen; a read model that has not reached a length that was seen `t`
//! seconds ago is at least `t` seconds behind. Clocks of other machines play no part.

use ::gateway::ops::{Board, Kind};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// The part's name on the board.
const PART: &str = "lag";
/// Time between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// Lengths that are remembered: beyond half an hour the lag is at least that.
const SEEN: usize = 3_600;

/// Lengths of the log that the read model has not reached, with the time each was first seen.
#[derive(Debug, Default)]
struct Seen(VecDeque<(u64, Instant)>);

impl Seen {
    /// Notes what is true `now` and gives the lag.
    fn note(&mut self, head: u64, position: u64, now: Instant) -> Duration {
        while self.0.front().is_some_and(|(length, _)| *length <= position) {
            self.0.pop_front();
        }
        let last = self.0.back().map_or(position, |(length, _)| *length);
        if head > last && self.0.len() < SEEN {
            self.0.push_back((head, now));
        }
        self.0
            .front()
            .map_or(Duration::ZERO, |(_, since)| now.duration_since(*since))
    }
}

/// Shows position and lag, and says on the board when the lag is beyond `most` records. Runs until dropped.
pub async fn watch_lag(board: Arc<Board>, committed: watch::Receiver<u64>, positions: watch::Receiver<u64>, most: u64) {
    let millis = Arc::new(AtomicU64::new(0));
    show(&board, &committed, &positions, &millis);
    let mut seen = Seen::default();
    let mut ticks = tokio::time::interval(LOOK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let (head, position) = (*committed.borrow(), *positions.borrow());
        let lag = seen.note(head, position, Instant::now());
        millis.store(u64::try_from(lag.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        let behind = head.saturating_sub(position);
        if behind > most {
            board.waits(PART, format!("more than {most} records behind"));
        } else {
            board.works(PART);
        }
    }
}

fn show(board: &Board, committed: &watch::Receiver<u64>, positions: &watch::Receiver<u64>, millis: &Arc<AtomicU64>) {
    let head = committed.clone();
    let text = "Committed records, as the ledger last said.";
    board.meter("ledger_head_offset", Kind::Gauge, text, move || {
        Some(*head.borrow() as f64)
    });
    let position = positions.clone();
    let text = "Records that the read model has applied; never more than ledger_head_offset.";
    board.meter("projector_applied_offset", Kind::Gauge, text, move || {
        Some(*position.borrow() as f64)
    });
    let (head, position) = (committed.clone(), positions.clone());
    let text = "Committed records that the read model has not applied.";
    board.meter("projector_lag_records", Kind::Gauge, text, move || {
        Some(head.borrow().saturating_sub(*position.borrow()) as f64)
    });
    let millis = Arc::clone(millis);
    let text = "How long the oldest of them has been known.";
    board.meter("projector_lag_seconds", Kind::Gauge, text, move || {
        Some(millis.load(Ordering::Relaxed) as f64 / 1_000.0)
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lag_is_the_age_of_the_oldest_length_that_is_not_reached() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut seen = Seen::default();
        assert_eq!(seen.note(5, 5, at(0)), Duration::ZERO);
        assert_eq!(seen.note(8, 5, at(1)), Duration::ZERO, "seen only now");
        assert_eq!(seen.note(9, 5, at(4)), Duration::from_secs(3));
        assert_eq!(seen.note(9, 7, at(5)), Duration::from_secs(4), "8 is still not reached");
        assert_eq!(seen.note(9, 8, at(6)), Duration::from_secs(2), "9 was seen at 4");
        assert_eq!(seen.note(9, 9, at(7)), Duration::ZERO);
        // A ledger that does not answer makes nothing older.
        assert_eq!(seen.note(0, 9, at(100)), Duration::ZERO);
    }
}

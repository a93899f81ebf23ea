//! How fast long work goes: records a second over the last few seconds, and the time that the rest will take.
//!
//! Two marks are kept and the older one is measured from, so that the window is 5 to 10 seconds long: a number that
//! follows a change soon and does not jump with every batch. Times are given by the caller.

use std::time::{Duration, Instant};

/// The least age of the mark that is measured from, once the work is as old.
const WINDOW: Duration = Duration::from_secs(5);

/// The pace of one piece of work.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    older: (Instant, u64),
    newer: (Instant, u64),
}

/// What a [`Pace`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// Records a second.
    pub records_per_second: u64,
    /// Seconds until the head is reached; `None` while nothing moves.
    pub eta_seconds: Option<u64>,
}

impl Pace {
    /// Work that is at `position` at `now`.
    #[must_use]
    pub const fn new(now: Instant, position: u64) -> Self {
        Self {
            older: (now, position),
            newer: (now, position),
        }
    }

    /// The pace at `now`, with the work at `position` of `head`. A position that steps back begins anew.
    pub fn measure(&mut self, now: Instant, position: u64, head: u64) -> Measured {
        if position < self.newer.1 {
            *self = Self::new(now, position);
        }
        if now.saturating_duration_since(self.newer.0) >= WINDOW {
            self.older = self.newer;
            self.newer = (now, position);
        }
        let ms = now.saturating_duration_since(self.older.0).as_millis();
        let done = u128::from(position - self.older.1);
        let rate = (done * 1_000).checked_div(ms).unwrap_or(0);
        let left = u128::from(head.saturating_sub(position));
        let number = |number: u128| u64::try_from(number).unwrap_or(u64::MAX);
        Measured {
            records_per_second: number(rate),
            eta_seconds: (rate > 0).then(|| number(left.div_ceil(rate))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_that_of_the_last_seconds() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut pace = Pace::new(start, 0);
        let said = |rate, eta| Measured {
            records_per_second: rate,
            eta_seconds: eta,
        };
        assert_eq!(pace.measure(start, 0, 1_000), said(0, None));
        assert_eq!(pace.measure(at(1), 100, 1_000), said(100, Some(9)));
        assert_eq!(pace.measure(at(5), 500, 1_000), said(100, Some(5)));
        // Ten times slower from here on: the old pace is forgotten after two windows.
        assert_eq!(pace.measure(at(10), 550, 1_000), said(10, Some(45)));
        assert_eq!(pace.measure(at(15), 600, 1_000), said(10, Some(40)));
        assert_eq!(pace.measure(at(40), 600, 1_000), said(0, None), "it stands still");
        assert_eq!(pace.measure(at(41), 10, 1_000), said(0, None), "another stage");
        assert_eq!(pace.measure(at(43), 1_000, 1_000), said(495, Some(0)));
    }
}

//! When the next cycle begins: early enough that its checkpoint is out when the interval is over.
//!
//! Who appends right after a cycle began waits for the one after it, so for the interval between their beginnings and for
//! the second one's own time. That time is taken off the interval, by what the last cycles took.

use std::time::{Duration, Instant};

/// The most that is taken off, as a part of the interval: a machine that is slow must not be given more to do.
const MOST: u32 = 4;

/// The beginnings of cycles.
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    begun: Option<Instant>,
    /// What a cycle takes, judged by the slowest of the last ones.
    takes: Duration,
}

impl Pace {
    pub(super) const fn new(interval: Duration) -> Self {
        Self {
            interval,
            begun: None,
            takes: Duration::ZERO,
        }
    }

    /// How long until the next cycle may begin.
    pub(super) fn left(&self, now: Instant) -> Duration {
        let Some(begun) = self.begun else { return Duration::ZERO };
        let early = self.takes.min(self.interval / MOST);
        (self.interval - early).saturating_sub(now.saturating_duration_since(begun))
    }

    /// A cycle ran from `begun` to `ended`.
    pub(super) fn ran(&mut self, begun: Instant, ended: Instant) {
        self.begun = Some(begun);
        let took = ended.saturating_duration_since(begun);
        self.takes = took.max(self.takes - self.takes / 8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_first_cycle_begins_at_once_and_the_next_early_by_what_it_took() {
        let start = Instant::now();
        let mut pace = Pace::new(ms(1_000));
        assert_eq!(pace.left(start), ms(0));
        pace.ran(start, start + ms(80));
        assert_eq!(pace.left(start + ms(80)), ms(840));
        assert_eq!(pace.left(start + ms(920)), ms(0));
        assert_eq!(pace.left(start + ms(5_000)), ms(0));
    }

    #[test]
    fn a_slow_cycle_is_remembered_for_a_while_and_never_takes_more_than_a_quarter_off() {
        let start = Instant::now();
        let mut pace = Pace::new(ms(1_000));
        pace.ran(start, start + ms(900));
        assert_eq!(pace.left(start), ms(750));
        pace.ran(start, start + ms(16));
        assert_eq!(pace.left(start), ms(750));
        for _ in 0..100 {
            pace.ran(start, start + ms(16));
        }
        assert_eq!(pace.left(start), ms(984));
    }
}

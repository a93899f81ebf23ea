//! The clock of the sequencer: sequencing times never decrease, and an implausible jump forward is refused.
//!
//! The wall clock may step back (the log's order stays the order of offsets and the last time is used again) but a step
//! forward that the steady clock has not seen would be recorded for ever: so it is refused until the wall clock is right
//! or the log is opened anew. The steady clock counts time in suspend, where the system offers one that does.

use record::Timestamp;

/// Two clocks read together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Wall-clock time.
    pub wall: Timestamp,
    /// Microseconds of a clock that nobody sets.
    pub steady_micros: i64,
}

/// Where time comes from.
pub trait Clock: Send + Sync + 'static {
    /// Both clocks, now.
    fn read(&self) -> Reading;
}

/// The operating system's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is where time enters")]
    fn read(&self) -> Reading {
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        let wall = i64::try_from(since.as_micros()).ok().and_then(Timestamp::from_micros);
        Reading {
            wall: wall.unwrap_or(Timestamp::MAX),
            steady_micros: steady_micros(),
        }
    }
}

#[cfg(target_os = "linux")]
fn steady_micros() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1_000
}

#[cfg(not(target_os = "linux"))]
fn steady_micros() -> i64 {
    use std::sync::OnceLock;
    use std::time::Instant;
    static START: OnceLock<Instant> = OnceLock::new();
    i64::try_from(START.get_or_init(Instant::now).elapsed().as_micros()).unwrap_or(i64::MAX)
}

/// Turns readings into sequencing times.
#[derive(Debug)]
pub(crate) struct Pace {
    anchor: Reading,
    last: Option<Timestamp>,
    max_jump_micros: i64,
}

/// The wall clock is this many seconds ahead of where it can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Jumped {
    pub(crate) seconds: u64,
}

impl Pace {
    /// Starts at `now` behind a log whose last record is of `last`.
    pub(crate) const fn new(now: Reading, last: Option<Timestamp>, max_jump_s: u32) -> Self {
        Self {
            anchor: now,
            last,
            max_jump_micros: max_jump_s as i64 * 1_000_000,
        }
    }

    /// The sequencing time at `now`: the wall clock, but never before the last one.
    pub(crate) fn stamp(&mut self, now: Reading) -> Result<Timestamp, Jumped> {
        let passed = now.wall.micros() - self.anchor.wall.micros();
        let ahead = passed - (now.steady_micros - self.anchor.steady_micros);
        if ahead > self.max_jump_micros {
            return Err(Jumped {
                seconds: u64::try_from(ahead / 1_000_000).unwrap_or(0),
            });
        }
        // Slow drift and small corrections move the anchor, so only a jump counts.
        self.anchor = now;
        let stamp = self.last.map_or(now.wall, |last| last.max(now.wall));
        self.last = Some(stamp);
        Ok(stamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(wall_s: i64, steady_s: i64) -> Reading {
        let wall = Timestamp::from_micros(wall_s * 1_000_000).expect("in range");
        Reading {
            wall,
            steady_micros: steady_s * 1_000_000,
        }
    }

    #[test]
    fn a_step_back_repeats_the_last_time() {
        let mut pace = Pace::new(reading(1_000, 0), None, 300);
        assert_eq!(pace.stamp(reading(1_010, 10)).map(|t| t.micros()), Ok(1_010_000_000));
        assert_eq!(pace.stamp(reading(900, 11)).map(|t| t.micros()), Ok(1_010_000_000));
        assert_eq!(pace.stamp(reading(1_011, 122)).map(|t| t.micros()), Ok(1_011_000_000));
    }

    #[test]
    fn a_jump_forward_is_refused_until_the_clock_is_right() {
        let mut pace = Pace::new(reading(1_000, 0), None, 300);
        assert_eq!(pace.stamp(reading(1_301, 0)), Err(Jumped { seconds: 301 }));
        assert_eq!(pace.stamp(reading(1_300, 0)).map(|t| t.micros()), Ok(1_300_000_000));
        assert_eq!(pace.stamp(reading(500_000, 2)), Err(Jumped { seconds: 498_698 }));
        assert_eq!(pace.stamp(reading(1_303, 3)).map(|t| t.micros()), Ok(1_303_000_000));
    }

    #[test]
    fn a_log_from_the_future_is_continued_at_its_own_time() {
        let mut pace = Pace::new(reading(1_000, 0), Timestamp::from_micros(5_000_000_000), 300);
        assert_eq!(pace.stamp(reading(1_001, 1)).map(|t| t.micros()), Ok(5_000_000_000));
    }
}

//! What a restore leaves in force: an idempotency key alone is not trusted for a day, commands from before are not taken
//! again, and a log that could not be continued is closed for good.
//!
//! Both are marks in `meta`, written before the restored directory becomes a log, so that no start forgets them.

use crate::Error;
use crate::prepare::Prepared;
use crate::store::{Store, name};
use record::Timestamp;

/// How long an idempotency key makes a retry safe.
pub(crate) const GUARD_MICROS: i64 = 24 * 3_600 * 1_000_000;

/// What may be appended beside what the log's state allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// When the log was restored: guards of requests from before may be missing.
    restored_at: Option<Timestamp>,
    closed: bool,
}

impl Standing {
    /// Reads the marks of a store.
    pub(crate) fn read(store: &Store) -> Result<Self, Error> {
        let restored_at = store.meta(name::RESTORED)?.map(|mark| decode(&mark)).transpose()?;
        Ok(Self {
            restored_at,
            closed: store.meta(name::CLOSED)?.is_some(),
        })
    }

    /// Whether a record that is not in the log yet may be appended at `now`.
    pub(crate) fn admit(&self, prepared: &Prepared, now: Timestamp) -> Result<(), ledger_client::Error> {
        if self.closed {
            return Err(ledger_client::Error::Closed);
        }
        let until = self.restored_at.and_then(|at| later(at, GUARD_MICROS));
        match until {
            Some(until) if prepared.needs_guard && now < until => Err(ledger_client::Error::OwnIdRequired { until }),
            _ => Ok(()),
        }
    }

    /// Whether the log was closed for good.
    pub(crate) const fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether the log was restored within the last day: whoever saw more of it may not have been met yet.
    pub(crate) fn is_fresh(&self, now: Timestamp) -> bool {
        let until = self.restored_at.and_then(|at| later(at, GUARD_MICROS));
        until.is_some_and(|until| now < until)
    }

    /// Whether a request of this time may have been carried out by the log that was lost, whose memory of requests is
    /// not restored. `tolerance_micros`: how far the clock of whoever sent it may be ahead.
    pub(crate) fn may_be_repeated(&self, issued_at: Timestamp, tolerance_micros: i64) -> bool {
        let until = self.restored_at.and_then(|at| later(at, tolerance_micros));
        until.is_some_and(|until| issued_at <= until)
    }
}

/// The mark of a log that was restored at `at`.
pub(crate) fn encode(at: Timestamp) -> [u8; 8] {
    at.micros().to_be_bytes()
}

fn later(at: Timestamp, micros: i64) -> Option<Timestamp> {
    Timestamp::from_micros(at.micros().saturating_add(micros))
}

fn decode(mark: &[u8]) -> Result<Timestamp, Error> {
    let wrong = || Error::corrupt("keyspace meta", "the time of the restore is malformed");
    let at = i64::from_be_bytes(mark.try_into().map_err(|_| wrong())?);
    Timestamp::from_micros(at).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros).expect("in range")
    }

    #[test]
    fn only_commands_from_before_a_restore_may_be_repetitions() {
        let restored = Standing {
            restored_at: Some(decode(&encode(at(1_000))).expect("reads")),
            closed: false,
        };
        for (issued, tolerance, may) in [
            (999, 0, true),
            (1_000, 0, true),
            (1_001, 0, false),
            (1_030, 30, true),
            (1_031, 30, false),
        ] {
            assert_eq!(
                restored.may_be_repeated(at(issued), tolerance),
                may,
                "{issued} {tolerance}"
            );
        }
        let never = Standing {
            restored_at: None,
            closed: false,
        };
        assert!(!never.may_be_repeated(at(0), i64::MAX));
    }

    #[test]
    fn a_mark_that_is_no_time_is_damage() {
        for mark in [&b""[..], b"1234567", &i64::MAX.to_be_bytes()] {
            assert!(decode(mark).is_err(), "{mark:?}");
        }
    }
}

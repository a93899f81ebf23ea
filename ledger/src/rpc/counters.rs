//! What the service counts, for metrics: numbers only, never a name or a value.

use ledger_client::Refusal;
use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers since the start of the service.
#[derive(Debug)]
pub struct Counters {
    taken: AtomicU64,
    records: AtomicU64,
    overloaded: AtomicU64,
    dropped: AtomicU64,
    refused: [AtomicU64; Refusal::ALL.len()],
}

/// A reading of the counters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// Requests that passed every check.
    pub taken: u64,
    /// Records in them that were to be appended.
    pub records: u64,
    /// Requests that were refused for want of room.
    pub overloaded: u64,
    /// Messages that could not be answered.
    pub dropped: u64,
    /// Requests that were refused, by reason.
    pub refused: Vec<(Refusal, u64)>,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            taken: AtomicU64::new(0),
            records: AtomicU64::new(0),
            overloaded: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            refused: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl Counters {
    /// All of them, now.
    #[must_use]
    pub fn read(&self) -> Counted {
        let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counted {
            taken: number(&self.taken),
            records: number(&self.records),
            overloaded: number(&self.overloaded),
            dropped: number(&self.dropped),
            refused: Refusal::ALL.into_iter().zip(self.refused.iter().map(number)).collect(),
        }
    }

    pub(super) fn taken(&self) {
        self.taken.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn records(&self, records: usize) {
        self.records.fetch_add(records as u64, Ordering::Relaxed);
    }

    pub(super) fn overloaded(&self) {
        self.overloaded.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn dropped(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refused(&self, refusal: Refusal) {
        let counters = Refusal::ALL.into_iter().zip(&self.refused);
        for (_, counter) in counters.filter(|(known, _)| *known == refusal) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }
}

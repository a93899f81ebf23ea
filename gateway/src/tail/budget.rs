//! How much all streams together may send: what they take from the machine is bounded, and appends keep theirs.
//!
//! Every piece moves the time at which the next one may be made, for all readers alike. A reader whose turn has not come
//! waits, and takes a larger piece then; one that cannot keep up on its share falls behind the ring, like a slow one.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// What may be sent at once after a pause.
const BURST: Duration = Duration::from_millis(250);

/// The budget of a gateway's streams.
pub(super) struct Budget {
    bytes_per_second: u64,
    /// When everything that was sent is paid for.
    paid: Mutex<Instant>,
}

impl Budget {
    /// A budget of so many bytes a second.
    pub(super) fn new(bytes_per_second: u64) -> Self {
        Self {
            bytes_per_second: bytes_per_second.max(1),
            paid: Mutex::new(Instant::now()),
        }
    }

    /// Pays for a piece of `bytes` and says when its reader may take the next one.
    pub(super) fn pay(&self, bytes: usize) -> Instant {
        let micros = (bytes as u64).saturating_mul(1_000_000) / self.bytes_per_second;
        let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        *paid = (*paid).max(Instant::now()) + Duration::from_micros(micros);
        // A turn that has come is no waiting at all.
        *paid - BURST.min(paid.duration_since(Instant::now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn readers_share_what_there_is() {
        let budget = Budget::new(1_000_000);
        let began = Instant::now();
        // A burst is free of waiting, and then each piece has its turn.
        let turns: Vec<Duration> = (0..10).map(|_| budget.pay(100_000).duration_since(began)).collect();
        assert!(turns.iter().take(2).all(Duration::is_zero), "{turns:?}");
        assert_eq!(turns.last(), Some(&Duration::from_millis(750)));
        tokio::time::sleep(Duration::from_secs(60)).await; // waits for: the paused clock
        let later = budget.pay(100_000);
        assert!(later <= Instant::now(), "a pause is not saved up, and not punished");
        let large = budget.pay(10_000_000).duration_since(Instant::now());
        assert!(
            (Duration::from_secs(9)..=Duration::from_secs(11)).contains(&large),
            "{large:?}"
        );
    }
}

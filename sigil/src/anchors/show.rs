//! How the anchors are, in metrics.

use domain::payload::AnchorKind;
use gateway::ops::{Board, Kind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What one anchor has done.
#[derive(Debug)]
pub(super) struct Standing {
    kind: AnchorKind,
    anchored: AtomicU64,
    failed: AtomicU64,
    /// Records that the newest anchored checkpoint covers; 0 for none.
    size: AtomicU64,
    /// When it was anchored, in seconds since the Unix epoch; 0 for never.
    last: AtomicU64,
}

impl Standing {
    /// Nothing yet.
    pub(super) fn of(kind: AnchorKind) -> Arc<Self> {
        Arc::new(Self {
            kind,
            anchored: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            size: AtomicU64::new(0),
            last: AtomicU64::new(0),
        })
    }

    /// A checkpoint is anchored.
    pub(super) fn succeeded(&self) {
        self.anchored.fetch_add(1, Ordering::Relaxed);
    }

    /// One is not.
    pub(super) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// The newest one that is, from this process or one before.
    pub(super) fn reached(&self, size: u64, micros: i64) {
        self.size.store(size, Ordering::Relaxed);
        let seconds = u64::try_from(micros.div_euclid(1_000_000)).unwrap_or_default();
        self.last.store(seconds, Ordering::Relaxed);
    }
}

/// Shows numbers for alerts.
pub(super) fn meters(board: &Board, standings: &[Arc<Standing>]) {
    let counts = "Checkpoints that were given to an anchor, by result.";
    for standing in standings {
        let kind = standing.kind.as_str();
        let from = Arc::clone(standing);
        let name = format!("anchors_total{{anchor=\"{kind}\",result=\"anchored\"}}");
        board.meter(name, Kind::Counter, counts, move || {
            Some(from.anchored.load(Ordering::Relaxed) as f64)
        });
        let from = Arc::clone(standing);
        let name = format!("anchors_total{{anchor=\"{kind}\",result=\"failed\"}}");
        board.meter(name, Kind::Counter, counts, move || {
            Some(from.failed.load(Ordering::Relaxed) as f64)
        });
    }
    for standing in standings {
        let from = Arc::clone(standing);
        let name = format!("anchored_size{{anchor=\"{}\"}}", standing.kind.as_str());
        let text = "Records that the newest anchored checkpoint covers.";
        board.meter(name, Kind::Gauge, text, move || {
            Some(from.size.load(Ordering::Relaxed) as f64).filter(|size| *size > 0.0)
        });
    }
    for standing in standings {
        let from = Arc::clone(standing);
        let name = format!("anchor_last_success_seconds{{anchor=\"{}\"}}", standing.kind.as_str());
        let text = "When a checkpoint was last anchored, in seconds since the Unix epoch.";
        board.meter(name, Kind::Gauge, text, move || {
            Some(from.last.load(Ordering::Relaxed) as f64).filter(|time| *time > 0.0)
        });
    }
}

//! What an earlier process has anchored, by the end of the log.

use super::{Keeper, PAGE};
use crate::anchors::Target;
use domain::payload::{AnchorKind, CheckpointAnchorFailed, CheckpointAnchored};
use ledger::{Clock as _, SystemClock};
use ledger_client::LedgerClient as _;
use record::{Record, Timestamp};
use std::time::Duration;

/// How many records are looked at; what lies further back is anchored again, which does no harm.
const LOOKED_AT: u64 = 4_096;

/// What the log says of an anchor.
enum Said {
    Anchored(u64, Timestamp),
    Failed,
}

impl Keeper {
    /// Finds out from the end of the log what this anchor has; gives how long the next checkpoint waits.
    pub(in crate::anchors) async fn resume(&mut self) -> Duration {
        let mut until = *self.handle.committed().borrow();
        let least = until.saturating_sub(LOOKED_AT);
        let mut is_newest = true;
        while until > least {
            let from = until.saturating_sub(PAGE).max(least);
            // Who cannot read now anchors at once, which does no harm.
            let Ok(records) = self.records(from, until).await else {
                break;
            };
            for record in records.iter().rev() {
                match self.said(record) {
                    Some(Said::Anchored(size, at)) => {
                        self.reach(size, at);
                        let passed = SystemClock.read().wall.micros().saturating_sub(at.micros());
                        let passed = Duration::from_micros(u64::try_from(passed).unwrap_or_default());
                        return self.every.saturating_sub(passed);
                    }
                    Some(Said::Failed) if is_newest => (self.failing, is_newest) = (true, false),
                    Some(Said::Failed) | None => {}
                }
            }
            until = from;
        }
        Duration::ZERO
    }

    /// What a record says of this anchor.
    fn said(&self, record: &Record) -> Option<Said> {
        let is_ours = |kind: AnchorKind, place: &str| {
            kind == self.target.kind()
                && match &self.target {
                    // Another directory has nothing of what the one before had.
                    Target::Dir(dir) => dir.has(place),
                    Target::Https(https) => https.place() == place,
                }
        };
        match record.kind.as_str() {
            "checkpoint.anchored" => {
                let said: CheckpointAnchored = serde_json::from_value(record.payload.clone()).ok()?;
                let at = Timestamp::parse(&said.anchored_at)?;
                is_ours(said.anchor, &said.place).then_some(Said::Anchored(said.size, at))
            }
            "checkpoint.anchor_failed" => {
                let said: CheckpointAnchorFailed = serde_json::from_value(record.payload.clone()).ok()?;
                let same = said.anchor == self.target.kind() && said.place == self.target.place();
                same.then_some(Said::Failed)
            }
            _ => None,
        }
    }
}

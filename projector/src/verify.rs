//! The comparison of a read model with a replay of the log, at one position, while the read model moves on.
//!
//! The position is pinned by one snapshot that reads every row. The log up to exactly there is replayed into a scratch
//! read model, every record checked, and the two digests are compared. When they differ, a second look names the rows:
//! those in the differing buckets are read again, the replay is brought to the position of that snapshot, and what is
//! there only once, or differently, is damaged. A row that was written anew in between is whole again, and only its
//! bucket is named. Nothing is locked, and nothing is repaired: that is what a rebuild is for.

use crate::digest::{Difference, Digester, Row};
use crate::query::Pending;
use crate::{Cancel, Error, Progress, ReadModel, Source, Stage, Trigger};
use futures_util::future::{Either, select};
use record::Hash;
use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;

/// Damaged rows that are named at most; all of them are counted.
pub const NAMED_ROWS: usize = 100;
/// Differing buckets whose rows are looked at.
const BUCKETS: usize = 32;

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// Number of records that both had applied.
    pub position: u64,
    /// Digest of the read model.
    pub digest: Hash,
    /// Digest of the replay.
    pub replayed: Hash,
    /// Parked records that the read model had at that position.
    pub parked: u64,
    /// The buckets that differ.
    pub differences: Vec<Difference>,
    /// The damaged rows that were found in them, by table and key; the first [`NAMED_ROWS`].
    pub rows: Vec<Damage>,
    /// Number of damaged rows that were found.
    pub damaged: u64,
    /// Whether buckets were left out of the look at rows, because there were too many.
    pub cut: bool,
}

/// One damaged row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Damage {
    /// The table.
    pub table: &'static str,
    /// The bucket that it falls into.
    pub bucket: u64,
    /// The row's key, a JSON array in the form of the digest.
    pub key: String,
    /// What is wrong with it.
    pub what: What,
}

/// What is wrong with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// The log gives it, the read model lacks it.
    Missing,
    /// The read model has it, the log does not give it.
    Extra,
    /// Both have it, and its columns differ.
    Changed,
}

impl Verification {
    /// Whether the read model is what the log gives.
    #[must_use]
    pub fn equal(&self) -> bool {
        self.differences.is_empty() && self.digest == self.replayed
    }
}

impl What {
    /// One word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::Changed => "changed",
        }
    }
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {}", self.table, self.key, self.what.as_str())
    }
}

/// Compares `live` with a replay of `source` in `scratch`, an empty read model of the same log. `scratch` may be another
/// engine: the digests are the same.
///
/// # Errors
/// [`Error::Cancelled`]; [`Error::LogBehind`] when the log is shorter than the read model; what a record of the log
/// fails with; [`Error::Database`], [`Error::Source`], [`Error::Damaged`] when a table cannot even be read.
pub async fn verify(
    live: &dyn ReadModel,
    scratch: &dyn ReadModel,
    source: &mut dyn Source,
    progress: &mut (dyn FnMut(Progress) + Send),
    cancel: &Cancel,
) -> Result<Verification, Error> {
    let work = compare(live, scratch, source, progress, cancel);
    cancel.guard(work).await.unwrap_or(Err(Error::Cancelled))
}

async fn compare(
    live: &dyn ReadModel,
    scratch: &dyn ReadModel,
    source: &mut dyn Source,
    progress: &mut (dyn FnMut(Progress) + Send),
    cancel: &Cancel,
) -> Result<Verification, Error> {
    let (mut digester, mut parked) = (Digester::default(), 0_u64);
    let mut read = |row: &Row<'_>| {
        parked += u64::from(row.table == "parked");
        digester.add(row);
    };
    let position = live.scan(&mut read).await?;
    let digest = digester.finish();
    let head = source.head().await?;
    if head < position {
        return Err(Error::LogBehind { position, head });
    }
    let mut pinned = Until {
        source,
        until: position,
    };
    scratch.rebuild(&mut pinned, progress, cancel).await?;
    progress(Progress {
        stage: Stage::Comparing,
        position,
        head: position,
    });
    let (_, replayed) = scratch.digest().await?;
    let mut verification = Verification {
        position,
        digest: digest.value(),
        replayed: replayed.value(),
        parked,
        differences: digest.differences(&replayed),
        rows: Vec::new(),
        damaged: 0,
        cut: false,
    };
    if !verification.differences.is_empty() {
        name_rows(&mut verification, live, scratch, pinned.source).await?;
    }
    Ok(verification)
}

/// Bucket and key of a row, by table.
type Place = (&'static str, u64, String);

/// Fills in which rows are damaged.
async fn name_rows(
    verification: &mut Verification,
    live: &dyn ReadModel,
    scratch: &dyn ReadModel,
    source: &mut dyn Source,
) -> Result<(), Error> {
    let chosen: Vec<Difference> = verification.differences.iter().copied().take(BUCKETS).collect();
    verification.cut = chosen.len() < verification.differences.len();
    let (found, position) = rows_in(live, &chosen).await?;
    advance(scratch, source, position).await?;
    let (expected, _) = rows_in(scratch, &chosen).await?;
    let damage = |(place, what): (&Place, What)| Damage {
        table: place.0,
        bucket: place.1,
        key: place.2.clone(),
        what,
    };
    let in_live = found.iter().filter_map(|(place, hash)| match expected.get(place) {
        None => Some((place, What::Extra)),
        Some(other) if other != hash => Some((place, What::Changed)),
        Some(_) => None,
    });
    let lacking = expected.keys().filter(|place| !found.contains_key(*place));
    let mut rows: Vec<Damage> = in_live
        .chain(lacking.map(|place| (place, What::Missing)))
        .map(damage)
        .collect();
    rows.sort_unstable_by(|one, other| by_place(one).cmp(&by_place(other)));
    verification.damaged = rows.len() as u64;
    rows.truncate(NAMED_ROWS);
    verification.rows = rows;
    Ok(())
}

/// Keys are arrays of decimal strings or texts: the shorter number is the smaller one.
fn by_place(damage: &Damage) -> (&'static str, u64, usize, &str) {
    (damage.table, damage.bucket, damage.key.len(), &damage.key)
}

/// The rows that fall into `buckets`, by key, and the position of the snapshot that they were read in.
async fn rows_in(model: &dyn ReadModel, buckets: &[Difference]) -> Result<(HashMap<Place, Hash>, u64), Error> {
    let mut rows = HashMap::new();
    let mut keep = |row: &Row<'_>| {
        let (table, bucket) = (row.table, row.bucket());
        if buckets.contains(&Difference { table, bucket }) {
            rows.insert((table, bucket, row.key()), row.hash());
        }
    };
    let position = model.scan(&mut keep).await?;
    Ok((rows, position))
}

/// Brings `scratch` to exactly `until`.
async fn advance(scratch: &dyn ReadModel, source: &mut dyn Source, until: u64) -> Result<(), Error> {
    let (trigger, stop) = Trigger::new();
    let mut positions = scratch.positions();
    let mut pinned = Until { source, until };
    let running = scratch.run(&mut pinned, &stop);
    let reached = pin!(async { positions.wait_for(|position| *position >= until).await.map(drop) });
    match select(running, reached).await {
        Either::Left((ended, _)) => ended,
        Either::Right((_, running)) => {
            trigger.cancel();
            running.await
        }
    }
}

/// A log that ends at `until`, whatever `source` has after it.
struct Until<'a> {
    source: &'a mut dyn Source,
    until: u64,
}

impl Source for Until<'_> {
    fn next(&mut self, from: u64) -> Pending<'_, Vec<Arc<[u8]>>> {
        Box::pin(async move {
            let left = usize::try_from(self.until.saturating_sub(from)).unwrap_or(usize::MAX);
            if left == 0 {
                return std::future::pending().await;
            }
            let mut records = self.source.next(from).await?;
            records.truncate(left);
            Ok(records)
        })
    }

    fn head(&mut self) -> Pending<'_, u64> {
        Box::pin(async move { Ok(self.source.head().await?.min(self.until)) })
    }
}

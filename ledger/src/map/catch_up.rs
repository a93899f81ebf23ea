//! Bringing the maps up to a state of the log: after a crash, after a time without maps, and after they were lost.
//!
//! A state of the store holds the heads of all timelines as of its last record. So positions and nodes are read from the
//! blocks behind the cursor, and heads from `heads`: no old frontier is needed. On the way heads are newer than the
//! records taken in, and a version written there is not whole; the last one is.

use super::delta::ROWS;
use super::pending::Pending;
use super::writer::Writer;
use crate::engine::{Shared, Tip};
use crate::prepare::{map_key, timeline_names};
use crate::store::{View, block_key, name};
use crate::{Error, recovery};
use domain::state::Body;
use tlog::{hash_leaf, timeline_entry};

/// Leaves of timelines after which a version is written on the way.
pub(super) const STEP: usize = 65_536;

/// A state of the log that the maps have been brought up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reached {
    /// Its end; `None` for a log without records.
    pub(super) tip: Option<Tip>,
    /// Behind the last record that is not a `ledger.map_root`, as far as it is not below `since`.
    pub(super) others: u64,
    /// Number of records that the newest of these roots covers, as far as one lies at or above `since`.
    pub(super) named: Option<u64>,
}

/// Brings the maps up to the state of the log that is committed now. `since`: offset from which on it is looked for
/// records that are not map roots. `go_on` is asked at every version on the way; when it says no, `None`.
pub(super) fn catch_up(
    shared: &Shared,
    writer: &mut Writer,
    since: u64,
    go_on: &mut impl FnMut() -> bool,
) -> Result<Option<Reached>, Error> {
    let view = shared.store.view();
    let tip = tip(&view)?;
    let size = tip.map_or(0, |tip| tip.size);
    if writer.cursor() > size {
        return Err(Error::LogBehind {
            expected: writer.cursor(),
            found: size,
            detail: "the map of timelines covers more records".to_owned(),
        });
    }
    let (mut pending, mut others, mut named) = (Pending::default(), 0, None);
    let from = since.min(writer.cursor());
    let start = view.block_start(from)?.unwrap_or(0);
    for entry in view.log_from(start) {
        let (key, sealed) = entry?;
        let first = block_key(&key)?;
        for (stored, offset) in shared.decoder().block(first, &sealed)?.iter().zip(first..) {
            let record = recovery::parse(&stored.bytes, offset)?;
            if offset >= since {
                match map_root(&record, offset)? {
                    Some(size) => named = Some(size),
                    None => others = offset + 1,
                }
            }
            if offset < writer.cursor() {
                continue;
            }
            let leaf = hash_leaf(&timeline_entry(record.hash.as_bytes()));
            let names = timeline_names(record.kind.as_str(), &record.links);
            for ((label, target), entry) in names.zip(&stored.timelines) {
                let timeline = shared.preparer.index.timeline(&record.tenant, label, target);
                let completed = entry.completed.iter().skip(ROWS as usize - 1).step_by(ROWS as usize);
                let name = (&record.tenant, map_key(label, target));
                pending.add(timeline, name, (entry.position, leaf), completed.copied());
            }
            if pending.len() >= STEP && offset + 1 < size {
                pending.set_frontiers(|timeline| view.head(timeline))?;
                writer.write(offset + 1, false, &mut pending)?;
                if !go_on() {
                    return Ok(None);
                }
            }
        }
    }
    if pending.len() > 0 {
        pending.set_frontiers(|timeline| view.head(timeline))?;
        writer.write(size, true, &mut pending)?;
    }
    Ok(Some(Reached { tip, others, named }))
}

fn tip(view: &View) -> Result<Option<Tip>, Error> {
    let bytes = view.meta(name::TIP)?;
    let decode =
        |bytes: Vec<u8>| Tip::decode(&bytes).ok_or_else(|| Error::corrupt("keyspace meta", "the tip is malformed"));
    bytes.map(decode).transpose()
}

/// Number of records that a map root covers; `None` for any other record.
fn map_root(record: &record::Record, offset: u64) -> Result<Option<u64>, Error> {
    let body = Body::of(record)
        .map_err(|error| Error::corrupt(format!("the record at offset {offset}"), error.to_string()))?;
    Ok(match body {
        Body::MapRoot(root) => Some(root.size),
        _ => None,
    })
}

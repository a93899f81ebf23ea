//! The changes of a batch by table, ready to be written.

use crate::{CanonRow, Change, LinkRow, ParkedRow, RecordRow, TimelineRow};
use record::Tenant;
use std::collections::BTreeMap;

/// The rows of a batch, by table and in the order of the records.
#[derive(Debug, Default)]
pub struct Rows {
    /// New rows of `records`.
    pub records: Vec<RecordRow>,
    /// New rows of `timeline`.
    pub timeline: Vec<TimelineRow>,
    /// New rows of `links`, still without their places.
    pub links: Vec<LinkRow>,
    /// Rows of `canon_entries`, one per key.
    pub canon: Vec<CanonRow>,
    /// New rows of `parked`.
    pub parked: Vec<ParkedRow>,
}

impl Rows {
    /// Sorts `changes` by table.
    #[must_use]
    pub fn of(changes: Vec<Change>) -> Self {
        let mut rows = Self::default();
        let mut canon: BTreeMap<(Tenant, String), CanonRow> = BTreeMap::new();
        for change in changes {
            match change {
                Change::Record(row) => rows.records.push(row),
                Change::Timeline(row) => rows.timeline.push(row),
                Change::Link(row) => rows.links.push(row),
                Change::Parked(row) => rows.parked.push(row),
                // The newest write of a key counts, and it comes last.
                Change::Canon(row) => drop(canon.insert((row.tenant.clone(), row.key.clone()), row)),
            }
        }
        rows.canon = canon.into_values().collect();
        rows
    }
}

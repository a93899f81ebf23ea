//! `project`: what one record changes in the tables of a read model.
//!
//! Pure and total: no clock, no randomness, no I/O, no float arithmetic; a record that passed its checks always has its
//! changes. [`park`] is the same for a record whose payload this build cannot read: the record, its timelines and a row
//! that says why, and nothing that only the payload could tell. What depends on the records before it (the id of a timeline, a position in it) is the applier's to fill in,
//! by the order of the changes alone.

use record::link::TIMELINE_LABELS;
use record::{Fault, Hash, Kind, Record, RecordId, Tenant, Timestamp, canonical};
use serde_json::Value;

/// Version of [`project`] and of the tables. A read model of another version is rebuilt.
pub const PROJECTION_VERSION: u32 = 1;

/// Bytes of [`ParkedRow::detail`] at most.
pub const PARKED_DETAIL: usize = 512;

/// One row that a record adds or replaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A row of `records`.
    Record(RecordRow),
    /// A row of `timeline`.
    Timeline(TimelineRow),
    /// A row of `links`, and where it is the first of its timeline, one of `timelines`.
    Link(LinkRow),
    /// A row of `canon_entries`, in place of an older one with the same tenant and key.
    Canon(CanonRow),
    /// A row of `parked`. The record's other rows come as [`park`] makes them.
    Parked(ParkedRow),
}

/// A record that passed every check but one: its payload is not one that this build can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedRow {
    /// Global position.
    pub offset: u64,
    /// Whose record.
    pub tenant: Tenant,
    /// The kind that it claims.
    pub kind: Kind,
    /// The version of that kind's payload.
    pub schema_version: u32,
    /// Why, as in an error: `KIND_UNKNOWN`, `SCHEMA_VERSION_UNKNOWN`, `SCHEMA_INVALID`.
    pub code: String,
    /// What was found and what was expected, without the values; at most [`PARKED_DETAIL`] bytes. No part of the digest.
    pub detail: String,
    /// [`PROJECTION_VERSION`] of the build that parked it. No part of the digest.
    pub version: u32,
}

/// The record itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordRow {
    /// Global position.
    pub offset: u64,
    /// Whose record.
    pub tenant: Tenant,
    /// Position in the tenant's chain.
    pub seq: u64,
    /// Unique within the tenant.
    pub id: RecordId,
    /// The kind.
    pub kind: Kind,
    /// The record's hash.
    pub hash: Hash,
    /// Canonical bytes.
    pub bytes: Vec<u8>,
}

/// What timelines are filtered and sorted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineRow {
    /// Global position.
    pub offset: u64,
    /// Whose record.
    pub tenant: Tenant,
    /// The kind.
    pub kind: Kind,
    /// When it happened: `occurred_at` of an audit event where it is a time, else the sequencing time.
    pub at: Timestamp,
    /// Sequencing time.
    pub ts: Timestamp,
    /// `action` of an audit event.
    pub action: Option<String>,
    /// `outcome` of an audit event.
    pub outcome: Option<String>,
}

/// The name of a timeline.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TimelineKey {
    /// Whose timeline.
    pub tenant: Tenant,
    /// One of [`TIMELINE_LABELS`].
    pub label: &'static str,
    /// The link's target; for the label `kind` the bare kind.
    pub target: String,
}

/// One record in one timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkRow {
    /// Which timeline.
    pub timeline: TimelineKey,
    /// Global position.
    pub offset: u64,
    /// As [`TimelineRow::at`].
    pub at: Timestamp,
}

/// The newest write of a canon key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanonRow {
    /// Whose canon.
    pub tenant: Tenant,
    /// The key.
    pub key: String,
    /// Canonical bytes of the value.
    pub value: Vec<u8>,
    /// Level of assurance a reader needs.
    pub min_loa: u8,
    /// Offset of the record that wrote it.
    pub offset: u64,
}

/// The changes of one record: the record, its timeline row, its links (`kind` first, then in the record's order), and
/// what its kind adds.
#[must_use]
pub fn project(record: &Record) -> Vec<Change> {
    let mut changes = envelope_changes(record, timeline_row(record));
    changes.extend(canon_row(record).map(Change::Canon));
    changes
}

/// The changes of a record whose payload was refused: what its envelope says, and the row that says what is missing. It
/// happened when it was recorded, for all that is known.
#[must_use]
pub fn park(record: &Record, refusal: &Fault) -> Vec<Change> {
    let row = TimelineRow {
        offset: record.offset,
        tenant: record.tenant.clone(),
        kind: record.kind.clone(),
        at: record.ts,
        ts: record.ts,
        action: None,
        outcome: None,
    };
    let mut changes = envelope_changes(record, row);
    changes.push(Change::Parked(parked_row(record, refusal)));
    changes
}

fn envelope_changes(record: &Record, row: TimelineRow) -> Vec<Change> {
    let mut changes = Vec::with_capacity(record.links.len() + 4);
    changes.push(Change::Record(RecordRow {
        offset: record.offset,
        tenant: record.tenant.clone(),
        seq: record.seq,
        id: record.id,
        kind: record.kind.clone(),
        hash: record.hash,
        bytes: record.bytes().to_vec(),
    }));
    changes.extend(link_rows(record, row.at).map(Change::Link));
    changes.push(Change::Timeline(row));
    changes
}

pub(crate) fn parked_row(record: &Record, refusal: &Fault) -> ParkedRow {
    let mut detail = if refusal.pointer.is_empty() {
        refusal.detail.clone()
    } else {
        format!("{}: {}", refusal.pointer, refusal.detail)
    };
    detail.truncate(detail.floor_char_boundary(PARKED_DETAIL));
    ParkedRow {
        offset: record.offset,
        tenant: record.tenant.clone(),
        kind: record.kind.clone(),
        schema_version: record.schema_version,
        code: refusal.code.as_str().to_owned(),
        detail,
        version: PROJECTION_VERSION,
    }
}

fn timeline_row(record: &Record) -> TimelineRow {
    let event = record.kind.as_str() == "audit.event";
    let text = |name: &str| record.payload.get(name).and_then(Value::as_str).filter(|_| event);
    TimelineRow {
        offset: record.offset,
        tenant: record.tenant.clone(),
        kind: record.kind.clone(),
        at: text("occurred_at").and_then(Timestamp::parse).unwrap_or(record.ts),
        ts: record.ts,
        action: text("action").map(str::to_owned),
        outcome: text("outcome").map(str::to_owned),
    }
}

fn link_rows(record: &Record, at: Timestamp) -> impl Iterator<Item = LinkRow> {
    let kind = std::iter::once(("kind", record.kind.as_str()));
    let links = record.links.iter().map(|link| (link.label(), link.target()));
    kind.chain(links).filter_map(move |(label, target)| {
        let label = TIMELINE_LABELS.into_iter().find(|known| *known == label)?;
        let timeline = TimelineKey {
            tenant: record.tenant.clone(),
            label,
            target: target.to_owned(),
        };
        Some(LinkRow {
            timeline,
            offset: record.offset,
            at,
        })
    })
}

fn canon_row(record: &Record) -> Option<CanonRow> {
    if record.kind.as_str() != "canon.user.write" {
        return None;
    }
    Some(CanonRow {
        tenant: record.tenant.clone(),
        key: record.payload.get("key")?.as_str()?.to_owned(),
        value: canonical::to_vec(record.payload.get("value")?),
        min_loa: u8::try_from(record.payload.get("min_loa")?.as_u64()?).ok()?,
        offset: record.offset,
    })
}

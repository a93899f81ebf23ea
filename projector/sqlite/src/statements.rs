//! Every fixed SQL statement of this crate, and how the multi-row ones are put together.
//!
//! Values are always bound parameters. A test prepares each of these against a freshly migrated database. The pages of
//! a timeline are the one thing built elsewhere ([`crate::page`]): their conditions are the caller's.

use std::sync::OnceLock;

/// Rows of one multi-row statement, largest first: any number of rows is a few of these, and few texts stay prepared.
pub const CHUNKS: [usize; 4] = [256, 32, 4, 1];

/// Log, position and version of the read model.
pub const SELECT_STATE: &str = "SELECT log, position, version FROM projection_state WHERE name = 'timeline'";

/// The state of a read model that has applied nothing.
pub const INSERT_STATE: &str =
    "INSERT INTO projection_state (name, log, position, version) VALUES ('timeline', ?, 0, ?)";

/// Moves the position from where a batch starts to where it ends; no row changes when it is elsewhere.
pub const ADVANCE: &str = "UPDATE projection_state SET position = ? WHERE name = 'timeline' AND position = ?";

/// Number of records applied.
pub const SELECT_POSITION: &str = "SELECT position FROM projection_state WHERE name = 'timeline'";

/// The last offset of the tables that have a row per record.
pub const SELECT_LAST: &str =
    "SELECT (SELECT max(offset) FROM records), (SELECT max(offset) FROM timeline), (SELECT max(offset) FROM links)";

/// The last sequencing time.
pub const SELECT_LAST_TS: &str = "SELECT ts FROM timeline ORDER BY offset DESC LIMIT 1";

/// The id that the next new timeline gets.
pub const SELECT_NEXT_TIMELINE: &str = "SELECT coalesce(max(id) + 1, 0) FROM timelines";

/// The end of every tenant's chain: one index step per tenant, not one per record.
pub const SELECT_CHAINS: &str = "
    WITH RECURSIVE tenants (tenant) AS (
        SELECT min(tenant) FROM records
        UNION ALL
        SELECT (SELECT min(r.tenant) FROM records r WHERE r.tenant > tenants.tenant) FROM tenants
        WHERE tenants.tenant IS NOT NULL
    )
    SELECT r.tenant, r.seq, r.hash FROM tenants CROSS JOIN records r
    WHERE r.tenant = tenants.tenant
      AND r.seq = (SELECT max(m.seq) FROM records m WHERE m.tenant = tenants.tenant)";

/// The records that set keys, in the order of the log.
pub const SELECT_KEY_RECORDS: &str = "
    SELECT r.bytes FROM timelines t CROSS JOIN links l ON l.timeline = t.id CROSS JOIN records r ON r.offset = l.offset
    WHERE t.tenant = 'sigil-ledger' AND t.label = 'kind' AND t.target IN ('ledger.genesis', 'key.rotated')
    ORDER BY r.offset";

/// A record by its id.
pub const SELECT_RECORD: &str = "
    SELECT r.offset, t.at, r.bytes FROM records r CROSS JOIN timeline t ON t.offset = r.offset
    WHERE r.tenant = ? AND r.id = ?";

/// A record by its position in the tenant's chain.
pub const SELECT_RECORD_AT: &str = "
    SELECT r.offset, t.at, r.bytes FROM records r CROSS JOIN timeline t ON t.offset = r.offset
    WHERE r.tenant = ? AND r.seq = ?";

/// The newest write of a canon key.
pub const SELECT_CANON: &str = "SELECT value, min_loa, offset FROM canon_entries WHERE tenant = ? AND key = ?";

/// One timeline of the dictionary.
pub const SELECT_TIMELINE: &str = "SELECT id, count FROM timelines WHERE tenant = ? AND label = ? AND target = ?";

/// The first offset, from 0 to the position (second parameter), whose sequencing time is not below the first parameter.
/// Sequencing times never decrease and offsets have no gap, so halving finds it without an index.
pub const SELECT_OFFSET_OF_TS: &str = "
    WITH RECURSIVE half (wanted, low, high) AS (
        SELECT ?, 0, ?
        UNION ALL
        SELECT wanted,
               CASE WHEN t.ts < wanted THEN (low + high) / 2 + 1 ELSE low END,
               CASE WHEN t.ts < wanted THEN high ELSE (low + high) / 2 END
        FROM half CROSS JOIN timeline t ON t.offset = (low + high) / 2
        WHERE low < high
    )
    SELECT low FROM half WHERE low >= high";

/// Indexes that a rebuild creates after its rows; the dictionary's is needed to find timelines while loading.
pub const SELECT_LATE_INDEXES: &str = "
    SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL AND name <> 'timelines_key'
    ORDER BY rowid";

/// Number of parked records of one tenant.
pub const COUNT_PARKED_OF: &str = "SELECT count(*) FROM parked WHERE tenant = ?";

/// Number of parked records.
pub const COUNT_PARKED: &str = "SELECT count(*) FROM parked";

/// Parked records from an offset on.
pub const SELECT_PARKED: &str = "
    SELECT offset, tenant, kind, schema_version, code, detail, version FROM parked
    WHERE offset >= ? ORDER BY offset LIMIT ?";

/// Parked records from an offset on, with their canonical bytes.
pub const SELECT_PARKED_BYTES: &str = "
    SELECT p.offset, r.bytes FROM parked p CROSS JOIN records r ON r.offset = p.offset
    WHERE p.offset >= ? ORDER BY p.offset LIMIT ?";

/// What the payload of a record that was parked says in `timeline`.
pub const FILL_TIMELINE: &str = "UPDATE timeline SET at = ?, action = ?, outcome = ? WHERE offset = ?";

/// When a record that was parked happened, in each of its timelines.
pub const FILL_LINKS: &str = "UPDATE links SET at = ? WHERE offset = ?";

/// Why a record is still parked.
pub const KEEP_PARKED: &str = "UPDATE parked SET code = ?, detail = ?, version = ? WHERE offset = ?";

/// The record is parked no more.
pub const UNPARK: &str = "DELETE FROM parked WHERE offset = ?";

/// The rows of `records`, for the digest.
pub const SCAN_RECORDS: &str = "SELECT offset, tenant, seq, id, kind, hash, bytes FROM records ORDER BY offset";
/// The rows of `timeline`, for the digest.
pub const SCAN_TIMELINE: &str = "SELECT offset, tenant, kind, at, ts, action, outcome FROM timeline ORDER BY offset";
/// The rows of `links`, for the digest: by offset, so that one bucket is open at a time.
pub const SCAN_LINKS: &str = "SELECT timeline, offset, position, at FROM links INDEXED BY links_offset ORDER BY offset";
/// The rows of `timelines`, for the digest.
pub const SCAN_TIMELINES: &str = "SELECT id, tenant, label, target, count FROM timelines ORDER BY id";
/// The rows of `canon_entries`, for the digest.
pub const SCAN_CANON: &str = "SELECT tenant, key, value, min_loa, offset FROM canon_entries ORDER BY tenant, key";

/// The rows of `parked`, for the digest: without its words for people.
pub const SCAN_PARKED: &str = "SELECT offset, tenant, kind, schema_version, code FROM parked ORDER BY offset";

/// All of the above.
pub const FIXED: [&str; 29] = [
    SELECT_STATE,
    INSERT_STATE,
    ADVANCE,
    SELECT_POSITION,
    SELECT_LAST,
    SELECT_LAST_TS,
    SELECT_NEXT_TIMELINE,
    SELECT_CHAINS,
    SELECT_KEY_RECORDS,
    SELECT_RECORD,
    SELECT_RECORD_AT,
    SELECT_CANON,
    SELECT_TIMELINE,
    SELECT_OFFSET_OF_TS,
    SELECT_LATE_INDEXES,
    COUNT_PARKED_OF,
    COUNT_PARKED,
    SELECT_PARKED,
    SELECT_PARKED_BYTES,
    FILL_TIMELINE,
    FILL_LINKS,
    KEEP_PARKED,
    UNPARK,
    SCAN_RECORDS,
    SCAN_TIMELINE,
    SCAN_LINKS,
    SCAN_TIMELINES,
    SCAN_CANON,
    SCAN_PARKED,
];

/// A statement with a list of rows in its middle, one text per size of [`CHUNKS`].
pub struct MultiRow {
    head: &'static str,
    row: &'static str,
    tail: &'static str,
    texts: OnceLock<[String; CHUNKS.len()]>,
}

impl MultiRow {
    const fn new(head: &'static str, row: &'static str, tail: &'static str) -> Self {
        Self {
            head,
            row,
            tail,
            texts: OnceLock::new(),
        }
    }

    /// The sizes of chunks with their texts, largest first.
    pub fn chunks(&'static self) -> impl Iterator<Item = (usize, &'static str)> {
        let text = |rows: usize| format!("{}{}{}", self.head, vec![self.row; rows].join(","), self.tail);
        let texts = self.texts.get_or_init(|| CHUNKS.map(text));
        CHUNKS.into_iter().zip(texts.iter().map(String::as_str))
    }
}

/// New rows of `records`.
pub static INSERT_RECORDS: MultiRow = MultiRow::new(
    "INSERT INTO records (offset, tenant, seq, id, kind, hash, bytes) VALUES ",
    "(?,?,?,?,?,?,?)",
    "",
);

/// New rows of `timeline`.
pub static INSERT_TIMELINE: MultiRow = MultiRow::new(
    "INSERT INTO timeline (offset, tenant, kind, at, ts, action, outcome) VALUES ",
    "(?,?,?,?,?,?,?)",
    "",
);

/// New rows of `links`.
pub static INSERT_LINKS: MultiRow = MultiRow::new(
    "INSERT INTO links (timeline, offset, position, at) VALUES ",
    "(?,?,?,?)",
    "",
);

/// New rows of `timelines`, and new counts of those that are there.
pub static PUT_TIMELINES: MultiRow = MultiRow::new(
    "INSERT INTO timelines (id, tenant, label, target, count) VALUES ",
    "(?,?,?,?,?)",
    " ON CONFLICT (id) DO UPDATE SET count = excluded.count",
);

/// Rows of the dictionary by (tenant, label, target).
pub static FIND_TIMELINES: MultiRow = MultiRow::new(
    "WITH n (tenant, label, target) AS (VALUES ",
    "(?,?,?)",
    ") SELECT t.tenant, t.label, t.target, t.id, t.count FROM n CROSS JOIN timelines t
       ON t.tenant = n.tenant AND t.label = n.label AND t.target = n.target",
);

/// New rows of `parked`.
pub static INSERT_PARKED: MultiRow = MultiRow::new(
    "INSERT INTO parked (offset, tenant, kind, schema_version, code, detail, version) VALUES ",
    "(?,?,?,?,?,?,?)",
    "",
);

/// New rows of `canon_entries`, in place of older ones: a record that was parked may come after a newer write.
pub static PUT_CANON: MultiRow = MultiRow::new(
    "INSERT INTO canon_entries (tenant, key, value, min_loa, offset) VALUES ",
    "(?,?,?,?,?)",
    " ON CONFLICT (tenant, key) DO UPDATE
      SET value = excluded.value, min_loa = excluded.min_loa, offset = excluded.offset
      WHERE excluded.offset > canon_entries.offset",
);

/// All of the multi-row statements.
pub static MULTI_ROW: [&MultiRow; 7] = [
    &INSERT_RECORDS,
    &INSERT_TIMELINE,
    &INSERT_LINKS,
    &PUT_TIMELINES,
    &FIND_TIMELINES,
    &INSERT_PARKED,
    &PUT_CANON,
];

//! The digest of a read model: which rows its tables hold, in few enough hashes to name the damaged ones.
//!
//! ```text
//! row     JCS of {"columns": {..}, "table": ".."}   integers as decimal strings, NULL null, bytes hex, times as in a record
//! bucket  BLAKE3 of the sorted BLAKE3 hashes of its rows
//! digest  BLAKE3 over the tables by name: the name, then its non-empty buckets as (number u64 BE || hash)
//! ```
//!
//! A bucket covers 4,096 offsets; a table with another key has 256 buckets by the first byte of the BLAKE3 of its key,
//! a JCS array of the key columns. `projection_state` is no part of it: the position is what two read models are
//! compared at, and the version and the log are compared when one is opened. Memory is one hash per row of the open
//! buckets: rows of a table by offset come in the order of their offsets, so that one bucket is open at a time.

use record::{Hash, Timestamp, canonical};
use std::collections::BTreeMap;
use std::fmt;

/// The tables of a digest, by name.
pub const TABLES: [&str; 5] = ["canon_entries", "links", "records", "timeline", "timelines"];

/// Offsets in one bucket.
pub const BUCKET_OFFSETS: u64 = 4_096;

/// One value of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column<'a> {
    /// A decimal string.
    Integer(i64),
    /// As it is.
    Text(&'a str),
    /// Lower-case hex.
    Bytes(&'a [u8]),
    /// Microseconds since the Unix epoch, in the form of a record's `ts`; as an integer when no record can have that time.
    Micros(i64),
    /// `null`.
    Null,
}

/// The hashes of all non-empty buckets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Digest {
    tables: BTreeMap<&'static str, BTreeMap<u64, Hash>>,
}

/// A bucket that two read models do not share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// The table.
    pub table: &'static str,
    /// The bucket's number.
    pub bucket: u64,
}

/// Takes the rows of one table and closes its buckets.
#[derive(Debug)]
pub struct TableDigest {
    table: &'static str,
    open: BTreeMap<u64, Vec<Hash>>,
    closed: BTreeMap<u64, Hash>,
}

/// The hash of one row.
#[must_use]
pub fn hash_row(table: &str, columns: &[(&str, Column<'_>)]) -> Hash {
    let mut sorted: Vec<_> = columns.iter().collect();
    sorted.sort_unstable_by_key(|(name, _)| *name);
    let mut row = b"{\"columns\":{".to_vec();
    for (at, (name, column)) in sorted.into_iter().enumerate() {
        if at > 0 {
            row.push(b',');
        }
        canonical::write_string(name, &mut row);
        row.push(b':');
        write_column(*column, &mut row);
    }
    row.extend_from_slice(b"},\"table\":");
    canonical::write_string(table, &mut row);
    row.push(b'}');
    Hash::of(&row)
}

/// The bucket of a row whose table is not keyed by offset.
#[must_use]
pub fn key_bucket(key: &[Column<'_>]) -> u64 {
    let mut array = b"[".to_vec();
    for (at, column) in key.iter().enumerate() {
        if at > 0 {
            array.push(b',');
        }
        write_column(*column, &mut array);
    }
    array.push(b']');
    let hash = Hash::of(&array);
    let [first, ..] = hash.as_bytes();
    u64::from(*first)
}

fn write_column(column: Column<'_>, out: &mut Vec<u8>) {
    match column {
        Column::Integer(number) => canonical::write_string(&number.to_string(), out),
        Column::Text(text) => canonical::write_string(text, out),
        Column::Bytes(bytes) => canonical::write_string(&hex::encode(bytes), out),
        Column::Micros(micros) => match Timestamp::from_micros(micros) {
            Some(time) => canonical::write_string(&time.to_string(), out),
            None => canonical::write_string(&micros.to_string(), out),
        },
        Column::Null => out.extend_from_slice(b"null"),
    }
}

impl TableDigest {
    /// No rows yet.
    #[must_use]
    pub const fn new(table: &'static str) -> Self {
        Self {
            table,
            open: BTreeMap::new(),
            closed: BTreeMap::new(),
        }
    }

    /// Adds a row of a table keyed by offset; offsets never decrease.
    pub fn add_at(&mut self, offset: u64, row: Hash) {
        let bucket = offset / BUCKET_OFFSETS;
        if !self.open.contains_key(&bucket) {
            self.close();
        }
        self.open.entry(bucket).or_default().push(row);
    }

    /// Adds a row of a table with another key, in any order.
    pub fn add_keyed(&mut self, key: &[Column<'_>], row: Hash) {
        self.open.entry(key_bucket(key)).or_default().push(row);
    }

    fn close(&mut self) {
        for (bucket, mut rows) in std::mem::take(&mut self.open) {
            rows.sort_unstable();
            let rows: Vec<&[u8]> = rows.iter().map(|row| row.as_bytes().as_slice()).collect();
            self.closed.insert(bucket, Hash::of_parts(&rows));
        }
    }
}

impl Digest {
    /// Adds a table whose rows are all in.
    pub fn add_table(&mut self, mut table: TableDigest) {
        table.close();
        self.tables.insert(table.table, table.closed);
    }

    /// The one hash of everything.
    #[must_use]
    pub fn value(&self) -> Hash {
        let mut all = Vec::new();
        for (table, buckets) in &self.tables {
            all.extend_from_slice(table.as_bytes());
            for (bucket, hash) in buckets {
                all.extend_from_slice(&bucket.to_be_bytes());
                all.extend_from_slice(hash.as_bytes());
            }
        }
        Hash::of(&all)
    }

    /// Number of non-empty buckets of a table.
    #[must_use]
    pub fn buckets(&self, table: &str) -> usize {
        self.tables.get(table).map_or(0, BTreeMap::len)
    }

    /// The buckets that differ, by table and number.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        let none = BTreeMap::new();
        let mut found = Vec::new();
        for table in TABLES {
            let (ours, theirs) = (
                self.tables.get(table).unwrap_or(&none),
                other.tables.get(table).unwrap_or(&none),
            );
            let mut numbers: Vec<u64> = ours.keys().chain(theirs.keys()).copied().collect();
            numbers.sort_unstable();
            numbers.dedup();
            let differs = |bucket: &u64| ours.get(bucket) != theirs.get(bucket);
            found.extend(
                numbers
                    .into_iter()
                    .filter(differs)
                    .map(|bucket| Difference { table, bucket }),
            );
        }
        found
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, bucket } = self;
        match *table {
            "canon_entries" | "timelines" => write!(f, "{table}: bucket {bucket:#04x}"),
            _ => {
                let from = bucket * BUCKET_OFFSETS;
                write!(f, "{table}: offsets {from} to {}", from + BUCKET_OFFSETS - 1)
            }
        }
    }
}

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
//!
//! Of `parked` the columns `offset tenant kind schema_version code` count. What is parked says what a read model cannot
//! answer, so two builds of different age differ, and a row deleted there is found; its words for people do not count.

mod row;

pub use row::{Column, Row, hash_row, is_keyed, key_bucket};

use record::Hash;
use std::collections::BTreeMap;
use std::fmt;

/// The tables of a digest, by name.
pub const TABLES: [&str; 6] = ["canon_entries", "links", "parked", "records", "timeline", "timelines"];

/// Offsets in one bucket.
pub const BUCKET_OFFSETS: u64 = 4_096;

/// The hashes of all non-empty buckets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Digest {
    tables: BTreeMap<&'static str, BTreeMap<u64, Hash>>,
}

/// Takes the rows of all tables, as one scan gives them.
#[derive(Debug)]
pub struct Digester {
    tables: BTreeMap<&'static str, TableDigest>,
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

impl Default for Digester {
    fn default() -> Self {
        let tables = TABLES.into_iter().map(|table| (table, TableDigest::new(table)));
        Self {
            tables: tables.collect(),
        }
    }
}

impl Digester {
    /// Adds a row. Rows of one table by offset come in the order of their offsets.
    pub fn add(&mut self, row: &Row<'_>) {
        let table = self
            .tables
            .entry(row.table)
            .or_insert_with(|| TableDigest::new(row.table));
        let bucket = row.bucket();
        if !is_keyed(row.table) {
            table.close_all_but(bucket);
        }
        table.open.entry(bucket).or_default().push(row.hash());
    }

    /// The digest of the rows so far.
    #[must_use]
    pub fn finish(self) -> Digest {
        let mut digest = Digest::default();
        self.tables.into_values().for_each(|table| digest.add_table(table));
        digest
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
        self.close_all_but(bucket);
        self.open.entry(bucket).or_default().push(row);
    }

    /// Adds a row of a table with another key, in any order.
    pub fn add_keyed(&mut self, key: &[Column<'_>], row: Hash) {
        self.open.entry(key_bucket(key)).or_default().push(row);
    }

    fn close_all_but(&mut self, bucket: u64) {
        if !self.open.contains_key(&bucket) {
            self.close();
        }
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
            keyed if is_keyed(keyed) => write!(f, "{table}: bucket {bucket:#04x}"),
            _ => {
                let from = bucket.saturating_mul(BUCKET_OFFSETS);
                write!(
                    f,
                    "{table}: offsets {from} to {}",
                    from.saturating_add(BUCKET_OFFSETS - 1)
                )
            }
        }
    }
}

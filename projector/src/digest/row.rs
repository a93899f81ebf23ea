//! One row of a read model in the form that every database engine shares: for the digest, and for people.

use super::BUCKET_OFFSETS;
use record::{Hash, Timestamp, canonical};

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

/// A row as it is read from its table, with every column that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<'a> {
    /// One of [`super::TABLES`].
    pub table: &'static str,
    /// Names and values, in any order.
    pub columns: &'a [(&'static str, Column<'a>)],
}

impl Row<'_> {
    /// JCS of `{"columns": {..}, "table": ".."}`.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        write_row(self.table, self.columns)
    }

    /// The hash of that.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Hash::of(&self.to_json())
    }

    /// The values of the table's key, as a JCS array.
    #[must_use]
    pub fn key(&self) -> String {
        let key: Vec<Column<'_>> = key_columns(self.table).iter().map(|name| self.column(name)).collect();
        String::from_utf8(write_key(&key)).expect("canonical JSON is UTF-8")
    }

    /// The bucket that it falls into. An offset that no record can have is a row too much: it has the last bucket of all.
    #[must_use]
    pub fn bucket(&self) -> u64 {
        if is_keyed(self.table) {
            let key: Vec<Column<'_>> = key_columns(self.table).iter().map(|name| self.column(name)).collect();
            return key_bucket(&key);
        }
        let offset = match self.column("offset") {
            Column::Integer(offset) => u64::try_from(offset).unwrap_or(u64::MAX),
            _ => u64::MAX,
        };
        offset / BUCKET_OFFSETS
    }

    fn column(&self, name: &str) -> Column<'_> {
        let found = self.columns.iter().find(|(column, _)| *column == name);
        found.map_or(Column::Null, |(_, value)| *value)
    }
}

/// Whether a table's buckets go by its key instead of by offset.
#[must_use]
pub fn is_keyed(table: &str) -> bool {
    matches!(table, "canon_entries" | "timelines")
}

/// The columns that name a row of a table.
fn key_columns(table: &str) -> &'static [&'static str] {
    match table {
        "canon_entries" => &["tenant", "key"],
        "links" => &["timeline", "offset"],
        "timelines" => &["id"],
        _ => &["offset"],
    }
}

/// The hash of one row.
#[must_use]
pub fn hash_row(table: &str, columns: &[(&str, Column<'_>)]) -> Hash {
    Hash::of(&write_row(table, columns))
}

/// The bucket of a row whose table is not keyed by offset.
#[must_use]
pub fn key_bucket(key: &[Column<'_>]) -> u64 {
    let hash = Hash::of(&write_key(key));
    let [first, ..] = hash.as_bytes();
    u64::from(*first)
}

fn write_row(table: &str, columns: &[(&str, Column<'_>)]) -> Vec<u8> {
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
    row
}

fn write_key(key: &[Column<'_>]) -> Vec<u8> {
    let mut array = b"[".to_vec();
    for (at, column) in key.iter().enumerate() {
        if at > 0 {
            array.push(b',');
        }
        write_column(*column, &mut array);
    }
    array.push(b']');
    array
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

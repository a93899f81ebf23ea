//! From what SQLite reports to why a read model cannot answer.
//!
//! A file that is no database, or a malformed one, is damage and asks for a rebuild; everything else may pass.

use projector::Error;

/// Primary result codes (sqlite.org/rescode.html) that say the file itself is broken.
const CORRUPT: u32 = 11;
const NOT_A_DATABASE: u32 = 26;

/// The error of this room for one of the database's.
pub(crate) fn fault(error: sqlx::Error) -> Error {
    let code = match &error {
        sqlx::Error::Database(database) => database.code().and_then(|code| code.parse::<u32>().ok()),
        _ => None,
    };
    match code.map(|extended| extended & 0xff) {
        Some(CORRUPT | NOT_A_DATABASE) => damaged(&format!("{error}: rebuild it from the log")),
        _ => match error {
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
                damaged("a row has another form than the tables allow: rebuild it from the log")
            }
            other => Error::Database(Box::new(other)),
        },
    }
}

/// The error for a file that cannot be read, written or renamed.
pub(crate) fn io(error: std::io::Error) -> Error {
    Error::Database(Box::new(error))
}

/// Damage, in words that say what was found.
pub(crate) fn damaged(detail: &str) -> Error {
    Error::Damaged(detail.to_owned())
}

/// A number of ours as SQLite holds it.
pub(crate) fn integer(number: u64) -> i64 {
    i64::try_from(number).expect("no number in a record exceeds 2^53-1")
}

/// A number that SQLite holds, when it is one of ours.
pub(crate) fn number(integer: i64) -> Result<u64, Error> {
    u64::try_from(integer).map_err(|_| damaged("a position or offset is negative: rebuild it from the log"))
}

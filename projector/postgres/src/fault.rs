//! From what Postgres reports to why a read model cannot answer.
//!
//! Missing tables and rows that cannot be are damage and ask for a rebuild. A lost or refused connection passes: whoever
//! applies records tries again from the position that the tables then name.

use projector::Error;
use std::time::Duration;

/// The error of this room for one of the database's.
pub(crate) fn fault(error: sqlx::Error) -> Error {
    match (code(&error).as_deref(), &error) {
        // A table, a schema or a column is missing; corrupted pages or indexes; rows where none should be.
        (Some("42P01" | "3F000" | "42703" | "XX001" | "XX002" | "23505"), _) => {
            damaged(&format!("{error}: rebuild it from the log"))
        }
        (_, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_)) => {
            damaged("a row has another form than the tables allow: rebuild it from the log")
        }
        _ => Error::Database(Box::new(error)),
    }
}

/// The SQLSTATE, where the server gave one.
pub(crate) fn code(error: &sqlx::Error) -> Option<String> {
    let database = error.as_database_error()?;
    database.code().map(|code| code.into_owned())
}

/// Whether a table or schema does not exist.
pub(crate) fn is_missing(error: &sqlx::Error) -> bool {
    matches!(code(error).as_deref(), Some("42P01" | "3F000"))
}

/// Whether the connection is gone or was not to be had, so that another one may do better.
pub(crate) fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => true,
        // Shut down, starting up, too many connections; a session or a transaction ended for having waited.
        sqlx::Error::Database(_) => code(error).is_some_and(|code| {
            code.starts_with("08") || matches!(code.as_str(), "57P01" | "57P02" | "57P03" | "57P05" | "53300" | "25P03")
        }),
        _ => false,
    }
}

/// Whether the same work may succeed if it is begun anew from what the tables say.
pub(crate) fn passes(error: &Error) -> bool {
    let Error::Database(source) = error else { return false };
    source.downcast_ref::<sqlx::Error>().is_some_and(|error| {
        // Beside a lost connection: serialization, deadlock, lock and statement timeouts, a server that became read-only.
        let again = ["40001", "40P01", "55P03", "57014", "25006"];
        is_lost(error) || code(error).is_some_and(|code| again.contains(&code.as_str()))
    })
}

/// The error of a server that did not answer in time.
pub(crate) fn no_answer(limit: Duration) -> sqlx::Error {
    let text = format!("the database gave no answer within {} ms", limit.as_millis());
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, text))
}

/// Damage, in words that say what was found.
pub(crate) fn damaged(detail: &str) -> Error {
    Error::Damaged(detail.to_owned())
}

/// A number of ours as Postgres holds it.
pub(crate) fn integer(number: u64) -> i64 {
    i64::try_from(number).expect("no number in a record exceeds 2^53-1")
}

/// A number that Postgres holds, when it is one of ours.
pub(crate) fn number(integer: i64) -> Result<u64, Error> {
    u64::try_from(integer).map_err(|_| damaged("a position or offset is negative: rebuild it from the log"))
}

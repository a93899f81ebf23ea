//! The tables' migrations: forward only, embedded, counted in `user_version`.
//!
//! A migration and its number are written in one transaction. A read model can always be built again, so there is no way
//! back: a database of a newer build is refused.

use crate::fault::fault;
use projector::Error;
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

/// Every migration, in order; the first one makes `user_version` 1.
pub const MIGRATIONS: [&str; 2] = [
    include_str!("../../../migrations/sqlite/0001_read_model.sql"),
    include_str!("../../../migrations/sqlite/0002_parked.sql"),
];

/// The number of the last migration.
const LATEST: u32 = MIGRATIONS.len() as u32;

/// Brings a database to the tables of this build.
///
/// # Errors
/// [`Error::Outdated`] for the tables of a newer build, [`Error::Damaged`], [`Error::Database`].
pub async fn migrate(connection: &mut SqliteConnection) -> Result<(), Error> {
    let found = version(connection).await?;
    if found > LATEST {
        return Err(Error::Outdated {
            expected: LATEST,
            found,
        });
    }
    for (number, migration) in (1..).zip(MIGRATIONS).skip(found as usize) {
        let mut transaction = connection.begin().await.map_err(fault)?;
        sqlx::raw_sql(migration)
            .execute(&mut *transaction)
            .await
            .map_err(fault)?;
        // Not from outside: a number that this loop counts.
        let stamp = AssertSqlSafe(format!("PRAGMA user_version = {number}"));
        sqlx::raw_sql(stamp).execute(&mut *transaction).await.map_err(fault)?;
        transaction.commit().await.map_err(fault)?;
    }
    Ok(())
}

/// The number of migrations that a database has seen; 0 for an empty one.
///
/// # Errors
/// [`Error::Damaged`] when the file is no database, [`Error::Database`].
pub async fn version(connection: &mut SqliteConnection) -> Result<u32, Error> {
    let version = sqlx::query_scalar("PRAGMA user_version").fetch_one(connection);
    version.await.map_err(fault)
}

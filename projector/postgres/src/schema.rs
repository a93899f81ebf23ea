//! The tables' migrations: forward only, embedded, counted in a table `migrations` of each schema.
//!
//! A migration and its number are written in one transaction. A read model can always be built again, so there is no way
//! back: a schema of a newer build is refused.

use crate::fault::fault;
use crate::statements;
use projector::Error;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

/// Every migration of the control schema, in order.
pub const CONTROL: [&str; 1] = [include_str!("../../../migrations/postgres/control/0001_pointer.sql")];

/// Every migration of a generation's schema, in order.
pub const GENERATION: [&str; 2] = [
    include_str!("../../../migrations/postgres/generation/0001_read_model.sql"),
    include_str!("../../../migrations/postgres/generation/0002_parked.sql"),
];

/// Where the migrations of a schema are counted.
const COUNTED: &str = "CREATE TABLE IF NOT EXISTS migrations (number INTEGER PRIMARY KEY)";

/// Makes `schema` where it is missing, brings it to the tables of this build, and lets `reader` into it. Unqualified
/// names mean `schema` afterwards.
///
/// # Errors
/// [`Error::Outdated`] for the tables of a newer build, [`Error::Database`].
pub(crate) async fn migrate(
    connection: &mut PgConnection,
    schema: &str,
    reader: &str,
    migrations: &[&str],
) -> Result<(), Error> {
    // Both names were checked: letters, digits and underscores.
    let make = format!("CREATE SCHEMA IF NOT EXISTS {schema}; GRANT USAGE ON SCHEMA {schema} TO {reader}");
    run(connection, make).await?;
    set(connection, "search_path", schema).await?;
    run(connection, COUNTED.to_owned()).await?;
    let latest = u32::try_from(migrations.len()).expect("migrations are few");
    let found = version(connection).await?;
    if found > latest {
        return Err(Error::Outdated {
            expected: latest,
            found,
        });
    }
    for (number, migration) in (1_i32..).zip(migrations).skip(found as usize) {
        let mut transaction = connection.begin().await.map_err(fault)?;
        run(&mut transaction, migration.replace("{reader}", reader)).await?;
        let note = sqlx::query(statements::INSERT_MIGRATION).bind(number);
        note.execute(&mut *transaction).await.map_err(fault)?;
        transaction.commit().await.map_err(fault)?;
    }
    Ok(())
}

/// The number of migrations that the schema in `search_path` has seen.
pub(crate) async fn version(connection: &mut PgConnection) -> Result<u32, Error> {
    let number = sqlx::query_scalar(statements::SELECT_MIGRATION).fetch_one(connection);
    let number: i32 = number.await.map_err(fault)?;
    Ok(u32::try_from(number).unwrap_or(u32::MAX))
}

/// Sets a parameter of the session.
pub(crate) async fn set(connection: &mut PgConnection, name: &str, value: &str) -> Result<(), Error> {
    let set = sqlx::query(statements::SET).bind(name).bind(value);
    set.execute(connection).await.map(drop).map_err(fault)
}

/// Runs statements of this crate's own making.
pub(crate) async fn run(connection: &mut PgConnection, text: String) -> Result<(), Error> {
    let run = sqlx::raw_sql(AssertSqlSafe(text)).execute(connection);
    run.await.map(drop).map_err(fault)
}

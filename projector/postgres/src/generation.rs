//! Generations: a schema each, with all tables of a read model. One is current; what others there are is being built or
//! about to be dropped.

use crate::fault::{code, damaged, fault, integer, number};
use crate::lease::Lease;
use crate::schema::{GENERATION, migrate, run, set, version};
use crate::server::Server;
use crate::{role, schema, snapshot, statements};
use projector::{Error, PROJECTION_VERSION};
use record::Origin;
use sqlx::{Connection as _, PgConnection};

/// How long dropping a generation waits for the questions that are read from it; then it is left to the next who opens
/// or rebuilds.
const LAST_QUESTIONS: &str = "30s";

/// Makes the control schema what this build needs.
pub(crate) async fn prepare_control(server: &Server, connection: &mut PgConnection) -> Result<(), Error> {
    let encoding = sqlx::query_scalar(statements::SELECT_ENCODING).fetch_one(&mut *connection);
    let encoding: String = encoding.await.map_err(fault)?;
    if encoding != "UTF8" {
        let detail = format!("the database stores texts in {encoding}: make one with ENCODING 'UTF8'");
        return Err(Error::Configuration(detail));
    }
    let reader = &server.config.reader_role;
    role::ensure(connection, reader).await?;
    migrate(connection, server.schema(), reader, &schema::CONTROL).await
}

/// The current generation; `None` before the first.
pub(crate) async fn current(connection: &mut PgConnection) -> Result<Option<i64>, Error> {
    let pointer = sqlx::query_scalar(statements::SELECT_POINTER).fetch_optional(connection);
    pointer.await.map_err(fault)
}

/// A number above every generation that there is.
pub(crate) async fn unused(server: &Server, connection: &mut PgConnection) -> Result<i64, Error> {
    set(connection, "search_path", server.schema()).await?;
    let pointer = current(connection).await?.unwrap_or(0);
    let highest = all(server, connection).await?.into_iter().max().unwrap_or(0);
    Ok(pointer.max(highest) + 1)
}

/// Makes the tables and the state of a read model that has applied nothing. Unqualified names mean the new schema first,
/// then the control schema.
pub(crate) async fn create(
    server: &Server,
    connection: &mut PgConnection,
    origin: &Origin,
    new: i64,
) -> Result<(), Error> {
    let name = server.generation(new);
    migrate(connection, &name, &server.config.reader_role, &GENERATION).await?;
    let state = sqlx::query(statements::INSERT_STATE)
        .bind(origin.as_str())
        .bind(i64::from(PROJECTION_VERSION));
    state.execute(&mut *connection).await.map_err(fault)?;
    enter(server, connection, new).await
}

/// Makes unqualified names mean the tables of a generation, then those of the control schema.
pub(crate) async fn enter(server: &Server, connection: &mut PgConnection, number: i64) -> Result<(), Error> {
    let path = format!("{}, {}", server.generation(number), server.schema());
    set(connection, "search_path", &path).await
}

/// Makes unqualified names mean the tables of the control schema.
pub(crate) async fn leave(server: &Server, connection: &mut PgConnection) -> Result<(), Error> {
    set(connection, "search_path", server.schema()).await
}

/// Brings a generation to the tables of this build and checks that it is a read model of `origin`, built by this version
/// and whole as far as its ends show.
pub(crate) async fn check(
    server: &Server,
    connection: &mut PgConnection,
    origin: &Origin,
    generation: i64,
) -> Result<(), Error> {
    enter(server, connection, generation).await?;
    let name = server.generation(generation);
    for table in ["migrations", "projection_state"] {
        let exists = sqlx::query_scalar(statements::SELECT_EXISTS).bind(format!("{name}.{table}"));
        let exists: bool = exists.fetch_one(&mut *connection).await.map_err(fault)?;
        if !exists {
            return Err(damaged(
                "tables of the current generation are missing: rebuild it from the log",
            ));
        }
    }
    let latest = u32::try_from(GENERATION.len()).expect("migrations are few");
    if version(connection).await? != latest {
        migrate(connection, &name, &server.config.reader_role, &GENERATION).await?;
        enter(server, connection, generation).await?;
    }
    // Position and ends of one moment: another projector may be applying records while this one looks.
    let mut moment = connection.begin_with(snapshot::BEGIN).await.map_err(fault)?;
    let position = state(&mut moment, origin).await?;
    check_ends(&mut moment, position).await?;
    moment.commit().await.map_err(fault)
}

/// The position of the tables in `search_path`, once log and version are the right ones.
pub(crate) async fn state(connection: &mut PgConnection, origin: &Origin) -> Result<u64, Error> {
    let state = sqlx::query_as(statements::SELECT_STATE).fetch_optional(connection);
    let state: Option<(String, i64, i64)> = state.await.map_err(fault)?;
    judge_state(state, origin)
}

/// What a row of `projection_state` says, when it is of this log and this version.
pub(crate) fn judge_state(state: Option<(String, i64, i64)>, origin: &Origin) -> Result<u64, Error> {
    let (log, position, version) =
        state.ok_or_else(|| damaged("it does not say how far it is: rebuild it from the log"))?;
    if log != origin.as_str() {
        return Err(Error::ForeignLog {
            expected: origin.to_string(),
            found: log,
        });
    }
    if version != i64::from(PROJECTION_VERSION) {
        return Err(Error::Outdated {
            expected: PROJECTION_VERSION,
            found: u32::try_from(version).unwrap_or(u32::MAX),
        });
    }
    number(position)
}

async fn check_ends(connection: &mut PgConnection, position: u64) -> Result<(), Error> {
    let (last, next) = (integer(position) - 1, integer(position));
    let ends = sqlx::query_as(statements::SELECT_ENDS).bind(last).bind(next);
    let (rows, links, beyond): (bool, bool, bool) = ends.fetch_one(connection).await.map_err(fault)?;
    let expected = position > 0;
    if rows != expected || links != expected || beyond {
        let detail = format!("its position is {position}, but its tables end elsewhere: rebuild it from the log");
        return Err(damaged(&detail));
    }
    Ok(())
}

/// Makes a generation current.
pub(crate) async fn point_to(connection: &mut PgConnection, generation: i64) -> Result<(), Error> {
    let put = sqlx::query(statements::PUT_POINTER).bind(generation);
    put.execute(connection).await.map(drop).map_err(fault)
}

/// The numbers of all generations that there are.
async fn all(server: &Server, connection: &mut PgConnection) -> Result<Vec<i64>, Error> {
    let all = sqlx::query_scalar(statements::SELECT_GENERATIONS).bind(server.schema());
    all.fetch_all(connection).await.map_err(fault)
}

/// Drops every generation but the current one. The caller holds [`Lease::Rebuilding`].
pub(crate) async fn drop_others(server: &Server, connection: &mut PgConnection) -> Result<(), Error> {
    set(connection, "search_path", server.schema()).await?;
    let kept = current(connection).await?;
    for number in all(server, connection).await? {
        if Some(number) != kept {
            drop_one(server, connection, number).await?;
        }
    }
    Ok(())
}

/// Drops what an unfinished rebuild left, unless another process is rebuilding at this moment.
pub(crate) async fn tidy(server: &Server, connection: &mut PgConnection) -> Result<(), Error> {
    if Lease::Rebuilding.try_take(connection, server.schema()).await? {
        drop_others(server, connection).await?;
        Lease::Rebuilding.end(connection, server.schema()).await?;
    }
    Ok(())
}

/// Drops a generation that is not current, once the transactions that read it have ended. Each of them reads
/// `projection_state` first; one that comes to it later finds it gone, and begins again with the current generation.
async fn drop_one(server: &Server, connection: &mut PgConnection, number: i64) -> Result<(), Error> {
    let name = server.generation(number);
    let state = format!("{name}.projection_state");
    let exists = sqlx::query_scalar(statements::SELECT_EXISTS).bind(&state);
    let exists: bool = exists.fetch_one(&mut *connection).await.map_err(fault)?;
    let mut transaction = connection.begin().await.map_err(fault)?;
    let patience = sqlx::query(statements::SET_LOCAL)
        .bind("lock_timeout")
        .bind(LAST_QUESTIONS);
    patience.execute(&mut *transaction).await.map_err(fault)?;
    let dropped = async {
        if exists {
            run(&mut transaction, format!("LOCK TABLE {state} IN ACCESS EXCLUSIVE MODE")).await?;
        }
        run(&mut transaction, format!("DROP SCHEMA {name} CASCADE")).await
    };
    match dropped.await {
        Ok(()) => transaction.commit().await.map_err(fault),
        Err(error) if is_still_read(&error) => {
            tracing::info!(
                generation = number,
                "a replaced generation is still being read: it is dropped later"
            );
            transaction.rollback().await.map_err(fault)
        }
        Err(error) => Err(error),
    }
}

fn is_still_read(error: &Error) -> bool {
    let Error::Database(source) = error else { return false };
    let lock_timeout = |error: &sqlx::Error| code(error).as_deref() == Some("55P03");
    source.downcast_ref().is_some_and(lock_timeout)
}

//! The role that questions are answered in: made by the first projector, and never one that policies do not hold for.

use crate::fault::{code, fault};
use crate::statements;
use projector::Error;
use sqlx::{AssertSqlSafe, PgConnection};
use std::time::Duration;

/// Attempts, because a role belongs to the whole server: projectors of several databases may make it at once.
const ATTEMPTS: u32 = 20;

/// Makes sure that `role` exists, that this login may take it, and that policies hold for it.
///
/// # Errors
/// [`Error::Configuration`] with what an administrator must do; [`Error::Database`].
pub(crate) async fn ensure(connection: &mut PgConnection, role: &str) -> Result<(), Error> {
    for attempt in 1..=ATTEMPTS {
        match try_ensure(connection, role).await {
            // Made or granted by somebody else at this moment.
            Err(error) if attempt < ATTEMPTS && is_race(&error) => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) if code(&error).as_deref() == Some("42501") => {
                let advice =
                    format!("this login may not make the role {role}: CREATE ROLE {role} NOLOGIN, then GRANT it to");
                return Err(Error::Configuration(format!(
                    "{advice} the logins of projector and gateway"
                )));
            }
            Err(error) => return Err(fault(error)),
            Ok(true) => return Ok(()),
            Ok(false) => {
                let detail =
                    "is a superuser, has BYPASSRLS or is the projector's own login: no policy would hold for it";
                return Err(Error::Configuration(format!("the role {role} {detail}")));
            }
        }
    }
    Ok(())
}

async fn try_ensure(connection: &mut PgConnection, role: &str) -> Result<bool, sqlx::Error> {
    if is_walled(connection, role).await?.is_none() {
        // The name was checked: letters, digits and underscores.
        let make = AssertSqlSafe(format!("CREATE ROLE {role} NOLOGIN"));
        sqlx::raw_sql(make).execute(&mut *connection).await?;
        grant(connection, role).await?;
    }
    let member: (String, bool) = sqlx::query_as(statements::SELECT_MEMBER)
        .bind(role)
        .fetch_one(&mut *connection)
        .await?;
    if !member.1 {
        grant(connection, role).await?;
    }
    Ok(is_walled(connection, role).await?.unwrap_or(false))
}

async fn grant(connection: &mut PgConnection, role: &str) -> Result<(), sqlx::Error> {
    let grant = AssertSqlSafe(format!("GRANT {role} TO CURRENT_USER"));
    sqlx::raw_sql(grant).execute(connection).await.map(drop)
}

async fn is_walled(connection: &mut PgConnection, role: &str) -> Result<Option<bool>, sqlx::Error> {
    let found = sqlx::query_scalar(statements::SELECT_ROLE).bind(role);
    found.fetch_optional(connection).await
}

/// A duplicate, or "tuple concurrently updated", which has no code of its own.
fn is_race(error: &sqlx::Error) -> bool {
    matches!(code(error).as_deref(), Some("42710" | "23505" | "XX000"))
}

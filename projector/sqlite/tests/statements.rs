//! Every fixed statement is prepared against a freshly migrated database: names and columns exist, the syntax holds.
#![cfg(test)]

use projector_sqlite::{schema, statements};
use sqlx::{Connection as _, Executor as _, SqlSafeStr as _, SqliteConnection};

async fn migrated() -> SqliteConnection {
    let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    schema::migrate(&mut connection).await.unwrap();
    connection
}

async fn failures(connection: &mut SqliteConnection, texts: Vec<&'static str>) -> Vec<String> {
    let mut failures = Vec::new();
    for text in texts {
        if let Err(error) = connection.prepare(text.into_sql_str()).await {
            failures.push(format!("{error}: {text}"));
        }
    }
    failures
}

#[tokio::test]
async fn every_statement_fits_the_migrations() {
    let mut connection = migrated().await;
    let multi_row = statements::MULTI_ROW.iter().flat_map(|statement| statement.chunks());
    let all: Vec<_> = statements::FIXED
        .into_iter()
        .chain(multi_row.map(|(_, text)| text))
        .collect();
    assert!(all.len() > 30);
    assert_eq!(failures(&mut connection, all).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_statement_that_does_not_fit_is_found() {
    let mut connection = migrated().await;
    let wrong = vec!["SELECT no_such_column FROM records", "SELEC 1"];
    assert_eq!(failures(&mut connection, wrong).await.len(), 2);
}

#[tokio::test]
async fn migrating_again_changes_nothing_and_a_newer_database_is_refused() {
    let mut connection = migrated().await;
    schema::migrate(&mut connection).await.unwrap();
    assert_eq!(
        schema::version(&mut connection).await.unwrap(),
        schema::MIGRATIONS.len() as u32
    );
    sqlx::raw_sql("PRAGMA user_version = 1000")
        .execute(&mut connection)
        .await
        .unwrap();
    let refused = schema::migrate(&mut connection).await;
    assert!(
        matches!(refused, Err(projector::Error::Outdated { found: 1000, .. })),
        "{refused:?}"
    );
}

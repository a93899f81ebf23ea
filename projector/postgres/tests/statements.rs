//! Every fixed statement is prepared against freshly migrated schemas: names and columns exist, the syntax holds.
#![cfg(test)]

use projector::Error;
use projector_postgres::{Config, ReadModel, schema, statements};
use record::Origin;
use sqlx::{Connection as _, Executor as _, PgConnection, SqlSafeStr as _};
use testbed::{Database, Postgres};

async fn migrated() -> (Database, PgConnection) {
    let database = Postgres::database().await;
    open(&database).await.unwrap();
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    sqlx::raw_sql("SET search_path = sigil_test_g1, sigil_test")
        .execute(&mut connection)
        .await
        .unwrap();
    (database, connection)
}

async fn open(database: &Database) -> Result<ReadModel, Error> {
    let origin = Origin::parse("example.com/audit").unwrap();
    ReadModel::open(Config::new(database.url(), "test"), origin).await
}

async fn failures(connection: &mut PgConnection, texts: &[&'static str]) -> Vec<String> {
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
    let (_database, mut connection) = migrated().await;
    assert!(statements::FIXED.len() > 30);
    assert_eq!(
        failures(&mut connection, &statements::FIXED).await,
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn a_statement_that_does_not_fit_is_found() {
    let (_database, mut connection) = migrated().await;
    let wrong = ["SELECT no_such_column FROM records", "SELEC 1"];
    assert_eq!(failures(&mut connection, &wrong).await.len(), 2);
}

#[tokio::test]
async fn migrating_again_changes_nothing_and_newer_tables_are_refused() {
    let (database, _connection) = migrated().await;
    open(&database).await.unwrap();
    let seen = database.psql("select max(number) from sigil_test_g1.migrations").await;
    assert_eq!(seen.trim(), schema::GENERATION.len().to_string());
    for schema in ["sigil_test_g1", "sigil_test"] {
        database
            .psql(&format!("insert into {schema}.migrations values (1000)"))
            .await;
        let refused = open(&database).await.map(drop);
        assert!(
            matches!(refused, Err(Error::Outdated { found: 1000, .. })),
            "{refused:?}"
        );
        database
            .psql(&format!("delete from {schema}.migrations where number = 1000"))
            .await;
    }
    open(&database).await.unwrap();
}

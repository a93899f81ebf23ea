//! Where the suite finds Postgres read models: a database for each.

use domain::Catalogue;
use projector::Error;
use projector_postgres::Config;
pub use projector_postgres::ReadModel as Model;
use record::Origin;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use std::sync::Arc;
use testbed::{Database, Postgres};

/// A database that is gone with the test.
pub struct Place(pub Database);

impl Place {
    pub async fn new() -> Self {
        Self(Postgres::database().await)
    }

    pub fn config(&self) -> Config {
        Config::new(self.0.url(), "test")
    }

    pub async fn open(&self, origin: &Origin) -> Model {
        self.try_open(origin).await.unwrap()
    }

    pub async fn try_open(&self, origin: &Origin) -> Result<Model, Error> {
        Model::open(self.config(), origin.clone()).await
    }

    pub async fn open_with(&self, origin: &Origin, catalogue: Arc<Catalogue>) -> Model {
        Model::open_with(self.config(), origin.clone(), catalogue)
            .await
            .unwrap()
    }

    /// Runs SQL in the current generation, as a hand that has no business there would.
    pub async fn tamper(&self, sql: &str) {
        let mut connection = self.connect().await;
        sqlx::raw_sql(dialect(sql)).execute(&mut connection).await.unwrap();
    }

    /// The numbers that a query finds in the current generation.
    pub async fn numbers(&self, sql: &str) -> Vec<i64> {
        let mut connection = self.connect().await;
        sqlx::query_scalar(dialect(sql))
            .fetch_all(&mut connection)
            .await
            .unwrap()
    }

    /// Lets the last table of a batch refuse its rows.
    pub async fn break_counts(&self) {
        self.tamper(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no space''; END';
             CREATE TRIGGER fails BEFORE UPDATE ON timelines FOR EACH ROW EXECUTE FUNCTION refuse()",
        )
        .await;
    }

    /// Undoes [`Place::break_counts`].
    pub async fn mend_counts(&self) {
        self.tamper("DROP TRIGGER fails ON timelines").await;
    }

    /// The current generation.
    pub async fn current(&self) -> String {
        self.0
            .psql("select 'sigil_test_g' || generation from sigil_test.pointer")
            .await
            .trim()
            .to_owned()
    }

    /// Every generation that there is.
    pub async fn generations(&self) -> Vec<String> {
        let names = self
            .0
            .psql("select nspname from pg_namespace where nspname like 'sigil\\_test\\_g%' order by 1")
            .await;
        names.lines().map(str::to_owned).collect()
    }

    /// A connection of the owner's that sees the current generation.
    pub async fn connect(&self) -> PgConnection {
        let mut connection = PgConnection::connect(&self.0.url()).await.unwrap();
        let path = AssertSqlSafe(format!("SET search_path = {}, sigil_test", self.current().await));
        sqlx::raw_sql(path).execute(&mut connection).await.unwrap();
        connection
    }
}

/// The suite's SQL is that of SQLite where the two differ.
fn dialect(sql: &str) -> AssertSqlSafe<String> {
    let sql = sql
        .replace(" offset", " \"offset\"")
        .replace("(offset)", "(\"offset\")")
        .replace(" x'", " '\\x")
        .replace("CAST('2' AS BLOB)", "'2'");
    AssertSqlSafe(sql)
}

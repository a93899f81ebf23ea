//! Where the suite finds SQLite read models: a directory for each.

use domain::Catalogue;
use projector::Error;
pub use projector_sqlite::ReadModel as Model;
use record::Origin;
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// A directory that is gone with the test.
pub struct Place(TempDir);

impl Place {
    pub async fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub async fn open(&self, origin: &Origin) -> Model {
        self.try_open(origin).await.unwrap()
    }

    pub async fn try_open(&self, origin: &Origin) -> Result<Model, Error> {
        Model::open(self.dir(), origin.clone()).await
    }

    pub async fn open_with(&self, origin: &Origin, catalogue: Arc<Catalogue>) -> Model {
        Model::open_with(self.dir(), origin.clone(), catalogue).await.unwrap()
    }

    /// Runs SQL on the current database, as a hand that has no business there would.
    pub async fn tamper(&self, sql: &'static str) {
        let mut connection = self.connect().await;
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    /// The numbers that a query finds in the current database.
    pub async fn numbers(&self, sql: &str) -> Vec<i64> {
        let query = sqlx::query_scalar(AssertSqlSafe(sql.to_owned()));
        query.fetch_all(&mut self.connect().await).await.unwrap()
    }

    /// Lets the last table of a batch refuse its rows.
    pub async fn break_counts(&self) {
        self.tamper("CREATE TRIGGER fails BEFORE UPDATE ON timelines BEGIN SELECT RAISE(ABORT, 'no space'); END")
            .await;
    }

    /// Undoes [`Place::break_counts`].
    pub async fn mend_counts(&self) {
        self.tamper("DROP TRIGGER fails").await;
    }

    /// The current generation.
    pub async fn current(&self) -> String {
        self.database().file_name().unwrap().to_str().unwrap().to_owned()
    }

    /// Every generation that there is.
    pub async fn generations(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.dir())
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.retain(|name| name.ends_with(".sqlite"));
        names.sort();
        names
    }

    pub fn dir(&self) -> &Path {
        self.0.path()
    }

    /// The file of the current generation.
    pub fn database(&self) -> PathBuf {
        let current = std::fs::read_to_string(self.dir().join("CURRENT")).unwrap();
        self.dir()
            .join(format!("{:08}.sqlite", current.trim().parse::<u64>().unwrap()))
    }

    async fn connect(&self) -> SqliteConnection {
        let url = format!("sqlite://{}", self.database().display());
        SqliteConnection::connect(&url).await.unwrap()
    }
}

//! The second wall between tenants: what the reader's role sees, whatever a statement asks for.

use crate::conformance::filled;
use crate::log::Log;
use crate::place::Place;
use projector::query::Queries as _;
use projector::{Error, ReadModel as _};
use projector_postgres::{Config, ReadModel};
use sqlx::PgConnection;

const TABLES: [&str; 6] = ["records", "timeline", "timelines", "links", "canon_entries", "parked"];

/// A connection in the reader's role, inside a transaction that has named `tenant`, if any.
async fn reader(place: &Place, tenant: Option<&str>) -> PgConnection {
    let mut connection = place.connect().await;
    let begin = "BEGIN; SET LOCAL ROLE sigil_test_reader";
    sqlx::raw_sql(begin).execute(&mut connection).await.unwrap();
    if let Some(tenant) = tenant {
        sqlx::query("SELECT set_config('sigil.tenant', $1, TRUE)")
            .bind(tenant)
            .execute(&mut connection)
            .await
            .unwrap();
    }
    connection
}

/// The tenants whose rows a statement without any condition gives.
async fn seen(connection: &mut PgConnection, table: &str) -> Vec<String> {
    let all = sqlx::AssertSqlSafe(format!("SELECT DISTINCT tenant FROM {table} ORDER BY 1"));
    sqlx::query_scalar(all).fetch_all(connection).await.unwrap()
}

#[tokio::test]
async fn a_question_that_forgets_its_tenant_sees_no_row_of_another() {
    let (place, _model) = filled(&Log::sample(120)).await;
    place
        .tamper(
            "INSERT INTO parked VALUES (1, 'acme', 'k', 1, 'c', 'd', 1);
             INSERT INTO parked VALUES (2, 'globex', 'k', 1, 'c', 'd', 1)",
        )
        .await;
    let mut owner = place.connect().await;
    for table in TABLES {
        assert!(
            seen(&mut owner, table).await.len() > 1,
            "{table}: the owner sees every tenant"
        );
        for tenant in ["acme", "globex"] {
            assert_eq!(
                seen(&mut reader(&place, Some(tenant)).await, table).await,
                [tenant],
                "{table}"
            );
        }
        for nobody in [None, Some(""), Some("nobody"), Some("%"), Some("' OR TRUE --")] {
            let none: [&str; 0] = [];
            assert_eq!(seen(&mut reader(&place, nobody).await, table).await, none, "{table}");
        }
    }
}

#[tokio::test]
async fn a_tenant_is_forgotten_with_its_transaction() {
    let (place, _model) = filled(&Log::sample(40)).await;
    let mut connection = reader(&place, Some("acme")).await;
    assert_eq!(seen(&mut connection, "records").await, ["acme"]);
    sqlx::raw_sql("COMMIT; SET ROLE sigil_test_reader")
        .execute(&mut connection)
        .await
        .unwrap();
    assert!(seen(&mut connection, "records").await.is_empty());
}

#[tokio::test]
async fn the_reader_changes_nothing() {
    let (place, _model) = filled(&Log::sample(20)).await;
    for sql in [
        "UPDATE records SET bytes = ''",
        "DELETE FROM links",
        "INSERT INTO parked VALUES (1, 'acme', 'k', 1, 'c', 'd', 1)",
        "UPDATE projection_state SET position = 0",
        "UPDATE pointer SET generation = 9",
        "CREATE TABLE mine (x INT)",
        "ALTER TABLE records DISABLE ROW LEVEL SECURITY",
    ] {
        let mut connection = reader(&place, Some("acme")).await;
        let refused = sqlx::raw_sql(sql).execute(&mut connection).await.unwrap_err();
        let code = refused.as_database_error().and_then(|error| error.code());
        assert_eq!(code.as_deref(), Some("42501"), "{sql}: {refused}");
    }
}

#[tokio::test]
async fn a_role_that_no_policy_holds_for_is_refused() {
    let place = Place::new().await;
    let origin = Log::empty().origin;
    for (role, make) in [
        ("sigil_bypass", "CREATE ROLE sigil_bypass NOLOGIN BYPASSRLS"),
        ("sigil_super", "CREATE ROLE sigil_super NOLOGIN SUPERUSER"),
    ] {
        // Roles outlive the database of a test.
        drop(place.0.try_psql(make).await);
        let config = Config {
            reader_role: role.to_owned(),
            ..place.config()
        };
        let refused = ReadModel::open(config, origin.clone()).await.map(drop);
        assert!(
            matches!(&refused, Err(Error::Configuration(detail)) if detail.contains("no policy")),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn a_login_without_rights_gets_a_sentence_that_says_what_to_do() {
    let place = Place::new().await;
    let config = Config {
        reader_role: "sigil_test_missing_reader".to_owned(),
        ..Config::new(place.0.url_as("sigil_test_plain").await, "test")
    };
    let refused = ReadModel::open(config, Log::empty().origin).await.map(drop);
    assert!(
        matches!(&refused, Err(Error::Configuration(detail)) if detail.contains("CREATE ROLE sigil_test_missing_reader")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_digest_is_never_taken_of_what_a_policy_shows() {
    let log = Log::sample(40);
    let (place, owner) = filled(&log).await;
    let url = place.0.url_as("sigil_test_gateway").await;
    place.0.psql("grant sigil_test_reader to sigil_test_gateway").await;
    let gateway = ReadModel::connect(Config::new(url, "test"), log.origin.clone())
        .await
        .unwrap();
    assert_eq!(gateway.position().await.unwrap(), log.records.len() as u64);
    assert!(matches!(gateway.digest().await, Err(Error::Database(_))));
    assert_eq!(owner.digest().await.unwrap().0, log.records.len() as u64);
}

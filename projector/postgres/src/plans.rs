//! Which way Postgres goes for every shape of a page: always by an index, without sorting where rows come in order, and
//! by the driver's own index. In the reader's role, with policies, and with statistics of real rows.

use crate::server::Server;
use crate::{Config, ReadModel, page, statements};
use projector::plan::{Axis, Bounds, Column, Condition, Driver, Plan, TextRange};
use record::Origin;
use sqlx::{Acquire as _, AssertSqlSafe, Execute as _, PgConnection, Postgres, QueryBuilder, Row as _};
use testbed::{Database, Postgres as Server15};

/// Rows of one tenant among many, a third of one action, most of one outcome, and a thousand timelines.
const FILL: &str = r#"
    INSERT INTO timeline SELECT n, CASE WHEN n % 20 = 0 THEN 'globex' ELSE 'acme' END, 'audit.event', n % 500, n,
        CASE WHEN n % 3 = 0 THEN 'tool.call' ELSE 'tool.' || n % 50 END, CASE WHEN n % 9 = 0 THEN 'denied' ELSE 'success' END
        FROM generate_series(0, 19999) n;
    INSERT INTO links SELECT n % 1000, n, n / 1000, n % 500, 'acme' FROM generate_series(0, 19999) n;
    INSERT INTO links SELECT 1000, n, n, n % 500, 'acme' FROM generate_series(0, 19999) n;
    INSERT INTO timelines SELECT n, 'acme', CASE WHEN n = 1000 THEN 'kind' ELSE 'actor' END, 'agent:' || n, 20
        FROM generate_series(0, 1000) n;
    INSERT INTO records SELECT n, 'acme', n, int8send(n), 'audit.event', '', '' FROM generate_series(0, 19999) n;
    ANALYZE"#;

/// A server with tables, empty or full, and a database behind them.
async fn tables(full: bool) -> (Database, Server) {
    let database = Server15::database().await;
    let origin = Origin::parse("example.com/audit").unwrap();
    let config = Config::new(database.url(), "test");
    ReadModel::open(config.clone(), origin).await.unwrap();
    if full {
        database.psql(&format!("SET search_path = sigil_test_g1; {FILL}")).await;
    }
    (database, Server::new(config).unwrap())
}

async fn explain(connection: &mut PgConnection, mut sql: QueryBuilder<Postgres>) -> String {
    // The same parameters, behind the same text.
    let text = sql.sql().as_str().to_owned();
    let arguments = sql.build().take_arguments().unwrap().unwrap();
    let explain = AssertSqlSafe(format!("EXPLAIN {text}"));
    let steps = sqlx::query_with(explain, arguments)
        .fetch_all(connection)
        .await
        .unwrap();
    let steps: Vec<String> = steps.iter().map(|step| step.get(0)).collect();
    steps.join("\n")
}

fn drivers() -> Vec<Driver> {
    let range = TextRange::starting("tool.");
    vec![
        Driver::Tenant,
        Driver::Timeline(7),
        Driver::Timelines(vec![7, 8]),
        Driver::Column(Column::Action, "tool.call".to_owned()),
        Driver::Column(Column::Outcome, "success".to_owned()),
        Driver::Columns(Column::Action, range.clone()),
        Driver::Columns(Column::Outcome, range),
    ]
}

fn filters() -> Vec<Condition> {
    let mut filters = Vec::new();
    for negated in [false, true] {
        let (targets, texts) = (TextRange::starting("agent:"), TextRange::starting("d"));
        let (text, column) = ("denied".to_owned(), Column::Outcome);
        filters.push(Condition::Linked {
            timeline: 9,
            count: 3,
            negated,
        });
        filters.push(Condition::LinkedAny {
            label: "actor",
            targets,
            few: None,
            negated,
        });
        filters.push(Condition::Is { column, text, negated });
        filters.push(Condition::Starts {
            column: Column::Action,
            texts,
            negated,
        });
    }
    filters
}

fn bounds() -> Vec<Bounds> {
    let all = Bounds {
        offset_from: 0,
        offset_until: 20_000,
        at_from: None,
        at_until: None,
        after: None,
    };
    vec![
        all,
        Bounds {
            at_from: Some(5),
            at_until: Some(9),
            ..all
        },
        Bounds {
            offset_from: 10,
            offset_until: 20,
            after: Some((5, 6)),
            ..all
        },
    ]
}

fn plans() -> Vec<Plan> {
    let mut plans = Vec::new();
    let axes = [Axis::Offset, Axis::At];
    for driver in drivers() {
        for (along, order) in axes.iter().flat_map(|along| axes.map(|order| (*along, order))) {
            for (bounds, down) in bounds()
                .into_iter()
                .flat_map(|bounds| [(bounds, true), (bounds, false)])
            {
                for filters in [vec![], filters()] {
                    let (tenant, driver, limit) = ("acme".to_owned(), driver.clone(), 51);
                    plans.push(Plan {
                        tenant,
                        driver,
                        along,
                        order,
                        down,
                        bounds,
                        filters,
                        limit,
                    });
                }
            }
        }
    }
    plans
}

/// The index that must give the driver's rows.
fn index(plan: &Plan) -> Option<&'static str> {
    Some(match (&plan.driver, plan.along) {
        (Driver::Tenant, Axis::Offset) => "timeline_tenant",
        (Driver::Tenant, Axis::At) => "timeline_at",
        (Driver::Timeline(_), Axis::Offset) => "links_timeline",
        (Driver::Timeline(_), Axis::At) => "links_at",
        (Driver::Column(Column::Action, _), Axis::Offset) => "timeline_action",
        (Driver::Column(Column::Action, _), Axis::At) => "timeline_action_at",
        (Driver::Column(Column::Outcome, _), Axis::Offset) => "timeline_outcome",
        (Driver::Column(Column::Outcome, _), Axis::At) => "timeline_outcome_at",
        (Driver::Timelines(_) | Driver::Columns(..), _) => return None,
    })
}

async fn no_page_leaves_its_index(full: bool) {
    let (_database, server) = tables(full).await;
    let mut connection = server.readers.acquire().await.unwrap();
    let mut transaction = connection.begin().await.unwrap();
    sqlx::query(statements::BEGIN_QUESTION)
        .bind(server.schema())
        .bind("acme")
        .bind(&server.config.reader_role)
        .execute(&mut *transaction)
        .await
        .unwrap();
    for plan in plans() {
        let steps = explain(&mut transaction, page::select(&plan)).await;
        assert!(!steps.contains("Seq Scan"), "{plan:?}\n{steps}");
        let gathered = matches!(plan.driver, Driver::Timelines(_) | Driver::Columns(..));
        let streams = plan.along == plan.order && !gathered;
        assert!(!streams || !steps.contains("Sort"), "{plan:?}\n{steps}");
        // Rows are sorted only where a bound along the other column leaves few, which Postgres knows of rows alone.
        let narrow = full
            && match plan.along {
                Axis::Offset => plan.bounds.offset_from > 0,
                Axis::At => plan.bounds.at_from.is_some(),
            };
        if let Some(index) = index(&plan).filter(|_| streams || narrow) {
            let reads = format!("{index} on ");
            assert!(steps.contains(&reads), "{plan:?}\nneeds {index}\n{steps}");
        }
        assert!(!steps.contains("Hash Join") && !steps.contains("Merge Join"), "{steps}");
    }
}

#[tokio::test]
async fn no_page_of_full_tables_leaves_its_index() {
    no_page_leaves_its_index(true).await;
}

#[tokio::test]
async fn no_page_of_empty_tables_leaves_its_index() {
    no_page_leaves_its_index(false).await;
}

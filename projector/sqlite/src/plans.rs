//! Which way SQLite goes for every shape of a page: always by an index, and without sorting where rows come in order.

use crate::{page, schema, statements};
use projector::plan::{Axis, Bounds, Column, Condition, Driver, Plan, TextRange};
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

async fn migrated() -> SqliteConnection {
    let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    schema::migrate(&mut connection).await.unwrap();
    connection
}

async fn explain(connection: &mut SqliteConnection, text: &str) -> String {
    let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}"));
    let steps: Vec<(i64, i64, i64, String)> = sqlx::query_as(explain).fetch_all(connection).await.unwrap();
    steps.into_iter().map(|step| step.3).collect::<Vec<_>>().join("\n")
}

/// Whether a step reads a whole table. `p` is the page itself.
fn scans(steps: &str) -> bool {
    steps
        .lines()
        .any(|step| step.starts_with("SCAN") && !["SCAN p", "SCAN d"].contains(&step))
}

fn drivers() -> Vec<Driver> {
    let range = TextRange::starting("tool.");
    vec![
        Driver::Tenant,
        Driver::Timeline(7),
        Driver::Timelines(vec![7, 8]),
        Driver::Column(Column::Action, "tool.call".to_owned()),
        Driver::Column(Column::Outcome, "denied".to_owned()),
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
        offset_until: 1_000_000,
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
    for driver in drivers() {
        for (along, order) in [
            (Axis::Offset, Axis::Offset),
            (Axis::Offset, Axis::At),
            (Axis::At, Axis::Offset),
            (Axis::At, Axis::At),
        ] {
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

#[tokio::test]
async fn no_page_reads_a_whole_table() {
    let mut connection = migrated().await;
    for plan in plans() {
        let steps = explain(&mut connection, page::select(&plan).sql().as_str()).await;
        assert!(!scans(&steps), "{plan:?}\n{steps}");
        let gathered = matches!(plan.driver, Driver::Timelines(_) | Driver::Columns(..));
        if plan.along == plan.order && !gathered {
            assert!(!steps.contains("TEMP B-TREE"), "{plan:?}\n{steps}");
        }
    }
}

#[tokio::test]
async fn the_driver_is_read_by_the_index_that_the_plan_names() {
    let mut connection = migrated().await;
    let expected = [
        (
            Driver::Tenant,
            "timeline_tenant (tenant=? AND rowid",
            "timeline_at (tenant=? AND at",
        ),
        (
            Driver::Timeline(7),
            "PRIMARY KEY (timeline=? AND offset",
            "links_at (timeline=? AND at",
        ),
        (
            Driver::Column(Column::Action, "a".to_owned()),
            "timeline_action (tenant=? AND action=? AND rowid",
            "timeline_action_at (tenant=? AND action=? AND at",
        ),
    ];
    let [_, spans, cursor] = bounds()[..] else {
        unreachable!("three bounds are listed")
    };
    for plan in plans() {
        let Some((_, by_offset, by_time)) = expected.iter().find(|(driver, ..)| *driver == plan.driver) else {
            continue;
        };
        let steps = explain(&mut connection, page::select(&plan).sql().as_str()).await;
        let index = match plan.along {
            Axis::Offset => by_offset,
            Axis::At if plan.bounds == spans => by_time,
            // A cursor is one bound over both columns; where the offset is the rowid, over the first of them.
            Axis::At if plan.bounds == cursor && matches!(plan.driver, Driver::Timeline(_)) => "(at,offset)",
            Axis::At if plan.bounds == cursor => by_time,
            Axis::At => continue,
        };
        assert!(steps.contains(index), "{plan:?}\nneeds {index}\n{steps}");
    }
}

#[tokio::test]
async fn look_ups_are_steps_in_an_index() {
    let mut connection = migrated().await;
    let looked_up = [
        statements::SELECT_RECORD,
        statements::SELECT_RECORD_AT,
        statements::SELECT_CANON,
        statements::SELECT_TIMELINE,
        statements::SELECT_LAST_TS,
        statements::SELECT_STATE,
        statements::ADVANCE,
        statements::SELECT_KEY_RECORDS,
    ];
    for text in looked_up {
        let steps = explain(&mut connection, text).await;
        let first_row = text == statements::SELECT_LAST_TS;
        assert!(first_row || !steps.contains("SCAN"), "{text}\n{steps}");
    }
    let targets = page::timelines("acme", "actor", &TextRange::starting("agent:"), 65);
    let steps = explain(&mut connection, targets.sql().as_str()).await;
    assert!(
        steps.contains("timelines_key (tenant=? AND label=? AND target>? AND target<?)"),
        "{steps}"
    );
    let (_, find) = statements::FIND_TIMELINES.chunks().next().unwrap();
    let steps = explain(&mut connection, find).await;
    assert!(
        steps.contains("SEARCH t USING INDEX timelines_key (tenant=? AND label=? AND target=?)"),
        "{steps}"
    );
    let steps = explain(&mut connection, statements::SCAN_LINKS).await;
    assert!(
        steps.contains("SCAN links USING INDEX links_offset") && !steps.contains("TEMP"),
        "{steps}"
    );
    let chains = explain(&mut connection, statements::SELECT_CHAINS).await;
    assert!(!chains.contains("SCAN r") && !chains.contains("SCAN m"), "{chains}");
}

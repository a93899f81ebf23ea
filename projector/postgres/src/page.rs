//! The SQL of a page: built from fixed pieces, every value a bound parameter.
//!
//! The driver is `d`, with columns `offset` and `at`. Postgres has no word for "this index, in this order", so the
//! statements leave it no other way:
//!
//! * A page that comes in order compares whole rows, `(timeline, "offset") >= (7, 100)`, and is ordered by the same
//!   columns. Only the index that begins so gives that order. (With `timeline = 7` the first column would drop out of the
//!   order, and an index by offset alone, over all timelines, would do as well.)
//! * A page that is sorted names its rows by `=` along one column.
//! * `0 +` before a number and `|| ''` after a text keep the indexes of a column away.
//! * A probe per row is a sub-query with `OFFSET 0`, which is never turned into a join.
//!
//! The inner query finds the page; only then are the records' bytes fetched, in any order.

use projector::plan::{Axis, Column, Condition, Driver, Plan, TextRange};
use sqlx::{Postgres, QueryBuilder};

type Sql = QueryBuilder<Postgres>;

/// The rows of a page as (offset, at, bytes), not in order.
pub(crate) fn select(plan: &Plan) -> Sql {
    let mut sql = Sql::new(r#"SELECT p."offset", p.at, r.bytes FROM (SELECT d."offset", d.at FROM "#);
    push_driver(&mut sql, &plan.driver);
    if needs_row(plan) {
        sql.push(" CROSS JOIN LATERAL (SELECT action, outcome FROM timeline WHERE tenant = ")
            .push_bind(plan.tenant.as_str());
        sql.push(r#" AND "offset" = d."offset" OFFSET 0) t"#);
    }
    sql.push(" WHERE ");
    if streams(plan) {
        push_in_order(&mut sql, plan);
    } else {
        push_sorted(&mut sql, plan);
    }
    sql.push(" LIMIT ").push_bind(plan.limit);
    sql.push(r#") p JOIN records r ON r."offset" = p."offset""#);
    sql
}

/// The number of rows behind `driver`, at most `limit`; only those within the bounds along `along`, where given.
pub(crate) fn count(plan: &Plan, driver: &Driver, along: Option<Axis>, limit: i64) -> Sql {
    let mut sql = Sql::new("SELECT count(*) FROM (SELECT 1 FROM ");
    push_driver(&mut sql, driver);
    sql.push(" WHERE ");
    push_key(&mut sql, driver, &plan.tenant);
    match along {
        Some(Axis::Offset) => push_offsets(&mut sql, plan, OFFSET),
        Some(Axis::At) => push_times(&mut sql, plan, AT),
        None => {}
    }
    sql.push(" LIMIT ").push_bind(limit);
    sql.push(") c");
    sql
}

/// The timelines of a label in a range of targets, at most `limit`.
pub(crate) fn timelines(tenant: &str, label: &'static str, targets: &TextRange, limit: i64) -> Sql {
    let mut sql = Sql::new("SELECT id, count FROM timelines WHERE tenant = ");
    sql.push_bind(tenant).push(" AND label = ").push_bind(label);
    sql.push(" AND target >= ").push_bind(targets.from.as_str());
    if let Some(until) = &targets.until {
        sql.push(" AND target < ").push_bind(until.as_str());
    }
    sql.push(" LIMIT ").push_bind(limit);
    sql
}

/// Columns that an index may be used for, and ones that it may not.
const OFFSET: &str = r#"d."offset""#;
const AT: &str = "d.at";
const SHIELDED_OFFSET: &str = r#"0 + d."offset""#;
const SHIELDED_AT: &str = "0 + d.at";

/// Whether the rows come from an index in the order of the page.
const fn streams(plan: &Plan) -> bool {
    let gathered = matches!(plan.driver, Driver::Timelines(_) | Driver::Columns(..));
    !gathered
        && matches!(
            (plan.along, plan.order),
            (Axis::Offset, Axis::Offset) | (Axis::At, Axis::At)
        )
}

/// Whether the driver's rows are rows of `timeline` themselves.
const fn on_timeline(driver: &Driver) -> bool {
    matches!(driver, Driver::Tenant | Driver::Column(..) | Driver::Columns(..))
}

fn needs_row(plan: &Plan) -> bool {
    let on_row = |filter: &Condition| matches!(filter, Condition::Is { .. } | Condition::Starts { .. });
    !on_timeline(&plan.driver) && plan.filters.iter().any(on_row)
}

fn push_driver(sql: &mut Sql, driver: &Driver) {
    match driver {
        Driver::Tenant | Driver::Column(..) | Driver::Columns(..) => sql.push("timeline d"),
        Driver::Timeline(_) => sql.push("links d"),
        Driver::Timelines(timelines) => {
            sql.push(r#"(SELECT DISTINCT "offset", at FROM links WHERE timeline = ANY("#);
            sql.push_bind(timelines.clone()).push(")) d")
        }
    };
}

/// Rows that an index gives in the order of the page: bounds over the index's own columns, and the same columns as order.
fn push_in_order(sql: &mut Sql, plan: &Plan) {
    if on_timeline(&plan.driver) {
        sql.push("d.tenant = ").push_bind(plan.tenant.as_str()).push(" AND ");
    }
    let from = match plan.along {
        Axis::Offset => vec![plan.bounds.offset_from],
        Axis::At => plan.bounds.at_from.into_iter().collect(),
    };
    let until = match plan.along {
        Axis::Offset => vec![plan.bounds.offset_until],
        Axis::At => plan.bounds.at_until.into_iter().collect(),
    };
    let after = plan.bounds.after.map(|(at, offset)| vec![at, offset]);
    match after {
        Some(after) if plan.along == Axis::At && plan.down => {
            push_bound(sql, plan, " >= ", &from);
            push_bound(sql, plan, " < ", &after);
        }
        Some(after) if plan.along == Axis::At => {
            push_bound(sql, plan, " > ", &after);
            push_bound(sql, plan, if until.is_empty() { " <= " } else { " < " }, &until);
        }
        _ => {
            push_bound(sql, plan, " >= ", &from);
            push_bound(sql, plan, if until.is_empty() { " <= " } else { " < " }, &until);
        }
    }
    match &plan.driver {
        // The index holds no others, and Postgres does not see that a comparison of rows leaves them out.
        Driver::Column(column, _) => sql.push("d.").push(column.name()).push(" IS NOT NULL"),
        _ => sql.push("TRUE"),
    };
    match plan.along {
        Axis::Offset => push_times(sql, plan, SHIELDED_AT),
        Axis::At => push_offsets(sql, plan, SHIELDED_OFFSET),
    }
    push_filters(sql, plan);
    push_order(sql, plan);
}

/// A bound over the driver's key and the first of the columns that rows are read along: `(d.timeline, d.at) >= (7, 5) AND`.
/// Without values it is one over the key alone; without a key it is none.
fn push_bound(sql: &mut Sql, plan: &Plan, compare: &'static str, values: &[i64]) {
    let key = key_column(&plan.driver);
    let columns = match plan.along {
        Axis::Offset => [OFFSET, ""],
        Axis::At => [AT, OFFSET],
    };
    let columns: Vec<&str> = key.into_iter().chain(columns.into_iter().take(values.len())).collect();
    if columns.is_empty() {
        return;
    }
    sql.push("(").push(columns.join(", ")).push(")").push(compare).push("(");
    let mut list = sql.separated(", ");
    match &plan.driver {
        Driver::Timeline(timeline) => drop(list.push_bind(*timeline)),
        Driver::Column(_, text) => drop(list.push_bind(text.as_str())),
        Driver::Tenant | Driver::Timelines(_) | Driver::Columns(..) => {}
    }
    for value in values {
        list.push_bind(*value);
    }
    sql.push(") AND ");
}

/// The column between the tenant and the order in the driver's indexes.
const fn key_column(driver: &Driver) -> Option<&'static str> {
    match driver {
        Driver::Timeline(_) => Some("d.timeline"),
        Driver::Column(Column::Action, _) => Some("d.action"),
        Driver::Column(Column::Outcome, _) => Some("d.outcome"),
        Driver::Tenant | Driver::Timelines(_) | Driver::Columns(..) => None,
    }
}

fn push_order(sql: &mut Sql, plan: &Plan) {
    let columns = match plan.order {
        Axis::Offset => &[OFFSET][..],
        Axis::At => &[AT, OFFSET][..],
    };
    let end = if plan.down { " DESC" } else { "" };
    let columns: Vec<String> = key_column(&plan.driver)
        .into_iter()
        .chain(columns.iter().copied())
        .map(|column| format!("{column}{end}"))
        .collect();
    sql.push(" ORDER BY ").push(columns.join(", "));
}

/// Few rows, by the driver's key and the bounds along one column, to be sorted.
fn push_sorted(sql: &mut Sql, plan: &Plan) {
    push_key(sql, &plan.driver, &plan.tenant);
    let gathered = matches!(plan.driver, Driver::Timelines(_) | Driver::Columns(..));
    let indexed = |axis: Axis| plan.along == axis && !gathered;
    push_offsets(sql, plan, if indexed(Axis::Offset) { OFFSET } else { SHIELDED_OFFSET });
    push_times(sql, plan, if indexed(Axis::At) { AT } else { SHIELDED_AT });
    push_filters(sql, plan);
    sql.push(match (plan.order, plan.down) {
        (Axis::Offset, true) => r#" ORDER BY 0 + d."offset" DESC"#,
        (Axis::Offset, false) => r#" ORDER BY 0 + d."offset""#,
        (Axis::At, true) => r#" ORDER BY 0 + d.at DESC, 0 + d."offset" DESC"#,
        (Axis::At, false) => r#" ORDER BY 0 + d.at, 0 + d."offset""#,
    });
}

fn push_key(sql: &mut Sql, driver: &Driver, tenant: &str) {
    match driver {
        Driver::Tenant => sql.push("d.tenant = ").push_bind(tenant),
        Driver::Timeline(timeline) => sql.push("d.timeline = ").push_bind(*timeline),
        Driver::Timelines(_) => sql.push("TRUE"),
        Driver::Column(column, text) => {
            sql.push("d.tenant = ").push_bind(tenant);
            sql.push(" AND d.").push(column.name());
            sql.push(" = ").push_bind(text.as_str())
        }
        Driver::Columns(column, texts) => {
            sql.push("d.tenant = ").push_bind(tenant).push(" AND ");
            push_range(sql, "d.", column.name(), "", texts);
            sql
        }
    };
}

fn push_offsets(sql: &mut Sql, plan: &Plan, name: &'static str) {
    sql.push(" AND ")
        .push(name)
        .push(" >= ")
        .push_bind(plan.bounds.offset_from);
    sql.push(" AND ")
        .push(name)
        .push(" < ")
        .push_bind(plan.bounds.offset_until);
}

fn push_times(sql: &mut Sql, plan: &Plan, name: &'static str) {
    if let Some(from) = plan.bounds.at_from {
        sql.push(" AND ").push(name).push(" >= ").push_bind(from);
    }
    if let Some(until) = plan.bounds.at_until {
        sql.push(" AND ").push(name).push(" < ").push_bind(until);
    }
    if let Some((at, offset)) = plan.bounds.after {
        let second = if name == AT { OFFSET } else { SHIELDED_OFFSET };
        sql.push(" AND (").push(name).push(", ").push(second);
        sql.push(if plan.down { ") < (" } else { ") > (" }).push_bind(at);
        sql.push(", ").push_bind(offset).push(")");
    }
}

fn push_filters(sql: &mut Sql, plan: &Plan) {
    let row = if on_timeline(&plan.driver) { "d." } else { "t." };
    for filter in &plan.filters {
        push_filter(sql, filter, row);
    }
}

fn push_filter(sql: &mut Sql, filter: &Condition, row: &'static str) {
    match filter {
        Condition::Linked { timeline, negated, .. } => {
            sql.push(if *negated { " AND NOT" } else { " AND" });
            sql.push(" EXISTS (SELECT 1 FROM links e WHERE e.timeline = ")
                .push_bind(*timeline);
            sql.push(r#" AND e."offset" = d."offset" OFFSET 0)"#);
        }
        Condition::LinkedAny {
            label,
            targets,
            negated,
            ..
        } => {
            sql.push(if *negated { " AND NOT" } else { " AND" });
            sql.push(r#" EXISTS (SELECT 1 FROM links e WHERE e."offset" = d."offset" AND EXISTS ("#);
            sql.push("SELECT 1 FROM timelines n WHERE n.id = e.timeline AND n.label = ")
                .push_bind(*label);
            sql.push(" AND n.target >= ").push_bind(targets.from.as_str());
            if let Some(until) = &targets.until {
                sql.push(" AND n.target < ").push_bind(until.as_str());
            }
            sql.push(" OFFSET 0) OFFSET 0)");
        }
        Condition::Is { column, text, negated } => {
            sql.push(" AND ").push(row).push(column.name());
            sql.push(if *negated { " IS DISTINCT FROM " } else { " || '' = " });
            sql.push_bind(text.as_str());
        }
        Condition::Starts { column, texts, negated } => {
            sql.push(" AND (");
            push_range(sql, row, column.name(), " || ''", texts);
            sql.push(if *negated { ") IS NOT TRUE" } else { ")" });
        }
    }
}

/// A range of texts in a column; `shield` keeps its indexes away.
fn push_range(sql: &mut Sql, table: &'static str, column: &'static str, shield: &'static str, texts: &TextRange) {
    sql.push(table).push(column).push(shield);
    sql.push(" >= ").push_bind(texts.from.as_str());
    if let Some(until) = &texts.until {
        sql.push(" AND ").push(table).push(column).push(shield);
        sql.push(" < ").push_bind(until.as_str());
    }
}

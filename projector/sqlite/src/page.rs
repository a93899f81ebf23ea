//! The SQL of a page: built from fixed pieces, every value a bound parameter.
//!
//! The driver is `d`, with columns `offset` and `at`. Joins are CROSS JOINs and indexes are named, so that SQLite reads
//! what the planner meant. The inner query finds the page; only then are the records' bytes fetched, in any order.

use projector::plan::{Axis, Column, Condition, Driver, Plan, TextRange};
use sqlx::{QueryBuilder, Sqlite};

type Sql = QueryBuilder<Sqlite>;

/// The rows of a page as (offset, at, bytes), not in order.
pub(crate) fn select(plan: &Plan) -> Sql {
    let mut sql = Sql::new("SELECT p.offset, p.at, r.bytes FROM (SELECT d.offset AS offset, d.at AS at FROM ");
    push_driver(&mut sql, &plan.driver, plan.along);
    if needs_row(plan) {
        sql.push(" CROSS JOIN timeline t ON t.offset = d.offset");
    }
    sql.push(" WHERE ");
    push_key(&mut sql, &plan.driver, &plan.tenant);
    push_offsets(&mut sql, plan, plan.along == Axis::Offset);
    push_times(&mut sql, plan, plan.along == Axis::At);
    let row = if on_timeline(&plan.driver) { "d" } else { "t" };
    plan.filters
        .iter()
        .for_each(|filter| push_filter(&mut sql, filter, row));
    push_order(&mut sql, plan);
    sql.push(" LIMIT ").push_bind(plan.limit);
    sql.push(") p CROSS JOIN records r ON r.offset = p.offset");
    sql
}

/// Rows that are to be sorted say so (`unary +`), or SQLite would read them along the order instead of the bound.
fn push_order(sql: &mut Sql, plan: &Plan) {
    let streamed = plan.along == plan.order;
    sql.push(match (plan.order, plan.down) {
        (Axis::Offset, true) => column(streamed, " ORDER BY d.offset DESC", " ORDER BY +d.offset DESC"),
        (Axis::Offset, false) => column(streamed, " ORDER BY d.offset", " ORDER BY +d.offset"),
        (Axis::At, true) => column(
            streamed,
            " ORDER BY d.at DESC, d.offset DESC",
            " ORDER BY +d.at DESC, +d.offset DESC",
        ),
        (Axis::At, false) => column(streamed, " ORDER BY d.at, d.offset", " ORDER BY +d.at, +d.offset"),
    });
}

/// The number of rows behind `driver`, at most `limit`; only those within the bounds along `along`, where given.
pub(crate) fn count(plan: &Plan, driver: &Driver, along: Option<Axis>, limit: i64) -> Sql {
    let mut sql = Sql::new("SELECT count(*) FROM (SELECT 1 FROM ");
    push_driver(&mut sql, driver, along.unwrap_or(Axis::Offset));
    sql.push(" WHERE ");
    push_key(&mut sql, driver, &plan.tenant);
    match along {
        Some(Axis::Offset) => push_offsets(&mut sql, plan, true),
        Some(Axis::At) => push_times(&mut sql, plan, true),
        None => {}
    }
    sql.push(" LIMIT ").push_bind(limit);
    sql.push(")");
    sql
}

/// Whether the driver's rows are rows of `timeline` themselves.
const fn on_timeline(driver: &Driver) -> bool {
    matches!(driver, Driver::Tenant | Driver::Column(..) | Driver::Columns(..))
}

fn needs_row(plan: &Plan) -> bool {
    let on_row = |filter: &Condition| matches!(filter, Condition::Is { .. } | Condition::Starts { .. });
    !on_timeline(&plan.driver) && plan.filters.iter().any(on_row)
}

fn push_driver(sql: &mut Sql, driver: &Driver, along: Axis) {
    sql.push(match (driver, along) {
        (Driver::Tenant, Axis::Offset) => "timeline d INDEXED BY timeline_tenant",
        (Driver::Tenant, Axis::At) => "timeline d INDEXED BY timeline_at",
        (Driver::Column(Column::Action, _), Axis::At) => "timeline d INDEXED BY timeline_action_at",
        (Driver::Column(Column::Outcome, _), Axis::At) => "timeline d INDEXED BY timeline_outcome_at",
        (Driver::Column(Column::Action, _) | Driver::Columns(Column::Action, _), _) => {
            "timeline d INDEXED BY timeline_action"
        }
        (Driver::Column(Column::Outcome, _) | Driver::Columns(Column::Outcome, _), _) => {
            "timeline d INDEXED BY timeline_outcome"
        }
        // The primary key is (timeline, offset).
        (Driver::Timeline(_), Axis::Offset) => "links d",
        (Driver::Timeline(_), Axis::At) => "links d INDEXED BY links_at",
        (Driver::Timelines(_), _) => "(SELECT DISTINCT offset, at FROM links WHERE timeline IN (",
    });
    if let Driver::Timelines(timelines) = driver {
        let mut list = sql.separated(", ");
        for timeline in timelines {
            list.push_bind(*timeline);
        }
        sql.push(")) d");
    }
}

fn push_key(sql: &mut Sql, driver: &Driver, tenant: &str) {
    match driver {
        Driver::Tenant => sql.push("d.tenant = ").push_bind(tenant),
        Driver::Timeline(timeline) => sql.push("d.timeline = ").push_bind(*timeline),
        Driver::Timelines(_) => sql.push("TRUE"),
        Driver::Column(column, text) => {
            sql.push("d.tenant = ").push_bind(tenant);
            sql.push(" AND d.")
                .push(column.name())
                .push(" = ")
                .push_bind(text.as_str())
        }
        Driver::Columns(column, texts) => {
            sql.push("d.tenant = ").push_bind(tenant).push(" AND ");
            push_range(sql, "d.", column.name(), texts);
            sql
        }
    };
}

/// `unary +` keeps a bound from being looked up in an index when the rows are read along the other column.
const fn column(indexed: bool, plain: &'static str, shielded: &'static str) -> &'static str {
    if indexed { plain } else { shielded }
}

fn push_offsets(sql: &mut Sql, plan: &Plan, indexed: bool) {
    let name = column(indexed, " AND d.offset", " AND +d.offset");
    sql.push(name).push(" >= ").push_bind(plan.bounds.offset_from);
    sql.push(name).push(" < ").push_bind(plan.bounds.offset_until);
}

fn push_times(sql: &mut Sql, plan: &Plan, indexed: bool) {
    let name = column(indexed, " AND d.at", " AND +d.at");
    if let Some(from) = plan.bounds.at_from {
        sql.push(name).push(" >= ").push_bind(from);
    }
    if let Some(until) = plan.bounds.at_until {
        sql.push(name).push(" < ").push_bind(until);
    }
    if let Some((at, offset)) = plan.bounds.after {
        sql.push(column(indexed, " AND (d.at, d.offset)", " AND (+d.at, +d.offset)"));
        sql.push(if plan.down { " < (" } else { " > (" }).push_bind(at);
        sql.push(", ").push_bind(offset).push(")");
    }
}

fn push_filter(sql: &mut Sql, filter: &Condition, row: &'static str) {
    match filter {
        Condition::Linked { timeline, negated, .. } => {
            sql.push(if *negated { " AND NOT" } else { " AND" });
            sql.push(" EXISTS (SELECT 1 FROM links e WHERE e.timeline = ")
                .push_bind(*timeline);
            sql.push(" AND e.offset = d.offset)");
        }
        Condition::LinkedAny {
            label,
            targets,
            negated,
            ..
        } => {
            sql.push(if *negated { " AND NOT" } else { " AND" });
            sql.push(
                " EXISTS (SELECT 1 FROM links e INDEXED BY links_offset CROSS JOIN timelines n ON n.id = e.timeline",
            );
            sql.push(" WHERE e.offset = d.offset AND n.label = ").push_bind(*label);
            sql.push(" AND ");
            push_range(sql, "n.", "target", targets);
            sql.push(")");
        }
        Condition::Is { column, text, negated } => {
            sql.push(" AND ").push(row).push(".").push(column.name());
            sql.push(if *negated { " IS NOT " } else { " IS " });
            sql.push_bind(text.as_str());
        }
        Condition::Starts { column, texts, negated } => {
            sql.push(" AND (");
            push_range(sql, if row == "d" { "d." } else { "t." }, column.name(), texts);
            sql.push(if *negated { ") IS NOT TRUE" } else { ")" });
        }
    }
}

fn push_range(sql: &mut Sql, table: &'static str, column: &'static str, texts: &TextRange) {
    sql.push(table).push(column).push(" >= ").push_bind(texts.from.as_str());
    if let Some(until) = &texts.until {
        sql.push(" AND ")
            .push(table)
            .push(column)
            .push(" < ")
            .push_bind(until.as_str());
    }
}

/// The timelines of a label in a range of targets, at most `limit`.
pub(crate) fn timelines(tenant: &str, label: &'static str, targets: &TextRange, limit: i64) -> Sql {
    let mut sql = Sql::new("SELECT id, count FROM timelines WHERE tenant = ");
    sql.push_bind(tenant).push(" AND label = ").push_bind(label);
    sql.push(" AND ");
    push_range(&mut sql, "", "target", targets);
    sql.push(" LIMIT ").push_bind(limit);
    sql
}

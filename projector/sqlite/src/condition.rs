//! The conditions of a page, looked up in the dictionary: what is left is ids, ranges of text and two columns.

use crate::fault::{fault, number};
use crate::statements;
use projector::Error;
use projector::query::{Field, Pattern, Term, TimelineRequest};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

/// Timelines whose union may be gathered and sorted; more are filtered row by row.
const FEW: i64 = 64;

/// One condition of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    /// The record is, or is not, in this timeline.
    Linked { timeline: i64, count: u64, negated: bool },
    /// The record is, or is not, in a timeline of this label whose target is in the range.
    LinkedAny {
        label: &'static str,
        targets: TextRange,
        /// The timelines and the sum of their counts, where they are few.
        few: Option<(Vec<i64>, u64)>,
        negated: bool,
    },
    /// The column is, or is not, this text.
    Is {
        column: Column,
        text: String,
        negated: bool,
    },
    /// The column is, or is not, in this range.
    Starts {
        column: Column,
        texts: TextRange,
        negated: bool,
    },
}

/// A column that is no link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    Action,
    Outcome,
}

/// The texts with a common beginning: `from <= text < until`, in the order of UTF-8 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TextRange {
    pub(crate) from: String,
    pub(crate) until: Option<String>,
}

impl Column {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::Outcome => "outcome",
        }
    }
}

impl TextRange {
    /// Every text that starts with `prefix`.
    pub(crate) fn starting(prefix: &str) -> Self {
        // The order of UTF-8 bytes is that of characters, so the range ends at the next character in the last place.
        let mut until: Vec<char> = prefix.chars().collect();
        while let Some(last) = until.pop() {
            if let Some(next) = (last..=char::MAX).nth(1) {
                until.push(next);
                break;
            }
        }
        Self {
            from: prefix.to_owned(),
            until: (!until.is_empty()).then(|| until.into_iter().collect()),
        }
    }
}

/// The conditions of `request`; `None` when one of them holds for no record.
pub(crate) async fn look_up(
    snapshot: &mut SqliteConnection,
    request: &TimelineRequest,
) -> Result<Option<Vec<Condition>>, Error> {
    let mut conditions = Vec::with_capacity(request.terms.len());
    for term in &request.terms {
        match look_up_term(snapshot, request.tenant.as_str(), term).await? {
            Some(condition) => conditions.push(condition),
            None if term.negated => {}
            None => return Ok(None),
        }
    }
    Ok(Some(conditions))
}

/// `None` when no record has such a link.
async fn look_up_term(snapshot: &mut SqliteConnection, tenant: &str, term: &Term) -> Result<Option<Condition>, Error> {
    let label = match term.field {
        Field::Actor => "actor",
        Field::Subject => "subject",
        Field::Resource => "resource",
        Field::Session => "session",
        Field::Kind => "kind",
        Field::Action => return Ok(Some(column(Column::Action, term))),
        Field::Outcome => return Ok(Some(column(Column::Outcome, term))),
    };
    let negated = term.negated;
    match &term.pattern {
        Pattern::Exact(target) => {
            let found = sqlx::query_as(statements::SELECT_TIMELINE)
                .bind(tenant)
                .bind(label)
                .bind(target);
            let found: Option<(i64, i64)> = found.fetch_optional(snapshot).await.map_err(fault)?;
            let Some((timeline, count)) = found else {
                return Ok(None);
            };
            let count = number(count)?;
            Ok(Some(Condition::Linked {
                timeline,
                count,
                negated,
            }))
        }
        Pattern::Prefix(prefix) => look_up_targets(snapshot, tenant, label, TextRange::starting(prefix), negated).await,
    }
}

fn column(column: Column, term: &Term) -> Condition {
    let negated = term.negated;
    match &term.pattern {
        Pattern::Exact(text) => Condition::Is {
            column,
            text: text.clone(),
            negated,
        },
        Pattern::Prefix(prefix) => Condition::Starts {
            column,
            texts: TextRange::starting(prefix),
            negated,
        },
    }
}

async fn look_up_targets(
    snapshot: &mut SqliteConnection,
    tenant: &str,
    label: &'static str,
    targets: TextRange,
    negated: bool,
) -> Result<Option<Condition>, Error> {
    let mut find = targets_query(tenant, label, &targets);
    let found = find.build_query_as().fetch_all(snapshot);
    let found: Vec<(i64, i64)> = found.await.map_err(fault)?;
    if found.is_empty() {
        return Ok(None);
    }
    let few = found.len() <= FEW as usize;
    let total = found
        .iter()
        .map(|(_, count)| number(*count))
        .sum::<Result<u64, Error>>()?;
    let few = few.then(|| (found.iter().map(|(id, _)| *id).collect(), total));
    Ok(Some(Condition::LinkedAny {
        label,
        targets,
        few,
        negated,
    }))
}

/// The timelines of a label in a range of targets, one more than are few.
pub(crate) fn targets_query(tenant: &str, label: &'static str, targets: &TextRange) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::new("SELECT id, count FROM timelines WHERE tenant = ");
    sql.push_bind(tenant).push(" AND label = ").push_bind(label);
    sql.push(" AND target >= ").push_bind(targets.from.as_str());
    if let Some(until) = &targets.until {
        sql.push(" AND target < ").push_bind(until.as_str());
    }
    sql.push(" LIMIT ").push_bind(FEW + 1);
    sql
}

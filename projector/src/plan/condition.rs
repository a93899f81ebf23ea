//! The conditions of a page, looked up in the dictionary: what is left is ids, ranges of text and two columns.

use super::Tables;
use crate::Error;
use crate::query::{Field, Pattern, Term, TimelineRequest};

/// Timelines whose union may be gathered and sorted; more are filtered row by row.
pub const FEW: i64 = 64;

/// One condition of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// The record is, or is not, in this timeline.
    Linked {
        /// The timeline's id.
        timeline: i64,
        /// Its number of records.
        count: u64,
        /// Whether it must not be there.
        negated: bool,
    },
    /// The record is, or is not, in a timeline of this label whose target is in the range.
    LinkedAny {
        /// The label.
        label: &'static str,
        /// The targets.
        targets: TextRange,
        /// The timelines and the sum of their counts, where they are few.
        few: Option<(Vec<i64>, u64)>,
        /// Whether it must be in none.
        negated: bool,
    },
    /// The column is, or is not, this text.
    Is {
        /// The column.
        column: Column,
        /// The text.
        text: String,
        /// Whether it must be another, or none.
        negated: bool,
    },
    /// The column is, or is not, in this range.
    Starts {
        /// The column.
        column: Column,
        /// The range.
        texts: TextRange,
        /// Whether it must lie outside, or be none.
        negated: bool,
    },
}

/// A column that is no link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// `action` of `timeline`.
    Action,
    /// `outcome` of `timeline`.
    Outcome,
}

/// The texts with a common beginning: `from <= text < until`, in the order of UTF-8 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextRange {
    /// Inclusive.
    pub from: String,
    /// Exclusive; `None` when no text is larger than all of them.
    pub until: Option<String>,
}

impl Column {
    /// The name in the tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::Outcome => "outcome",
        }
    }
}

impl TextRange {
    /// Every text that starts with `prefix`.
    #[must_use]
    pub fn starting(prefix: &str) -> Self {
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
    tables: &mut dyn Tables,
    request: &TimelineRequest,
) -> Result<Option<Vec<Condition>>, Error> {
    let mut conditions = Vec::with_capacity(request.terms.len());
    for term in &request.terms {
        let (Pattern::Exact(text) | Pattern::Prefix(text)) = &term.pattern;
        // No record holds U+0000, and not every database can compare with it.
        if text.contains('\0') {
            if term.negated {
                continue;
            }
            return Ok(None);
        }
        match look_up_term(tables, request.tenant.as_str(), term).await? {
            Some(condition) => conditions.push(condition),
            None if term.negated => {}
            None => return Ok(None),
        }
    }
    Ok(Some(conditions))
}

/// `None` when no record has such a link.
async fn look_up_term(tables: &mut dyn Tables, tenant: &str, term: &Term) -> Result<Option<Condition>, Error> {
    let Some(label) = term.field.label() else {
        let named = if term.field == Field::Action {
            Column::Action
        } else {
            Column::Outcome
        };
        return Ok(Some(column(named, term)));
    };
    let negated = term.negated;
    match &term.pattern {
        Pattern::Exact(target) => {
            let Some((timeline, count)) = tables.timeline(tenant, label, target).await? else {
                return Ok(None);
            };
            Ok(Some(Condition::Linked {
                timeline,
                count,
                negated,
            }))
        }
        Pattern::Prefix(prefix) => look_up_targets(tables, tenant, label, TextRange::starting(prefix), negated).await,
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
    tables: &mut dyn Tables,
    tenant: &str,
    label: &'static str,
    targets: TextRange,
    negated: bool,
) -> Result<Option<Condition>, Error> {
    let found = tables.timelines(tenant, label, &targets, FEW + 1).await?;
    if found.is_empty() {
        return Ok(None);
    }
    let few = found.len() <= FEW as usize;
    let total = found.iter().map(|(_, count)| *count).sum::<u64>();
    let few = few.then(|| (found.iter().map(|(id, _)| *id).collect(), total));
    Ok(Some(Condition::LinkedAny {
        label,
        targets,
        few,
        negated,
    }))
}

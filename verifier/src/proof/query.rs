//! What a saved answer says it answers, in its own words: compare them with what was asked.

use super::form::{self, Members, TimelineText};
use crate::check::Check;
use crate::envelope::Envelope;
use crate::finding::Finding;
use record::Timestamp;
use serde_json::Value;

/// What the answer says it answers.
pub(super) struct Query {
    pub(super) newest_first: bool,
    pub(super) from: Option<Timestamp>,
    pub(super) to: Option<Timestamp>,
    /// Whether a page came before this one.
    pub(super) continues: bool,
    pub(super) has_more: bool,
    /// What must hold of a row beside standing in the timeline.
    pub(super) and: Vec<Condition>,
}

/// A label with a target, or `kind` with a kind.
pub(super) struct Condition {
    pub(super) label: String,
    pub(super) target: String,
}

impl Query {
    /// Reads the member `query`; with `several`, conditions stand beside the timeline.
    pub(super) fn read(answer: &Members<'_>, proof: &TimelineText, several: bool) -> Result<Self, Finding> {
        let query = Members::open(answer.need("query")?, "/query")?;
        for (name, proven) in [
            ("tenant", &proof.tenant),
            ("label", &proof.label),
            ("target", &proof.target),
        ] {
            let asked = query.get(name).and_then(Value::as_str).unwrap_or_default();
            if asked != proven {
                let detail = "the proof is about another timeline than the query";
                let finding = Finding::new(Check::Completeness, format!("/query/{name}"), detail);
                return Err(finding.wanted(asked, proven));
            }
        }
        let time = |name: &str| query.maybe(name, "a time as in `ts`", |time| Timestamp::parse(time.as_str()?));
        Ok(Self {
            newest_first: match query.text("order")? {
                "desc" => true,
                "asc" => false,
                _ => return Err(form::wrong("/query/order", "desc or asc")),
            },
            from: time("recorded_from")?,
            to: time("recorded_to")?,
            continues: query
                .maybe("cursor", "true or false", Value::as_bool)?
                .unwrap_or_default(),
            has_more: answer.read("has_more", "true or false", Value::as_bool)?,
            and: match (several, query.get("and")) {
                (true, _) => query.read("and", "an array of labels with their targets", conditions)?,
                (false, None) => Vec::new(),
                (false, Some(_)) => {
                    return Err(form::wrong(
                        "/query/and",
                        "of an answer that is proven by its own timeline",
                    ));
                }
            },
        })
    }

    /// Whether the row is one that was asked for, if it stands in the timeline.
    pub(super) fn is_asked_for(&self, row: &Envelope) -> bool {
        self.and
            .iter()
            .all(|condition| row.stands_in(&condition.label, &condition.target))
    }

    /// The question for people.
    pub(super) fn words(&self, name: &str) -> String {
        let and = self.and.iter();
        let and: String = and.map(|one| format!(" and {} {}", one.label, one.target)).collect();
        let span = match (self.from, self.to) {
            (None, None) => String::new(),
            (Some(from), None) => format!(" from {from}"),
            (None, Some(to)) => format!(" before {to}"),
            (Some(from), Some(to)) => format!(" from {from} to before {to}"),
        };
        let order = if self.newest_first {
            "newest first"
        } else {
            "oldest first"
        };
        let page = match (self.continues, self.has_more) {
            (false, false) => "all of it",
            (false, true) => "the first page",
            (true, true) => "a page",
            (true, false) => "the last page",
        };
        format!("{name}{and}{span}, {order}: {page}")
    }
}

/// One or more conditions, each on a label that timelines have.
fn conditions(value: &Value) -> Option<Vec<Condition>> {
    let conditions = value.as_array()?.iter().map(|value| {
        let members = Members::strict(value, "", &["label", "target"]).ok()?;
        let label = members.text("label").ok()?;
        let known = record::link::TIMELINE_LABELS.contains(&label);
        known.then_some(Condition {
            label: label.to_owned(),
            target: members.text("target").ok()?.to_owned(),
        })
    });
    let conditions: Vec<Condition> = conditions.collect::<Option<_>>()?;
    (!conditions.is_empty()).then_some(conditions)
}

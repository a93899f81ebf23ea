//! The parameters of a timeline as a typed request.

use super::instant::{self, Instant};
use super::phrase::{self, intersect};
use super::term::{FIELDS, term};
use crate::Config;
use crate::error::{Code, Problem};
use crate::query::Query;
use projector::query::{Field, Order, Span, Term, TimelineRequest};
use record::Tenant;

/// Parameters of the timeline.
pub(crate) const PARAMETERS: [&str; 20] = [
    "tenant",
    "subject",
    "actor",
    "session",
    "proposal",
    "resource",
    "kind",
    "action",
    "outcome",
    "from",
    "to",
    "recorded_from",
    "recorded_to",
    "q",
    "cursor",
    "limit",
    "order",
    "proof",
    "min_position",
    "timeout",
];

/// A timeline as it was asked for, without the tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    terms: Vec<Term>,
    happened: Span,
    recorded: Span,
    order: Order,
    limit: u16,
}

/// Reads the parameters.
///
/// # Errors
/// `PARAMETER_INVALID` or `QUERY_INVALID`, naming the parameter.
pub(crate) fn read(query: &Query, config: &Config) -> Result<Question, Problem> {
    let mut terms = Vec::new();
    for (name, field) in FIELDS {
        if let Some(value) = query.value(name) {
            // A link's target may end with `*`; patterns are the phrase's, except for kinds, which never hold one.
            let read = term(field, value, field != Field::Kind, false);
            terms.push(read.map_err(|detail| Problem::parameter(Code::ParameterInvalid, name, detail))?);
        }
    }
    let wants_proof = wants_proof(query)?;
    let phrase = match query.value("q") {
        None => phrase::Phrase::default(),
        Some(text) => phrase::parse(text).map_err(|wrong| {
            let detail = format!("{} (at character {})", wrong.detail, wrong.position);
            Problem::parameter(Code::QueryInvalid, "q", detail)
        })?,
    };
    terms.extend(phrase.terms);
    let happened = intersect(span(query, "from", "to")?, phrase.happened);
    let recorded = intersect(span(query, "recorded_from", "recorded_to")?, phrase.recorded);
    if wants_proof && recorded.until.is_some_and(|until| recorded.from > Some(until)) {
        let detail = "it is behind `recorded_to`: there is nothing between them to be proven";
        return Err(Problem::parameter(Code::ParameterInvalid, "recorded_from", detail));
    }
    Ok(Question {
        terms,
        happened,
        recorded,
        order: order(query, happened)?,
        limit: limit(query, config)?,
    })
}

impl Question {
    /// The first page of this question about `tenant`.
    pub(crate) fn about(self, tenant: Tenant) -> TimelineRequest {
        TimelineRequest {
            tenant,
            terms: self.terms,
            happened: self.happened,
            recorded: self.recorded,
            order: self.order,
            after: None,
            limit: self.limit,
        }
    }
}

/// Whether the page is to come with a proof.
///
/// # Errors
/// `PARAMETER_INVALID`.
pub(crate) fn wants_proof(query: &Query) -> Result<bool, Problem> {
    let asked = query.read("proof", "true or false", |text| text.parse().ok())?;
    Ok(asked.unwrap_or_default())
}

fn span(query: &Query, from: &str, to: &str) -> Result<Span, Problem> {
    let read = |name: &str| query.read(name, instant::FORM, instant::parse);
    let until = |to: Instant| to.end;
    Ok(Span {
        from: read(from)?.map(|from| from.first),
        until: read(to)?.and_then(until),
    })
}

fn order(query: &Query, happened: Span) -> Result<Order, Problem> {
    let asked = query.read("order", "desc, asc, occurred_desc or occurred_asc", |text| match text {
        "desc" => Some(Order::RecordedDescending),
        "asc" => Some(Order::RecordedAscending),
        "occurred_desc" => Some(Order::HappenedDescending),
        "occurred_asc" => Some(Order::HappenedAscending),
        _ => None,
    })?;
    Ok(asked.unwrap_or(if happened == Span::default() {
        Order::RecordedDescending
    } else {
        Order::HappenedDescending
    }))
}

fn limit(query: &Query, config: &Config) -> Result<u16, Problem> {
    let most = config.page_max;
    let fits = |text: &str| text.parse().ok().filter(|limit| (1..=most).contains(limit));
    let asked = query.read("limit", &format!("a number from 1 to {most}"), fits)?;
    Ok(asked.unwrap_or(config.page_default.min(most)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use projector::query::Pattern;

    fn question(text: &str) -> Result<Question, &'static str> {
        let query = Query::parse(Some(text), &PARAMETERS).unwrap();
        read(&query, &Config::default()).map_err(|problem| problem.code())
    }

    #[test]
    fn the_order_follows_the_question() {
        let order = |text: &str| question(text).unwrap().order;
        assert_eq!(order(""), Order::RecordedDescending);
        assert_eq!(order("from=2026-11-20"), Order::HappenedDescending);
        assert_eq!(order("q=created:2026-11-20"), Order::HappenedDescending);
        assert_eq!(order("recorded_from=2026-11-20"), Order::RecordedDescending);
        assert_eq!(order("from=2026-11-20&order=asc"), Order::RecordedAscending);
        assert_eq!(order("order=occurred_asc"), Order::HappenedAscending);
        assert_eq!(question("order=up"), Err("PARAMETER_INVALID"));
    }

    #[test]
    fn to_means_the_end_of_a_day_and_the_start_of_a_moment() {
        let until = |text: &str| question(text).unwrap().happened.until.map(|time| time.to_string());
        assert_eq!(until("to=2026-11-20").as_deref(), Some("2026-11-21T00:00:00.000000Z"));
        assert_eq!(
            until("to=2026-11-20T12:00:00Z").as_deref(),
            Some("2026-11-20T12:00:00.000000Z")
        );
        let recorded = question("recorded_to=2026-11-20").unwrap().recorded.until;
        assert_eq!(
            recorded.map(|time| time.to_string()).as_deref(),
            Some("2026-11-21T00:00:00.000000Z")
        );
    }

    #[test]
    fn parameters_and_phrase_hold_together() {
        let both = question("resource=arn:aws:s3:::b/*&kind=audit.*&q=actor:agent:*").unwrap();
        let patterns: Vec<_> = both.terms.into_iter().map(|term| term.pattern).collect();
        let expected = [
            Pattern::Exact("arn:aws:s3:::b/*".to_owned()),
            Pattern::Prefix("audit.".to_owned()),
            Pattern::Prefix("agent:".to_owned()),
        ];
        assert_eq!(patterns, expected);
    }

    #[test]
    fn limits_and_proofs_are_checked() {
        assert_eq!(question("").unwrap().limit, 50);
        assert_eq!(question("limit=500").unwrap().limit, 500);
        for wrong in [
            "limit=0",
            "limit=501",
            "limit=-1",
            "limit=x",
            "outcome=maybe",
            "from=soon",
            "proof=yes",
        ] {
            assert_eq!(question(wrong), Err("PARAMETER_INVALID"), "{wrong}");
        }
        assert!(question("proof=true").is_ok() && question("proof=false").is_ok());
        assert_eq!(question("q=hello"), Err("QUERY_INVALID"));
    }
}

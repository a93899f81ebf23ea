//! Which timeline a question is about, if it is about one.
//!
//! The log has a tree for every target of a frozen set of labels, for every kind and for the whole chain. A question that
//! is exactly one of them, in the log's order, can be proven; every other is a filter over one of them.

use super::reason::Reason;
use projector::query::{Field, Order, Pattern, Span, TimelineRequest};

/// A timeline of the request's tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    /// Empty for the whole chain.
    pub(crate) label: &'static str,
    pub(crate) target: String,
}

impl Name {
    /// The timeline that `request` asks for.
    ///
    /// # Errors
    /// The first reason why it is none.
    pub(crate) fn of(request: &TimelineRequest) -> Result<Self, Reason> {
        if request.happened != Span::default() {
            return Err(Reason::OccurredRange);
        }
        if !matches!(request.order, Order::RecordedDescending | Order::RecordedAscending) {
            return Err(Reason::Order);
        }
        let term = match request.terms.as_slice() {
            [] => {
                return Ok(Self {
                    label: "",
                    target: String::new(),
                });
            }
            [term] => term,
            _ => return Err(Reason::SeveralConditions),
        };
        if term.negated {
            return Err(Reason::Negation);
        }
        let label = match term.field {
            Field::Actor => "actor",
            Field::Subject => "subject",
            Field::Resource => "resource",
            Field::Session => "session",
            Field::Proposal => "proposal",
            Field::Kind => "kind",
            Field::Action | Field::Outcome => return Err(Reason::Field),
        };
        match &term.pattern {
            Pattern::Exact(target) => Ok(Self {
                label,
                target: target.clone(),
            }),
            Pattern::Prefix(_) => Err(Reason::Pattern),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use crate::query::Query;
    use crate::timeline::{PARAMETERS, read};
    use record::Tenant;

    #[test]
    fn one_timeline_in_the_order_of_the_log_can_be_proven() {
        let name = |text: &str| {
            let query = Query::parse(Some(text), &PARAMETERS).unwrap();
            let asked = read(&query, &Config::default()).unwrap();
            Name::of(&asked.about(Tenant::parse("a").unwrap())).map(|name| format!("{}={}", name.label, name.target))
        };
        for (text, expected) in [
            ("", Ok("=")),
            ("actor=agent:a1", Ok("actor=agent:a1")),
            ("resource=arn:b/*", Ok("resource=arn:b/*")),
            ("q=proposal:p:1&order=asc", Ok("proposal=p:1")),
            (
                "kind=audit.event&recorded_from=2026-11-20&recorded_to=2026-11-21",
                Ok("kind=audit.event"),
            ),
            ("kind=audit.*", Err(Reason::Pattern)),
            ("q=session:s:*", Err(Reason::Pattern)),
            ("q=-subject:s:1", Err(Reason::Negation)),
            ("actor=a:1&kind=audit.event", Err(Reason::SeveralConditions)),
            ("action=login", Err(Reason::Field)),
            ("outcome=denied", Err(Reason::Field)),
            ("from=2026-11-20", Err(Reason::OccurredRange)),
            ("q=created:2026-11-20&order=asc", Err(Reason::OccurredRange)),
            ("order=occurred_asc", Err(Reason::Order)),
        ] {
            assert_eq!(name(text), expected.map(str::to_owned), "{text}");
        }
    }
}

//! Which timelines a question is about, if it is about nothing else.
//!
//! The log has a tree for every target of a frozen set of labels, for every kind and for the whole chain. A question that
//! is exactly one of them, in the log's order, can be proven. One that is several of them at once can be proven by the
//! records of one of them, among which whoever verifies finds the answer himself. Every other is a filter that only the
//! server can carry out.

use super::reason::Reason;
use projector::query::{Order, Pattern, Span, Term, TimelineRequest};

/// A timeline of the request's tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    /// Empty for the whole chain.
    pub(crate) label: &'static str,
    pub(crate) target: String,
}

impl Name {
    /// The timelines in all of which the records that `request` asks for stand: one or more, none of them twice.
    ///
    /// # Errors
    /// The first reason why the question is another.
    pub(crate) fn all(request: &TimelineRequest) -> Result<Vec<Self>, Reason> {
        if request.happened != Span::default() {
            return Err(Reason::OccurredRange);
        }
        if !matches!(request.order, Order::RecordedDescending | Order::RecordedAscending) {
            return Err(Reason::Order);
        }
        let mut names: Vec<Self> = Vec::with_capacity(request.terms.len().max(1));
        for term in &request.terms {
            let name = Self::of(term)?;
            if !names.contains(&name) {
                names.push(name);
            }
        }
        if names.is_empty() {
            names.push(Self {
                label: "",
                target: String::new(),
            });
        }
        Ok(names)
    }

    fn of(term: &Term) -> Result<Self, Reason> {
        if term.negated {
            return Err(Reason::Negation);
        }
        let label = term.field.label().ok_or(Reason::Field)?;
        match &term.pattern {
            Pattern::Exact(target) => Ok(Self {
                label,
                target: target.clone(),
            }),
            Pattern::Prefix(_) => Err(Reason::Pattern),
        }
    }

    /// Whether `term` asks for this timeline.
    pub(super) fn is_asked_by(&self, term: &Term) -> bool {
        Self::of(term).is_ok_and(|asked| asked == *self)
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
    fn timelines_in_the_order_of_the_log_can_be_proven() {
        let name = |text: &str| {
            let query = Query::parse(Some(text), &PARAMETERS).unwrap();
            let asked = read(&query, &Config::default()).unwrap();
            let names = Name::all(&asked.about(Tenant::parse("a").unwrap()))?;
            let texts = names.iter().map(|name| format!("{}={}", name.label, name.target));
            Ok(texts.collect::<Vec<_>>().join(" "))
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
            ("actor=a:1&kind=audit.event", Ok("actor=a:1 kind=audit.event")),
            ("actor=a:1&q=actor:a:1", Ok("actor=a:1")),
            ("q=actor:a:1+actor:a:2", Ok("actor=a:1 actor=a:2")),
            ("actor=a:1&outcome=denied", Err(Reason::Field)),
            ("actor=a:1&kind=audit.*", Err(Reason::Pattern)),
            ("actor=a:1&q=-session:s:1", Err(Reason::Negation)),
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

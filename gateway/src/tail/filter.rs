//! The conditions of a timeline, held against one event in memory.
//!
//! Invariant: an event matches exactly when the read model's SQL finds its row for the same conditions. A property test
//! asks both about the same log.

use super::Event;
use super::marks::{self, Mark};
use projector::query::{Field, Pattern, Span, Term, TimelineRequest};
use record::Timestamp;

/// Conditions that must all hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    terms: Vec<Term>,
    happened: Span,
    recorded: Span,
    /// What every event that matches is marked with, if there is such a thing.
    mark: Option<Mark>,
}

impl Filter {
    /// The conditions of `request`, without its tenant.
    pub(crate) fn of(request: &TimelineRequest) -> Self {
        Self {
            terms: request.terms.clone(),
            happened: request.happened,
            recorded: request.recorded,
            mark: marks::required(&request.terms),
        }
    }

    /// What every event that matches is marked with; `None` when any event may match.
    pub(crate) const fn mark(&self) -> Option<Mark> {
        self.mark
    }

    /// Whether all conditions hold for `event`.
    pub(crate) fn matches(&self, event: &Event) -> bool {
        self.terms.iter().all(|term| holds(term, event))
            && lies_in(self.happened, event.at)
            && lies_in(self.recorded, event.ts)
    }
}

fn holds(term: &Term, event: &Event) -> bool {
    let fits = |text: &str| match &term.pattern {
        Pattern::Exact(exact) => text == exact,
        Pattern::Prefix(prefix) => text.starts_with(prefix.as_str()),
    };
    let linked = |label: &str| event.links.iter().any(|(known, target)| known == label && fits(target));
    let found = match term.field {
        Field::Actor => linked("actor"),
        Field::Subject => linked("subject"),
        Field::Resource => linked("resource"),
        Field::Session => linked("session"),
        Field::Proposal => linked("proposal"),
        Field::Kind => fits(&event.kind),
        Field::Action => event.action.as_deref().is_some_and(fits),
        Field::Outcome => event.outcome.as_deref().is_some_and(fits),
    };
    found != term.negated
}

fn lies_in(span: Span, time: Timestamp) -> bool {
    span.from.is_none_or(|from| time >= from) && span.until.is_none_or(|until| time < until)
}

#[cfg(test)]
mod tests;

//! Marks: what a filter can tell of many events at once, without looking at each.
//!
//! Every link of an event leaves a mark in its segment, which is what was pushed to the ring at once. A reader that asks
//! for one exact link passes over a segment without its mark. Two links may share a mark: then events are looked at for
//! nothing, never the other way round.

use super::Event;
use projector::query::{Field, Pattern, Term};
use std::collections::HashSet;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

/// A link, hashed.
pub(crate) type Mark = u64;

/// Labels that filters ask for, the most telling first.
const LABELS: [(Field, &str); 4] = [
    (Field::Session, "session"),
    (Field::Subject, "subject"),
    (Field::Resource, "resource"),
    (Field::Actor, "actor"),
];

/// Events that were pushed at once, and their marks.
#[derive(Debug)]
pub(super) struct Segment {
    /// Offset behind its last event.
    pub(super) end: u64,
    marks: HashSet<Mark>,
}

impl Segment {
    /// The segment of `events`; `None` without any.
    pub(super) fn of(events: &[Event]) -> Option<Self> {
        let end = events.last()?.offset + 1;
        let marks = events.iter().flat_map(|event| &event.links);
        let marks = marks.map(|(label, target)| mark(label, target)).collect();
        Some(Self { end, marks })
    }

    /// Whether an event with this mark may be in it.
    pub(super) fn may_hold(&self, mark: Mark) -> bool {
        self.marks.contains(&mark)
    }
}

/// What every event that satisfies all `terms` is marked with: that of the most telling exact link.
pub(super) fn required(terms: &[Term]) -> Option<Mark> {
    LABELS.iter().find_map(|(field, label)| {
        let exact = |term: &Term| match &term.pattern {
            Pattern::Exact(target) if term.field == *field && !term.negated => Some(mark(label, target)),
            _ => None,
        };
        terms.iter().find_map(exact)
    })
}

fn mark(label: &str, target: &str) -> Mark {
    BuildHasherDefault::<DefaultHasher>::default().hash_one((label, target))
}

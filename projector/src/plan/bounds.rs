//! The part of a timeline that a page may come from: ranges of offset and of `at`, the cursor folded in.
//!
//! Each column has at most one lower and one upper bound, so that a database cannot choose the wider of two.

use crate::query::{Order, TimelineRequest};
use record::Timestamp;

/// Where rows of a page may lie. An empty range is a page without rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Inclusive.
    pub offset_from: i64,
    /// Exclusive.
    pub offset_until: i64,
    /// Inclusive.
    pub at_from: Option<i64>,
    /// Exclusive.
    pub at_until: Option<i64>,
    /// In happening order: rows after (descending: before) this (`at`, offset).
    pub after: Option<(i64, i64)>,
}

/// Which column the rows are read along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// Recording order.
    Offset,
    /// Happening order.
    At,
}

/// The column that an order runs along, and whether downwards.
pub(crate) const fn axis(order: Order) -> (Axis, bool) {
    match order {
        Order::RecordedDescending => (Axis::Offset, true),
        Order::RecordedAscending => (Axis::Offset, false),
        Order::HappenedDescending => (Axis::At, true),
        Order::HappenedAscending => (Axis::At, false),
    }
}

impl Bounds {
    /// The bounds of a request whose `recorded` span covers the offsets from `offset_from` to before `offset_until`.
    pub(crate) fn new(request: &TimelineRequest, offset_from: u64, offset_until: u64) -> Self {
        let micros = |time: Option<Timestamp>| time.map(Timestamp::micros);
        let mut bounds = Self {
            offset_from: super::integer(offset_from),
            offset_until: super::integer(offset_until),
            at_from: micros(request.happened.from),
            at_until: micros(request.happened.until),
            after: None,
        };
        if let Some(place) = request.after {
            // A cursor is the caller's number: past the largest offset it stands behind every row.
            let offset = i64::try_from(place.offset).unwrap_or(i64::MAX - 1);
            match axis(request.order) {
                (Axis::Offset, true) => bounds.offset_until = bounds.offset_until.min(offset),
                (Axis::Offset, false) => bounds.offset_from = bounds.offset_from.max(offset + 1),
                (Axis::At, down) => bounds.follow(place.at.micros(), offset, down),
            }
        }
        bounds
    }

    fn follow(&mut self, at: i64, offset: i64, down: bool) {
        if down && self.at_until.is_none_or(|until| at < until) {
            (self.at_until, self.after) = (None, Some((at, offset)));
        } else if !down && self.at_from.is_none_or(|from| at >= from) {
            (self.at_from, self.after) = (None, Some((at, offset)));
        }
    }

    /// Whether `axis` is bounded at all, so that reading along it may be short.
    pub(crate) fn narrows(&self, axis: Axis, position: i64) -> bool {
        match axis {
            Axis::Offset => self.offset_from > 0 || self.offset_until < position,
            Axis::At => self.at_from.is_some() || self.at_until.is_some() || self.after.is_some(),
        }
    }

    /// Whether no row can lie here.
    pub(crate) fn is_empty(&self) -> bool {
        let spans =
            |from: Option<i64>, until: Option<i64>| matches!((from, until), (Some(from), Some(until)) if from >= until);
        self.offset_from >= self.offset_until || spans(self.at_from, self.at_until)
    }
}

//! The newest events of the log, up to a number of bytes: all of them in the log's order, and per tenant.
//!
//! Invariant: the ring holds every record from its base to its end, without a gap. A cursor at or above the base misses
//! nothing; one below it has to look elsewhere.

use super::marks::Segment;
use super::{Event, Filter};
use crate::error::Code;
use crate::sse;
use record::Tenant;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::watch;

/// Whose records a stream shows, and by what they are numbered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scope {
    /// One tenant's, by `seq`.
    Tenant(Tenant),
    /// Everybody's, by offset.
    All,
}

impl Scope {
    /// Whether `event` belongs to this stream.
    pub(crate) fn shows(&self, event: &Event) -> bool {
        match self {
            Self::Tenant(tenant) => *tenant == event.tenant,
            Self::All => true,
        }
    }

    /// The number of `event` in this stream.
    pub(crate) const fn id(&self, event: &Event) -> u64 {
        match self {
            Self::Tenant(_) => event.seq,
            Self::All => event.offset,
        }
    }
}

/// Recent events.
pub(crate) struct Ring {
    inner: RwLock<Inner>,
    most_bytes: usize,
    tide: watch::Sender<Tide>,
    /// Closed with the ring, which tells the task that fills it.
    _held: watch::Sender<()>,
}

struct Inner {
    base: u64,
    end: u64,
    bytes: usize,
    events: VecDeque<Arc<Event>>,
    lanes: HashMap<Tenant, VecDeque<Arc<Event>>>,
    /// What was pushed at once, oldest first; the first one may have been forgotten in part.
    segments: VecDeque<Segment>,
}

/// How far the ring is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tide {
    /// Number of records of the log that it has seen.
    pub(crate) end: u64,
    /// Why nothing follows any more.
    pub(crate) over: Option<(Code, &'static str)>,
}

/// What a cursor found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// The ring no longer has what comes next.
    Behind,
    /// Everything below `next` was looked at; `passed` is the number of the last event among it.
    Upto { next: u64, passed: Option<u64> },
}

impl Ring {
    /// An empty ring that begins at offset `base`, and what closes when the ring is gone.
    pub(crate) fn new(base: u64, most_bytes: usize) -> (Self, watch::Receiver<()>) {
        let (held, gone) = watch::channel(());
        let inner = Inner {
            base,
            end: base,
            bytes: 0,
            events: VecDeque::new(),
            lanes: HashMap::new(),
            segments: VecDeque::new(),
        };
        let ring = Self {
            inner: RwLock::new(inner),
            most_bytes,
            tide: watch::Sender::new(Tide { end: base, over: None }),
            _held: held,
        };
        (ring, gone)
    }

    /// The offset that comes next.
    pub(crate) fn end(&self) -> u64 {
        self.tide.borrow().end
    }

    /// Whether nothing follows any more.
    pub(crate) fn is_over(&self) -> bool {
        self.tide.borrow().over.is_some()
    }

    /// Follows the ring's end.
    pub(crate) fn tide(&self) -> watch::Receiver<Tide> {
        self.tide.subscribe()
    }

    /// Adds the events that follow, and forgets the oldest ones.
    pub(crate) fn push(&self, events: Vec<Event>) {
        let segment = Segment::of(&events);
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        inner.segments.extend(segment);
        for event in events {
            inner.push(Arc::new(event));
        }
        while inner.bytes > self.most_bytes && inner.forget() {}
        let end = inner.end;
        drop(inner);
        self.tide.send_modify(|tide| tide.end = end);
    }

    /// Ends all streams.
    pub(crate) fn close(&self, code: Code, detail: &'static str) {
        self.tide.send_modify(|tide| tide.over = Some((code, detail)));
    }

    /// Writes the events from offset `from` on that match, as server-sent events, until `out` holds `room` bytes.
    pub(crate) fn take(&self, scope: &Scope, filter: &Filter, from: u64, room: usize, out: &mut Vec<u8>) -> Taken {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        if from < inner.base {
            return Taken::Behind;
        }
        let mut passed = None;
        if let Some(events) = inner.lane(scope) {
            for (start, end) in inner.stretches(filter, from) {
                let at = events.partition_point(|event| event.offset < start);
                for event in events.iter().skip(at).take_while(|event| event.offset < end) {
                    if out.len() >= room {
                        let next = event.offset;
                        return Taken::Upto { next, passed };
                    }
                    passed = Some(scope.id(event));
                    if filter.matches(event) {
                        sse::write_record(scope.id(event), &event.bytes, out);
                    }
                }
            }
            // What was passed over without a look was passed as well.
            let last = events.back().filter(|event| event.offset >= from);
            passed = last.map(|event| scope.id(event)).or(passed);
        }
        let next = from.max(inner.end);
        Taken::Upto { next, passed }
    }

    /// Whether a cursor at `next` would miss something.
    pub(crate) fn is_behind(&self, next: u64) -> bool {
        next < self.inner.read().unwrap_or_else(PoisonError::into_inner).base
    }

    /// The offset of the event with this number, when the ring has it.
    pub(crate) fn offset_of(&self, tenant: &Tenant, seq: u64) -> Option<u64> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let lane = inner.lanes.get(tenant)?;
        let at = lane.partition_point(|event| event.seq < seq);
        lane.get(at).filter(|event| event.seq == seq).map(|event| event.offset)
    }
}

impl Inner {
    fn lane(&self, scope: &Scope) -> Option<&VecDeque<Arc<Event>>> {
        match scope {
            Scope::All => Some(&self.events),
            Scope::Tenant(tenant) => self.lanes.get(tenant),
        }
    }

    /// The stretches of offsets from `from` on in which an event may match, in order.
    fn stretches(&self, filter: &Filter, from: u64) -> impl Iterator<Item = (u64, u64)> {
        let everything = filter.mark().is_none().then_some((from, u64::MAX));
        let first = self.segments.partition_point(|segment| segment.end <= from);
        let mut start = from;
        let marked = self.segments.iter().skip(first).filter_map(move |segment| {
            let stretch = (start, segment.end);
            start = segment.end;
            let may_hold = filter.mark().is_some_and(|mark| segment.may_hold(mark));
            may_hold.then_some(stretch)
        });
        everything.into_iter().chain(marked)
    }

    fn push(&mut self, event: Arc<Event>) {
        self.end = event.offset + 1;
        self.bytes += event.cost();
        self.lanes
            .entry(event.tenant.clone())
            .or_default()
            .push_back(Arc::clone(&event));
        self.events.push_back(event);
    }

    /// Forgets the oldest event, which is also the oldest of its tenant.
    fn forget(&mut self) -> bool {
        let Some(event) = self.events.pop_front() else {
            return false;
        };
        self.base = event.offset + 1;
        self.bytes -= event.cost();
        if self.segments.front().is_some_and(|segment| segment.end <= self.base) {
            self.segments.pop_front();
        }
        if let Some(lane) = self.lanes.get_mut(&event.tenant) {
            lane.pop_front();
            if lane.is_empty() {
                self.lanes.remove(&event.tenant);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use projector::query::{Field, Order, Pattern, Span, Term, TimelineRequest};

    fn event(offset: u64, tenant: &str) -> Event {
        let text = format!(
            "{{\"kind\":\"a.b\",\"links\":[],\"offset\":{offset},\"payload\":{{}},\"seq\":{offset},\"tenant\":\"{tenant}\",\
             \"ts\":\"2026-11-20T12:00:00.000000Z\"}}"
        );
        Event::parse(text.into_bytes().into()).unwrap()
    }

    #[test]
    fn old_events_make_room_and_nothing_of_them_stays() {
        let (ring, _gone) = Ring::new(5, 50_000);
        for at in 5..2_005 {
            // Each tenant comes once.
            ring.push(vec![event(at, &format!("t{at}"))]);
        }
        let inner = ring.inner.read().unwrap();
        let kept: usize = inner.events.iter().map(|event| event.cost()).sum();
        assert_eq!(inner.bytes, kept);
        assert!((25_000..=50_000).contains(&kept), "{kept}");
        assert_eq!((inner.end, inner.end - inner.base), (2_005, inner.events.len() as u64));
        assert_eq!(inner.lanes.len(), inner.events.len());
    }

    #[test]
    fn a_filter_passes_over_what_was_pushed_without_its_link() {
        let (ring, _gone) = Ring::new(0, 1_000_000);
        let linked = |at: u64, target: &str| {
            let mut event = event(at, if at.is_multiple_of(3) { "b" } else { "a" });
            event.links.push(("session".to_owned(), target.to_owned()));
            event
        };
        for first in (0..100).step_by(5) {
            let target = format!("session:{}", first / 10);
            ring.push((first..first + 5).map(|at| linked(at, &target)).collect());
        }
        let term = |target: &str| Term {
            field: Field::Session,
            pattern: Pattern::Exact(target.to_owned()),
            negated: false,
        };
        for session in 0..10 {
            let filter = Filter::of(&TimelineRequest {
                tenant: Tenant::parse("a").unwrap(),
                terms: vec![term(&format!("session:{session}"))],
                happened: Span::default(),
                recorded: Span::default(),
                order: Order::RecordedAscending,
                after: None,
                limit: 500,
            });
            assert!(filter.mark().is_some());
            for from in [0, 33, 57] {
                let mut out = Vec::new();
                let scope = Scope::Tenant(Tenant::parse("a").unwrap());
                let taken = ring.take(&scope, &filter, from, 100_000, &mut out);
                let text = String::from_utf8(out).unwrap();
                let ids: Vec<u64> = text
                    .lines()
                    .filter_map(|line| line.strip_prefix("id: ")?.parse().ok())
                    .collect();
                let mut lane = (from..100).filter(|at| at % 3 != 0);
                let expected: Vec<u64> = lane.clone().filter(|at| at / 10 == session).collect();
                assert_eq!(ids, expected, "session {session} from {from}");
                assert_eq!(
                    taken,
                    Taken::Upto {
                        next: 100,
                        passed: lane.next_back()
                    }
                );
            }
        }
    }

    #[test]
    fn a_cursor_meets_each_event_once_or_is_told_that_it_cannot() {
        let (ring, _gone) = Ring::new(0, 50_000);
        let (scope, filter) = (Scope::Tenant(Tenant::parse("a").unwrap()), Filter::default());
        ring.push(
            (0..10)
                .map(|at| event(at, if at % 2 == 0 { "a" } else { "b" }))
                .collect(),
        );
        let mut out = Vec::new();
        let first = ring.take(&scope, &filter, 0, 1, &mut out);
        assert_eq!(
            first,
            Taken::Upto {
                next: 2,
                passed: Some(0)
            },
            "no more than there is room for"
        );
        let rest = ring.take(&scope, &filter, 2, 100_000, &mut out);
        assert_eq!(
            rest,
            Taken::Upto {
                next: 10,
                passed: Some(8)
            }
        );
        let text = String::from_utf8(out).unwrap();
        let ids: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("id: ")).collect();
        assert_eq!(ids, ["0", "2", "4", "6", "8"]);
        // A read model may be ahead of the ring.
        assert_eq!(
            ring.take(&scope, &filter, 12, 1, &mut Vec::new()),
            Taken::Upto { next: 12, passed: None }
        );
        assert_eq!(ring.offset_of(&Tenant::parse("b").unwrap(), 3), Some(3));
        assert_eq!(ring.offset_of(&Tenant::parse("b").unwrap(), 4), None);
        ring.push((10..400).map(|at| event(at, "b")).collect());
        assert_eq!(ring.take(&scope, &filter, 8, 1, &mut Vec::new()), Taken::Behind);
        assert!(ring.is_behind(8) && !ring.is_behind(400));
    }
}

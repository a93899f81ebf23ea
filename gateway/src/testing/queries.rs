//! The read model of [`Memory`]: every question is answered by looking at all records.

use super::Memory;
use projector::query::{CanonEntry, Field, Order, Page, Pattern, Pending, Place, Queries, Row, Span, TimelineRequest};
use record::{Record, RecordId, Tenant, Timestamp};
use serde_json::Value;
use std::sync::atomic::Ordering;

impl Memory {
    fn query_failure(&self) -> Result<(), projector::Error> {
        assert!(!self.panics.load(Ordering::Relaxed), "a planted panic");
        self.query_failures.lock().unwrap().pop_front().map_or(Ok(()), Err)
    }

    fn applied(&self) -> u64 {
        self.size().saturating_sub(self.lag.load(Ordering::Relaxed))
    }

    /// Rows that the read model has applied.
    fn rows(&self) -> Vec<(Record, Row)> {
        let applied = self.applied();
        let lost = self.lost.lock().unwrap().clone();
        let records = self.records().into_iter();
        let records = records.filter(|record| record.offset < applied && !lost.contains(&record.offset));
        let forged = self.forged.lock().unwrap().clone();
        records
            .map(|record| {
                let occurred = record.payload.get("occurred_at").and_then(Value::as_str);
                let at = occurred.and_then(Timestamp::parse).unwrap_or(record.ts);
                let bytes = forged.clone().unwrap_or_else(|| record.bytes().to_vec());
                let row = Row {
                    offset: record.offset,
                    at,
                    bytes,
                };
                (record, row)
            })
            .collect()
    }
}

impl Queries for Memory {
    fn position(&self) -> Pending<'_, u64> {
        Box::pin(async move {
            self.query_failure()?;
            Ok(self.applied())
        })
    }

    fn record(&self, tenant: Tenant, id: RecordId) -> Pending<'_, Option<Row>> {
        Box::pin(async move {
            self.query_failure()?;
            let found = self
                .rows()
                .into_iter()
                .find(|(record, _)| record.tenant == tenant && record.id == id);
            Ok(found.map(|(_, row)| row))
        })
    }

    fn record_at(&self, tenant: Tenant, seq: u64) -> Pending<'_, Option<Row>> {
        Box::pin(async move {
            self.query_failure()?;
            let found = self
                .rows()
                .into_iter()
                .find(|(record, _)| record.tenant == tenant && record.seq == seq);
            Ok(found.map(|(_, row)| row))
        })
    }

    fn timeline(&self, request: TimelineRequest) -> Pending<'_, Page> {
        Box::pin(async move {
            self.query_failure()?;
            let mut rows: Vec<(Record, Row)> = self.rows();
            let unlinked = self.unlinked.lock().unwrap().clone();
            let is_unlinked = |offset| {
                let mut labels = request.terms.iter().filter_map(|term| term.field.label());
                labels.any(|label| unlinked.contains(&(offset, label)))
            };
            rows.retain(|(record, row)| matches(&request, record, row) && !is_unlinked(row.offset));
            rows.sort_by_key(|(_, row)| sort_key(request.order, row.at, row.offset));
            if let Some(Place { at, offset }) = request.after {
                let after = sort_key(request.order, at, offset);
                rows.retain(|(_, row)| sort_key(request.order, row.at, row.offset) > after);
            }
            let more = rows.len() > usize::from(request.limit);
            rows.truncate(usize::from(request.limit));
            Ok(Page {
                rows: rows.into_iter().map(|(_, row)| row).collect(),
                more,
                position: self.applied(),
                parked: self.parked.load(Ordering::Relaxed),
            })
        })
    }

    fn parked_count(&self, _: Tenant) -> Pending<'_, u64> {
        Box::pin(async move {
            self.query_failure()?;
            Ok(self.parked.load(Ordering::Relaxed))
        })
    }

    fn canon_entry(&self, _: Tenant, _: String) -> Pending<'_, Option<CanonEntry>> {
        Box::pin(async { Ok(None) })
    }
}

fn sort_key(order: Order, at: Timestamp, offset: u64) -> (i128, i128) {
    let (at, offset) = (i128::from(at.micros()), i128::from(offset));
    match order {
        Order::RecordedAscending => (0, offset),
        Order::RecordedDescending => (0, -offset),
        Order::HappenedAscending => (at, offset),
        Order::HappenedDescending => (-at, -offset),
    }
}

fn matches(request: &TimelineRequest, record: &Record, row: &Row) -> bool {
    let inside = |span: Span, time: Timestamp| {
        span.from.is_none_or(|from| time >= from) && span.until.is_none_or(|until| time < until)
    };
    let fits = |pattern: &Pattern, text: &str| match pattern {
        Pattern::Exact(exact) => text == exact,
        Pattern::Prefix(prefix) => text.starts_with(prefix.as_str()),
    };
    let terms = request.terms.iter().all(|term| {
        let linked = |label: &str| {
            let mut links = record.links.iter().filter(|link| link.label() == label);
            links.any(|link| fits(&term.pattern, link.target()))
        };
        let member = |name: &str| {
            record
                .payload
                .get(name)
                .and_then(Value::as_str)
                .is_some_and(|text| fits(&term.pattern, text))
        };
        let found = match term.field {
            Field::Actor => linked("actor"),
            Field::Subject => linked("subject"),
            Field::Resource => linked("resource"),
            Field::Session => linked("session"),
            Field::Proposal => linked("proposal"),
            Field::Kind => fits(&term.pattern, record.kind.as_str()),
            Field::Action => member("action"),
            Field::Outcome => member("outcome"),
        };
        found != term.negated
    });
    terms && record.tenant == request.tenant && inside(request.happened, row.at) && inside(request.recorded, record.ts)
}

//! From `tracing` spans to exported ones. The ids are those of the trace context, so what travels in headers and what is
//! exported agree.

use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::trace::{BatchSpanProcessor, SpanData, SpanEvents, SpanLinks, SpanProcessor as _};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;
use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// The layer.
pub struct Spans {
    processor: Arc<BatchSpanProcessor>,
    scope: InstrumentationScope,
}

impl Spans {
    /// Hands finished spans to `processor`.
    pub fn new(processor: Arc<BatchSpanProcessor>) -> Self {
        let scope = InstrumentationScope::builder("sigil")
            .with_version(env!("CARGO_PKG_VERSION"))
            .build();
        Self { processor, scope }
    }
}

/// A span that is still open.
struct Draft {
    name: &'static str,
    start: SystemTime,
    context: Option<ledger_client::trace::TraceContext>,
    parent: SpanId,
    kind: SpanKind,
    failed: bool,
    attributes: Vec<KeyValue>,
}

impl Draft {
    fn set(&mut self, field: &Field, value: Value) {
        if field.name() == "http.response.status_code"
            && let Value::I64(status) = value
        {
            self.failed = status >= 500;
        }
        self.attributes.push(KeyValue::new(field.name(), value));
    }
}

impl Visit for Draft {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        match field.name() {
            "otel.context" => self.context = ledger_client::trace::TraceContext::parse(&text, None),
            "otel.parent" => self.parent = SpanId::from_hex(&text).unwrap_or(SpanId::INVALID),
            _ => self.set(field, text.into()),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match (field.name(), value) {
            ("otel.kind", "server") => self.kind = SpanKind::Server,
            ("otel.kind", "client") => self.kind = SpanKind::Client,
            ("otel.kind", "producer") => self.kind = SpanKind::Producer,
            ("otel.kind", "consumer") => self.kind = SpanKind::Consumer,
            ("otel.kind", _) => {}
            _ => self.set(field, value.to_owned().into()),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, i64::try_from(value).unwrap_or(i64::MAX).into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        if field.name() == "error" {
            self.failed = value;
        }
        self.set(field, value.into());
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut draft = Draft {
            name: attributes.metadata().name(),
            start: now(),
            context: None,
            parent: SpanId::INVALID,
            kind: SpanKind::Internal,
            failed: false,
            attributes: Vec::new(),
        };
        attributes.record(&mut draft);
        // A batch belongs to no request: it is a trace of its own.
        let own = || ledger_client::trace::TraceContext::begin(None);
        draft.context.get_or_insert_with(own);
        if draft.context.as_ref().is_some_and(|context| context.is_sampled()) {
            span.extensions_mut().insert(draft);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(draft) = span.extensions_mut().get_mut::<Draft>()
        {
            values.record(draft);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(draft) = context
            .span(&id)
            .and_then(|span| span.extensions_mut().remove::<Draft>())
        else {
            return;
        };
        let Some(place) = draft.context else { return };
        let (trace_id, span_id) = place.ids();
        self.processor.on_end(SpanData {
            span_context: SpanContext::new(
                TraceId::from_bytes(trace_id),
                SpanId::from_bytes(span_id),
                TraceFlags::SAMPLED,
                false,
                TraceState::NONE,
            ),
            parent_span_id: draft.parent,
            parent_span_is_remote: draft.parent != SpanId::INVALID,
            span_kind: draft.kind,
            name: Cow::Borrowed(draft.name),
            start_time: draft.start,
            end_time: now(),
            attributes: draft.attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: if draft.failed { Status::error("") } else { Status::Unset },
            instrumentation_scope: self.scope.clone(),
        });
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a span's times are those of the machine and go into no record"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

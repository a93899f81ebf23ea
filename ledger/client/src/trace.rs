//! W3C trace context (Recommendation of November 2021): read from whoever asks, kept while the work lasts, handed on to
//! whoever is asked. HTTP headers and NATS headers carry the same two texts.
//!
//! Ids name a trace and give nobody any right: they are unique, not secret, and never part of a signed record. A process
//! that records no spans hands a context on unchanged; otherwise spans would have a parent that nobody has seen.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// Target of the spans that an exporter picks up; see [`span`](crate::span).
pub const TARGET: &str = "sigil::span";
/// The header with ids and flags.
pub const TRACEPARENT: &str = "traceparent";
/// The header with what other vendors' tools keep.
pub const TRACESTATE: &str = "tracestate";

/// `tracestate` beyond this is dropped, as the recommendation allows.
const STATE_BYTES: usize = 512;
const SAMPLED: u8 = 0x01;
/// The flags that this version knows.
const KNOWN: u8 = 0x03;
/// No span is recorded.
const OFF: u64 = 0;

/// Traces whose id is below this are recorded: a ratio of 2^64.
static RECORDED: AtomicU64 = AtomicU64::new(OFF);

tokio::task_local! {
    static CURRENT: TraceContext;
}

/// A place in a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    flags: u8,
    state: Option<Arc<str>>,
}

/// Opens a span that is exported when the process exports spans, and costs next to nothing otherwise: one for a request
/// or a batch, never one for a record. It ends when it is dropped. Fields are attributes; never a secret, a tenant or a
/// sealed value.
#[macro_export]
macro_rules! span {
    ($name:expr, $kind:expr, $context:expr, $parent:expr $(, $($fields:tt)*)?) => {
        $crate::tracing::info_span!(
            target: "sigil::span",
            $name,
            otel.kind = $kind,
            otel.context = %$crate::trace::Shown($context),
            otel.parent = %$crate::trace::Parent($parent)
            $(, $($fields)*)?
        )
    };
}

/// A context as `traceparent`, for [`span`](crate::span).
pub struct Shown<'a>(pub &'a TraceContext);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.traceparent())
    }
}

/// A parent's span id, empty for a root, for [`span`](crate::span).
pub struct Parent<'a>(pub Option<&'a TraceContext>);

impl std::fmt::Display for Parent<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0
            .map_or(Ok(()), |parent| f.write_str(&hex::encode(parent.span_id)))
    }
}

impl TraceContext {
    /// The context in these headers; `None` when it is malformed, which counts as none at all.
    #[must_use]
    pub fn parse(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        let (version, rest) = traceparent.trim_matches([' ', '\t']).split_once('-')?;
        let (trace_id, rest) = rest.split_once('-')?;
        let (span_id, flags) = rest.split_once('-')?;
        let flags = match (version, flags.split_once('-')) {
            // Version 00 ends here, a later one may go on.
            ("00", None) => flags,
            ("00", Some(_)) => return None,
            (_, Some((flags, _))) => flags,
            (_, None) => flags,
        };
        let [version] = digits::<1>(version)?;
        let (trace_id, span_id, [flags]) = (digits(trace_id)?, digits(span_id)?, digits::<1>(flags)?);
        if version == 0xff || trace_id == [0; 16] || span_id == [0; 8] {
            return None;
        }
        let usable = |state: &&str| state.len() <= STATE_BYTES && state.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        Some(Self {
            trace_id,
            span_id,
            flags: flags & KNOWN,
            state: tracestate
                .map(str::trim)
                .filter(|state| !state.is_empty())
                .filter(usable)
                .map(Arc::from),
        })
    }

    /// What to do work in, when it was asked for in `parent`: a child where spans are recorded, `parent` itself where
    /// they are not, a new trace where there is no parent.
    #[must_use]
    pub fn begin(parent: Option<&Self>) -> Self {
        let recorded = RECORDED.load(Ordering::Relaxed);
        match parent {
            Some(parent) if recorded == OFF => parent.clone(),
            Some(parent) => Self {
                span_id: fresh_span(),
                ..parent.clone()
            },
            None => {
                let (high, low) = (fresh(0), fresh(1));
                let mut trace_id = [0; 16];
                let (front, back) = trace_id.split_at_mut(8);
                front.copy_from_slice(&high.to_be_bytes());
                // A trace id is never all zero.
                back.copy_from_slice(&low.max(1).to_be_bytes());
                let flags = if low < recorded { SAMPLED } else { 0 };
                Self {
                    trace_id,
                    span_id: fresh_span(),
                    flags,
                    state: None,
                }
            }
        }
    }

    /// The text of the header `traceparent`.
    #[must_use]
    pub fn traceparent(&self) -> String {
        format!(
            "00-{}-{}-{:02x}",
            hex::encode(self.trace_id),
            hex::encode(self.span_id),
            self.flags
        )
    }

    /// The text of the header `tracestate`.
    #[must_use]
    pub fn tracestate(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// The trace's id in hex, for log lines.
    #[must_use]
    pub fn trace_id(&self) -> String {
        hex::encode(self.trace_id)
    }

    /// The ids themselves: trace and span.
    #[must_use]
    pub const fn ids(&self) -> ([u8; 16], [u8; 8]) {
        (self.trace_id, self.span_id)
    }

    /// Whether the trace is recorded.
    #[must_use]
    pub const fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }
}

/// Spans are recorded from now on: this share of the traces that begin here, and every trace that comes in as sampled.
pub fn record(ratio: f64) {
    // Saturates: 1.0 is every trace.
    let share = (ratio.clamp(0.0, 1.0) * u64::MAX as f64) as u64;
    // Not `OFF`: with a share of nothing, traces of others are still recorded.
    RECORDED.store(share.max(1), Ordering::Relaxed);
}

/// The context of the work that this task does.
#[must_use]
pub fn current() -> Option<TraceContext> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Does `work` in `context`.
pub fn within<T>(context: TraceContext, work: impl Future<Output = T>) -> impl Future<Output = T> {
    CURRENT.scope(context, work)
}

/// Exactly `N` bytes in lower-case hex.
fn digits<const N: usize>(text: &str) -> Option<[u8; N]> {
    let lower = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let mut bytes = [0; N];
    (lower && hex::decode_to_slice(text, &mut bytes).is_ok()).then_some(bytes)
}

fn fresh_span() -> [u8; 8] {
    // A span id is never zero.
    fresh(2).max(1).to_be_bytes()
}

/// Numbers that do not repeat in this process, and hardly between processes: a counter from a random start, mixed
/// (splitmix64). A system call for each request would cost more.
fn fresh(lane: u64) -> u64 {
    static START: OnceLock<u64> = OnceLock::new();
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let start = START.get_or_init(seed);
    let step = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_mul(4).wrapping_add(lane);
    let mut z = start.wrapping_add(step.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[expect(clippy::disallowed_methods, reason = "where trace ids get their random start")]
fn seed() -> u64 {
    let mut bytes = [0; 8];
    // Without entropy ids are still unique within the process.
    let _none = getrandom::fill(&mut bytes);
    u64::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The recommendation's own example.
    const EXAMPLE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_context_is_read_and_written_as_the_recommendation_says() {
        let context = TraceContext::parse(EXAMPLE, Some("congo=t61rcWkgMzE,rojo=00f067aa0ba902b7")).unwrap();
        assert_eq!(context.traceparent(), EXAMPLE);
        assert_eq!(context.trace_id(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(context.tracestate(), Some("congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"));
        assert!(context.is_sampled());
        // A later version is read as far as it is known, and flags that nobody knows are not handed on.
        let later = format!("cc{}-what-the-future-will-be-like", EXAMPLE.strip_prefix("00").unwrap());
        assert_eq!(TraceContext::parse(&later, None).unwrap().traceparent(), EXAMPLE);
        let flagged = EXAMPLE.replace("-01", "-ff");
        assert!(
            TraceContext::parse(&flagged, None)
                .unwrap()
                .traceparent()
                .ends_with("-03")
        );
    }

    #[test]
    fn a_malformed_context_is_none_at_all() {
        for wrong in [
            "",
            "00",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "0-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert_eq!(TraceContext::parse(wrong, None), None, "{wrong}");
        }
        let long = "a=".to_owned() + &"x".repeat(600);
        for state in ["", "a=\u{7}", long.as_str()] {
            assert_eq!(TraceContext::parse(EXAMPLE, Some(state)).unwrap().tracestate(), None);
        }
    }

    #[tokio::test]
    async fn a_context_lasts_as_long_as_its_work() {
        assert_eq!(current(), None);
        let context = TraceContext::begin(None);
        let seen = within(context.clone(), async { current() }).await;
        assert_eq!((seen, current()), (Some(context), None));
    }

    #[test]
    fn only_who_records_spans_makes_children() {
        let parent = TraceContext::parse(EXAMPLE, Some("a=b")).unwrap();
        assert_eq!(TraceContext::begin(Some(&parent)), parent);
        let root = TraceContext::begin(None);
        assert!(!root.is_sampled());
        assert_ne!(root.ids(), TraceContext::begin(None).ids());
        assert_eq!(TraceContext::parse(&root.traceparent(), None), Some(root));
        record(1.0);
        let child = TraceContext::begin(Some(&parent));
        assert_eq!((child.trace_id, &child.state), (parent.trace_id, &parent.state));
        assert!(child.span_id != parent.span_id && child.is_sampled());
        assert!(TraceContext::begin(None).is_sampled());
        record(0.0);
        assert!(!TraceContext::begin(None).is_sampled(), "the share of nothing");
        assert!(
            TraceContext::begin(Some(&parent)).is_sampled(),
            "somebody else records it"
        );
    }
}

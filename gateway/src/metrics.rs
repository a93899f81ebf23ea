//! Counters of this process and their Prometheus text form (exposition format 0.0.4).
//!
//! One cell per row of the policy table, so counting is a few atomic additions and no label can grow without limit:
//! `route` is the pattern, and no tenant, actor or id is ever a label.

use crate::policy::TABLE;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the duration histogram, in microseconds.
const BUCKETS_US: [u64; 12] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000, 30_000_000,
];

/// Codes and checks of refused credentials.
const REJECTS: [&str; 2] = ["AUTH_REQUIRED", "TOKEN_INVALID"];

/// The counters.
pub(crate) struct Registry {
    /// One per row of the policy table and a last one for requests that match none.
    routes: Vec<RouteCell>,
    inflight: AtomicI64,
    rejects: [AtomicU64; REJECTS.len()],
}

struct RouteCell {
    /// By status minus 100.
    statuses: Vec<AtomicU64>,
    buckets: [AtomicU64; BUCKETS_US.len()],
    count: AtomicU64,
    sum_us: AtomicU64,
}

/// Counts a request as under way until it is dropped.
pub(crate) struct Inflight<'a>(&'a Registry);

impl Drop for Inflight<'_> {
    fn drop(&mut self) {
        self.0.inflight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What is read at the time of the scrape.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gauges {
    /// Number of committed records.
    pub(crate) head: u64,
    /// Number of records that the read model has applied, when it answers.
    pub(crate) position: Option<u64>,
    /// Streams that are open.
    pub(crate) stream_subscribers: usize,
    /// Streams that were cut off because their readers were too slow.
    pub(crate) stream_lag_drops: u64,
}

impl Registry {
    pub(crate) fn new() -> Self {
        let cell = || RouteCell {
            statuses: (0..500).map(|_| AtomicU64::new(0)).collect(),
            buckets: std::array::from_fn(|_| AtomicU64::new(0)),
            count: AtomicU64::new(0),
            sum_us: AtomicU64::new(0),
        };
        Self {
            routes: (0..=TABLE.len()).map(|_| cell()).collect(),
            inflight: AtomicI64::new(0),
            rejects: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// A request has begun.
    pub(crate) fn begin(&self) -> Inflight<'_> {
        self.inflight.fetch_add(1, Ordering::Relaxed);
        Inflight(self)
    }

    /// A request of row `row` (`None`: it matched no row) was answered.
    pub(crate) fn answered(&self, row: Option<usize>, status: u16, took: Duration) {
        let Some(cell) = self.routes.get(row.unwrap_or(TABLE.len())) else {
            return;
        };
        if let Some(counter) = cell.statuses.get(usize::from(status).saturating_sub(100)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if let Some(at) = BUCKETS_US.iter().position(|bound| us <= *bound)
            && let Some(bucket) = cell.buckets.get(at)
        {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        cell.count.fetch_add(1, Ordering::Relaxed);
        cell.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    /// A credential was refused with `code`.
    pub(crate) fn rejected(&self, code: &str) {
        let at = REJECTS.iter().position(|known| *known == code);
        if let Some(counter) = at.and_then(|at| self.rejects.get(at)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The text that a scrape gets.
    pub(crate) fn render(&self, gauges: &Gauges) -> String {
        let mut out = String::with_capacity(8_192);
        build_info(&mut out);
        head(&mut out, "inflight_requests", "gauge", "Requests under way.");
        line(
            &mut out,
            format_args!("inflight_requests {}", self.inflight.load(Ordering::Relaxed)),
        );
        head(&mut out, "auth_rejects_total", "counter", "Refused credentials.");
        for (code, count) in REJECTS.iter().zip(&self.rejects) {
            let count = count.load(Ordering::Relaxed);
            line(
                &mut out,
                format_args!("auth_rejects_total{{code=\"{code}\",check=\"local\"}} {count}"),
            );
        }
        write_gauges(&mut out, gauges);
        self.write_requests(&mut out);
        out
    }

    fn write_requests(&self, out: &mut String) {
        head(out, "http_requests_total", "counter", "Requests answered.");
        for (at, cell) in self.routes.iter().enumerate() {
            let labels = labels(at);
            for (status, count) in cell.statuses.iter().enumerate() {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    let status = status + 100;
                    line(
                        out,
                        format_args!("http_requests_total{{{labels},status=\"{status}\"}} {count}"),
                    );
                }
            }
        }
        head(
            out,
            "http_request_duration_seconds",
            "histogram",
            "Time from a request's head to its answer.",
        );
        for (at, cell) in self.routes.iter().enumerate() {
            cell.write_histogram(&labels(at), out);
        }
    }
}

impl RouteCell {
    fn write_histogram(&self, labels: &str, out: &mut String) {
        let name = "http_request_duration_seconds";
        let count = self.count.load(Ordering::Relaxed);
        if count == 0 {
            return;
        }
        let mut below = 0;
        for (bound, bucket) in BUCKETS_US.iter().zip(&self.buckets) {
            below += bucket.load(Ordering::Relaxed);
            line(
                out,
                format_args!("{name}_bucket{{{labels},le=\"{}\"}} {below}", seconds(*bound)),
            );
        }
        line(out, format_args!("{name}_bucket{{{labels},le=\"+Inf\"}} {count}"));
        line(
            out,
            format_args!(
                "{name}_sum{{{labels}}} {}",
                seconds(self.sum_us.load(Ordering::Relaxed))
            ),
        );
        line(out, format_args!("{name}_count{{{labels}}} {count}"));
    }
}

fn write_gauges(out: &mut String, gauges: &Gauges) {
    head(
        out,
        "ledger_head_offset",
        "gauge",
        "Committed records: the offset that the next one gets.",
    );
    line(out, format_args!("ledger_head_offset {}", gauges.head));
    head(out, "stream_subscribers", "gauge", "Streams that are open.");
    line(out, format_args!("stream_subscribers {}", gauges.stream_subscribers));
    head(
        out,
        "stream_lag_drops_total",
        "counter",
        "Streams cut off because their readers were too slow.",
    );
    line(out, format_args!("stream_lag_drops_total {}", gauges.stream_lag_drops));
    let Some(position) = gauges.position else { return };
    head(
        out,
        "projector_applied_offset",
        "gauge",
        "Records that the read model has applied.",
    );
    line(out, format_args!("projector_applied_offset {position}"));
    head(
        out,
        "projector_lag_records",
        "gauge",
        "Committed records that the read model has not applied.",
    );
    line(
        out,
        format_args!("projector_lag_records {}", gauges.head.saturating_sub(position)),
    );
}

/// The build that answers.
pub(crate) fn build_info(out: &mut String) {
    head(out, "build_info", "gauge", "The build that answers.");
    line(
        out,
        format_args!("build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")),
    );
}

/// The answer to a scrape.
pub(crate) fn response(text: String) -> Response {
    let mut response = Response::new(text.into());
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn labels(row: usize) -> String {
    match TABLE.get(row) {
        Some(rule) => {
            let (route, method, class) = (rule.route, &rule.method, rule.class.as_str());
            format!("route=\"{route}\",method=\"{method}\",class=\"{class}\"")
        }
        None => "route=\"unmatched\",method=\"any\",class=\"none\"".to_owned(),
    }
}

fn seconds(us: u64) -> String {
    let text = format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

pub(crate) fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    line(out, format_args!("# HELP {name} {help}"));
    line(out, format_args!("# TYPE {name} {kind}"));
}

pub(crate) fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(out, "{text}").expect("writing to a String cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_counts_what_was_answered() {
        let registry = Registry::new();
        let _one = registry.begin();
        registry.answered(Some(0), 201, Duration::from_micros(700));
        registry.answered(Some(0), 201, Duration::from_millis(3));
        registry.answered(None, 404, Duration::from_secs(60));
        registry.rejected("TOKEN_INVALID");
        let text = registry.render(&Gauges {
            head: 7,
            position: Some(5),
            stream_subscribers: 3,
            stream_lag_drops: 2,
        });
        for expected in [
            "inflight_requests 1",
            "auth_rejects_total{code=\"TOKEN_INVALID\",check=\"local\"} 1",
            "ledger_head_offset 7",
            "projector_lag_records 2",
            "stream_subscribers 3",
            "stream_lag_drops_total 2",
            "http_requests_total{route=\"/v1/records\",method=\"POST\",class=\"runtime\",status=\"201\"} 2",
            "http_request_duration_seconds_bucket{route=\"/v1/records\",method=\"POST\",class=\"runtime\",le=\"0.001\"} 1",
            "http_request_duration_seconds_bucket{route=\"/v1/records\",method=\"POST\",class=\"runtime\",le=\"0.005\"} 2",
            "http_request_duration_seconds_sum{route=\"/v1/records\",method=\"POST\",class=\"runtime\"} 0.0037",
            "http_request_duration_seconds_bucket{route=\"unmatched\",method=\"any\",class=\"none\",le=\"30\"} 0",
            "http_request_duration_seconds_bucket{route=\"unmatched\",method=\"any\",class=\"none\",le=\"+Inf\"} 1",
        ] {
            assert!(text.lines().any(|line| line == expected), "{expected}\n{text}");
        }
    }

    #[test]
    fn a_read_model_that_does_not_answer_has_no_numbers() {
        let text = Registry::new().render(&Gauges {
            head: 7,
            position: None,
            stream_subscribers: 0,
            stream_lag_drops: 0,
        });
        assert!(!text.contains("projector_"), "{text}");
    }
}

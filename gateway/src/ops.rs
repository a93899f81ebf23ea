//! Health and metrics of every role: a board on which the parts of a process say how they are, and what shows it.
//!
//! A part writes when it changes, and a probe reads without asking anybody: no probe waits for a broker or a database.
//! Details are sentences for operators; never an address with credentials, a tenant or a value.

mod router;

pub use router::router;

use crate::metrics;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How a part of the process is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It does its work.
    Works,
    /// It does its work, but not all of it, and tries again; the process is ready all the same.
    Degraded(String),
    /// It cannot do its work yet and tries again.
    Waiting(String),
    /// It has stopped and needs somebody.
    Halted(String),
}

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Goes up and down.
    Gauge,
    /// Only goes up.
    Counter,
}

struct Meter {
    name: Cow<'static, str>,
    kind: Kind,
    help: &'static str,
    read: Box<dyn Fn() -> Option<f64> + Send + Sync>,
}

/// What one process says of itself.
pub struct Board {
    role: &'static str,
    parts: Mutex<BTreeMap<&'static str, State>>,
    /// Parts that have done their work at least once: only then is waiting worth a warning.
    settled: Mutex<BTreeSet<&'static str>>,
    meters: Mutex<Vec<Meter>>,
    further: Mutex<Option<axum::Router>>,
    draining: AtomicBool,
}

impl Board {
    /// The board of a process in this role, with nothing on it.
    #[must_use]
    pub fn new(role: &'static str) -> Arc<Self> {
        Arc::new(Self {
            role,
            parts: Mutex::default(),
            settled: Mutex::default(),
            meters: Mutex::default(),
            further: Mutex::default(),
            draining: AtomicBool::new(false),
        })
    }

    /// `part` does its work.
    pub fn works(&self, part: &'static str) {
        self.put(part, State::Works);
    }

    /// `part` waits for what `reason` names, and tries again.
    pub fn waits(&self, part: &'static str, reason: impl Into<String>) {
        self.put(part, State::Waiting(reason.into()));
    }

    /// `part` does not do all of its work for `reason`, and tries again. Shown, and no reason to send requests elsewhere.
    pub fn limps(&self, part: &'static str, reason: impl Into<String>) {
        self.put(part, State::Degraded(reason.into()));
    }

    /// `part` has stopped for `reason` and does not go on by itself.
    pub fn halts(&self, part: &'static str, reason: impl Into<String>) {
        self.put(part, State::Halted(reason.into()));
    }

    /// The process ends: from now on it is not ready.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// How `part` is, once it has said so.
    #[must_use]
    pub fn state(&self, part: &str) -> Option<State> {
        self.parts().get(part).cloned()
    }

    /// Shows a metric, read at each scrape; nothing while it answers `None`. Labels may follow the name in braces; metrics
    /// of one name belong together.
    pub fn meter(
        &self,
        name: impl Into<Cow<'static, str>>,
        kind: Kind,
        help: &'static str,
        read: impl Fn() -> Option<f64> + Send + Sync + 'static,
    ) {
        let (name, read) = (name.into(), Box::new(read));
        let meter = Meter { name, kind, help, read };
        self.meters.lock().unwrap_or_else(PoisonError::into_inner).push(meter);
    }

    /// Answers what the board's own routes do not match, from now on: routes that keep their own door, such as those of
    /// [`App::projection_router`](crate::App::projection_router).
    pub fn serve(&self, router: axum::Router) {
        *self.further.lock().unwrap_or_else(PoisonError::into_inner) = Some(router);
    }

    /// What [`Board::serve`] was given.
    pub(crate) fn further(&self) -> Option<axum::Router> {
        self.further.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What keeps the process from being ready, in one sentence; `None` when nothing does.
    pub(crate) fn missing(&self) -> Option<String> {
        if self.draining.load(Ordering::Relaxed) {
            return Some("the process is draining".to_owned());
        }
        let parts = self.parts();
        let missing: Vec<String> = parts
            .iter()
            .filter_map(|(part, state)| match state {
                State::Works | State::Degraded(_) => None,
                State::Waiting(reason) => Some(format!("{part} waits: {reason}")),
                State::Halted(reason) => Some(format!("{part} has halted: {reason}")),
            })
            .collect();
        (!missing.is_empty()).then(|| missing.join("; "))
    }

    /// Whether every part does all of its work.
    pub(crate) fn is_whole(&self) -> bool {
        self.missing().is_none() && self.parts().values().all(|state| *state == State::Works)
    }

    /// Every part with its state.
    pub(crate) fn describe(&self) -> Map<String, Value> {
        let parts = self.parts();
        let shown = parts.iter().map(|(part, state)| {
            let value = match state {
                State::Works => json!({"status": "ok"}),
                State::Degraded(reason) => json!({"status": "degraded", "detail": reason}),
                State::Waiting(reason) => json!({"status": "waiting", "detail": reason}),
                State::Halted(reason) => json!({"status": "halted", "detail": reason}),
            };
            ((*part).to_owned(), value)
        });
        shown.collect()
    }

    /// The role that the process plays.
    pub(crate) const fn role(&self) -> &'static str {
        self.role
    }

    /// The metrics, as Prometheus reads them.
    pub(crate) fn render(&self, out: &mut String) {
        metrics::head(out, "role_info", "gauge", "The role that this process plays.");
        metrics::line(out, format_args!("role_info{{role=\"{}\"}} 1", self.role));
        metrics::head(out, "part_up", "gauge", "1 while a part of the process does its work.");
        for (part, state) in self.parts().iter() {
            let up = u8::from(*state == State::Works);
            metrics::line(out, format_args!("part_up{{part=\"{part}\"}} {up}"));
        }
        let meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = "";
        for meter in meters.iter() {
            let Some(value) = (meter.read)() else { continue };
            let bare = meter.name.split('{').next().unwrap_or_default();
            if bare != before {
                let kind = match meter.kind {
                    Kind::Gauge => "gauge",
                    Kind::Counter => "counter",
                };
                metrics::head(out, bare, kind, meter.help);
                before = bare;
            }
            metrics::line(out, format_args!("{} {value}", meter.name));
        }
    }

    fn put(&self, part: &'static str, state: State) {
        let before = self.parts().insert(part, state.clone());
        if before.as_ref() == Some(&state) {
            return;
        }
        let mut settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        match state {
            State::Works if settled.insert(part) => tracing::info!(part, "it works"),
            State::Works => tracing::warn!(part, "it works again"),
            State::Degraded(reason) => tracing::warn!(part, reason, "it does not do all of its work"),
            State::Waiting(reason) if before.is_none() => tracing::info!(part, reason, "it waits"),
            State::Waiting(reason) => tracing::warn!(part, reason, "it waits and tries again"),
            State::Halted(reason) => tracing::error!(part, reason, "it has halted"),
        }
    }

    fn parts(&self) -> MutexGuard<'_, BTreeMap<&'static str, State>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Board {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Board")
            .field("role", &self.role)
            .field("parts", &self.parts())
            .finish_non_exhaustive()
    }
}

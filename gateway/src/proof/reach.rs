//! How far a write has come when it is answered: committed, under a signed checkpoint, or under one that a quorum of
//! witnesses has cosigned.
//!
//! Invariant: waiting never makes a write fail. The records are committed when it begins; whatever ends it, the answer
//! says what was reached.

use super::newest;
use crate::Shared;
use crate::error::Problem;
use crate::prefer;
use crate::query::Query;
use crate::serve::Draining;
use axum::http::{Extensions, HeaderMap, HeaderValue};
use std::time::Duration;

/// Parameters of a write.
pub(crate) const UNTIL: &str = "until";
/// How long a write waits when `Prefer` does not say.
const PATIENCE: Duration = Duration::from_secs(10);
/// Beyond the wait, for an answer that is on its way.
const GRACE: Duration = Duration::from_secs(1);

/// What an answer says of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    /// It is durable.
    Committed,
    /// A signed checkpoint covers it.
    Included,
    /// A quorum of witnesses has cosigned a checkpoint that covers it.
    Witnessed,
}

impl State {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::Included => "included",
            Self::Witnessed => "witnessed",
        }
    }

    fn read(text: &str) -> Option<Self> {
        [Self::Committed, Self::Included, Self::Witnessed]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// What a client waits for, and for how long.
#[derive(Debug, Clone)]
pub(crate) struct Until {
    pub(crate) state: State,
    /// What `Prefer: wait=N` asks for, as far as a request may take.
    pub(crate) asked: Option<Duration>,
    /// Whether all of that is granted.
    granted: bool,
    draining: Draining,
}

impl Until {
    /// `?until=` with `Prefer: wait=N`; without `until` it is `usual`. A preference is for what is waited for: without
    /// anything to wait for it is not honoured.
    ///
    /// # Errors
    /// `PARAMETER_INVALID`.
    pub(crate) fn read(shared: &Shared, headers: &HeaderMap, query: &Query, usual: State) -> Result<Self, Problem> {
        let state = query.read(UNTIL, "committed, included or witnessed", State::read)?;
        let state = state.unwrap_or(usual);
        // Half a second before a request's deadline, so that the answer says what was waited for.
        let most = shared.deadline().saturating_sub(Duration::from_millis(500));
        let asked = prefer::wait(headers).filter(|_| state > State::Committed);
        Ok(Self {
            state,
            asked: asked.map(|asked| asked.min(most)),
            granted: asked.is_some_and(|asked| asked <= most),
            draining: Draining::default(),
        })
    }

    /// The same, for no longer than the server that the request came to goes on.
    pub(crate) fn while_served(self, request: &Extensions) -> Self {
        Self {
            draining: request.get().cloned().unwrap_or_default(),
            ..self
        }
    }

    /// Says which preference was honoured.
    pub(crate) fn note(&self, headers: &mut HeaderMap) {
        let granted = self.asked.filter(|_| self.granted);
        let applied = granted.map(|granted| HeaderValue::from_str(&format!("wait={}", granted.as_secs())));
        if let Some(Ok(applied)) = applied {
            headers.append(prefer::APPLIED, applied);
        }
    }
}

/// Up to where the log is included and witnessed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Reached {
    included: u64,
    witnessed: u64,
}

impl Reached {
    /// How far the record at `offset` has come.
    pub(crate) const fn state(self, offset: u64) -> State {
        if offset < self.witnessed {
            State::Witnessed
        } else if offset < self.included {
            State::Included
        } else {
            State::Committed
        }
    }
}

/// Waits until the first `covering` records have come as far as `until` says, or until it has waited long enough.
pub(crate) async fn reach(shared: &Shared, covering: u64, until: &Until) -> Reached {
    if until.state == State::Committed || covering == 0 {
        return Reached::default();
    }
    let patience = until.asked.unwrap_or(PATIENCE);
    let witnessed = until.state == State::Witnessed;
    let ask = |patience| tokio::time::timeout(patience + GRACE, newest(shared, covering, witnessed, patience));
    let mut draining = until.draining.clone();
    // A ledger behind a bus may never answer: the wait ends all the same. A server that stops lets nobody wait, or the
    // answer to a record that is stored would be cut off.
    let answered = tokio::select! {
        answered = ask(patience) => answered,
        () = draining.wait() => ask(Duration::ZERO).await,
    };
    let Ok(Ok(Some(newest))) = answered else {
        return Reached::default();
    };
    Reached {
        included: newest.size,
        witnessed: if newest.witnessed == Some(true) { newest.size } else { 0 },
    }
}

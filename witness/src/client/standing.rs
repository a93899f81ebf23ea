//! How each witness is. Written by its task, read by whoever shows it; a log line only when something changes.

use super::{Failing, Failure};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How one witness is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Its name in the policy.
    pub name: String,
    /// The largest size that it has cosigned in this process's life.
    pub size: Option<u64>,
    /// When it last cosigned, in seconds since the Unix epoch.
    pub last_success: Option<u64>,
    /// What the last attempt failed with; `None` when it succeeded, or there was none.
    pub failure: Option<Failure>,
}

impl Standing {
    /// Whether its last attempt succeeded.
    #[must_use]
    pub const fn is_well(&self) -> bool {
        self.failure.is_none() && self.last_success.is_some()
    }
}

pub(super) struct Board(Mutex<Vec<Standing>>);

impl Board {
    pub(super) fn new(names: impl Iterator<Item = String>) -> Self {
        let unknown = |name| Standing {
            name,
            ..Standing::default()
        };
        Self(Mutex::new(names.map(unknown).collect()))
    }

    pub(super) fn read(&self) -> Vec<Standing> {
        self.standings().clone()
    }

    pub(super) fn cosigned(&self, name: &str, size: u64, time: u64) {
        self.change(name, |standing| {
            match (&standing.failure, standing.last_success) {
                (None, Some(_)) => {}
                (Some(_), Some(_)) => tracing::warn!(witness = name, size, "it cosigns again"),
                (_, None) => tracing::info!(witness = name, size, "it cosigns"),
            }
            standing.size = standing.size.max(Some(size));
            standing.last_success = Some(time);
            standing.failure = None;
        });
    }

    pub(super) fn failed(&self, name: &str, failure: Failure) {
        self.change(name, |standing| {
            let kind = Some(failure.kind);
            if standing.failure.as_ref().map(|failure| failure.kind) != kind {
                let reason = failure.reason.as_str();
                match failure.kind {
                    // What says something about the log, and not about the way to the witness.
                    Failing::Fork | Failing::Ahead => tracing::error!(witness = name, reason, "it does not cosign"),
                    _ => tracing::warn!(witness = name, reason, "it does not cosign"),
                }
            }
            standing.failure = Some(failure);
        });
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Standing)) {
        if let Some(standing) = self.standings().iter_mut().find(|standing| standing.name == name) {
            change(standing);
        }
    }

    fn standings(&self) -> MutexGuard<'_, Vec<Standing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

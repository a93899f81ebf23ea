//! After a failed commit: the engine is replaced by opening the log again, once the disk takes writes again.
//!
//! Until then reads go on, appends are refused with the reason, and nothing is acknowledged that is not stored.

use super::{Handle, Inner};
use crate::engine::{Engine, Opening, Shared};
use crate::keyring::Keyring;
use crate::{Error, journal};
use std::fs::File;
use std::io::Write as _;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// Bytes that must fit on the disk, beside a copy of the journals, before the log is opened again.
const PROBE_BYTES: usize = 4 * 1_024 * 1_024;
/// Time between two attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// What an open log runs on.
pub(crate) enum Slot {
    /// An engine, which may have failed.
    Running(Arc<Engine>),
    /// The failed engine is gone and opening failed, for this reason, at this time.
    Down(String, Instant),
    /// The log was closed.
    Closed,
}

impl Handle {
    /// The engine for appends; a failed one is replaced first.
    pub(super) async fn engine(&self) -> Result<Arc<Engine>, ledger_client::Error> {
        if let Some(engine) = self.inner.healthy()? {
            return Ok(engine);
        }
        let _one_at_a_time = self.inner.reviving.lock().await;
        if let Some(engine) = self.inner.healthy()? {
            return Ok(engine);
        }
        let inner = Arc::clone(&self.inner);
        let revived = tokio::task::spawn_blocking(move || inner.revive()).await;
        revived.unwrap_or_else(|error| {
            Err(ledger_client::Error::Unavailable {
                reason: error.to_string(),
            })
        })
    }

    /// The engine whose keyring gets the new key.
    pub(crate) async fn engine_for_rotation(&self) -> Result<Arc<Engine>, ledger_client::Error> {
        self.engine().await
    }

    /// What readers read from, also after a failed commit.
    pub(crate) fn reader(&self) -> Result<Arc<Shared>, ledger_client::Error> {
        match &*self.inner.slot.read().unwrap_or_else(PoisonError::into_inner) {
            Slot::Running(engine) => Ok(Arc::clone(&engine.shared)),
            Slot::Down(reason, _) => Err(ledger_client::Error::Unavailable { reason: reason.clone() }),
            Slot::Closed => Err(closed()),
        }
    }
}

impl Inner {
    fn healthy(&self) -> Result<Option<Arc<Engine>>, ledger_client::Error> {
        match &*self.slot.read().unwrap_or_else(PoisonError::into_inner) {
            Slot::Running(engine) if !engine.shared.is_poisoned() => Ok(Some(Arc::clone(engine))),
            Slot::Down(reason, since) if since.elapsed() < PAUSE => {
                Err(ledger_client::Error::Unavailable { reason: reason.clone() })
            }
            Slot::Running(_) | Slot::Down(..) => Ok(None),
            Slot::Closed => Err(closed()),
        }
    }

    fn revive(&self) -> Result<Arc<Engine>, ledger_client::Error> {
        let unavailable = |error: Error| ledger_client::Error::Unavailable { reason: error.reason() };
        // While the disk is full the failed engine stays: it still reads.
        self.probe_now_and_then()
            .map_err(|reason| ledger_client::Error::Unavailable { reason })?;
        let down = Slot::Down("the log is being opened again".to_owned(), Instant::now());
        let old = std::mem::replace(&mut *self.slot.write().unwrap_or_else(PoisonError::into_inner), down);
        if let Slot::Closed = old {
            self.put(Slot::Closed);
            return Err(closed());
        }
        if let Slot::Running(engine) = &old {
            engine.stop();
        }
        drop(old);
        match self.open_again() {
            Ok(engine) => {
                tracing::warn!("the log was opened again after a failed commit");
                let engine = Arc::new(engine);
                self.put(Slot::Running(Arc::clone(&engine)));
                Ok(engine)
            }
            Err(error) => {
                tracing::error!(%error, "the log cannot be opened again yet");
                self.put(Slot::Down(error.reason(), Instant::now()));
                Err(unavailable(error))
            }
        }
    }

    fn put(&self, slot: Slot) {
        *self.slot.write().unwrap_or_else(PoisonError::into_inner) = slot;
    }

    fn open_again(&self) -> Result<Engine, Error> {
        let keyring = Keyring::open(&self.config.keyring_path(), &self.config.key)?;
        Engine::open(Opening {
            config: self.config.clone(),
            clock: Arc::clone(&self.clock),
            preparer: Arc::clone(&self.preparer),
            keyring,
            committed: self.committed.clone(),
            published: self.published.clone(),
            announced: self.announced.clone(),
            probe: self.probe.clone(),
        })
    }

    /// Probes the disk, unless the last probe failed just now: then its reason stands.
    fn probe_now_and_then(&self) -> Result<(), String> {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((since, reason)) = refused.as_ref().filter(|(since, _)| since.elapsed() < PAUSE) {
            tracing::debug!(ago_ms = since.elapsed().as_millis(), "the disk was probed just now");
            return Err(reason.clone());
        }
        let probed = self.probe_space().map_err(|error| error.reason());
        *refused = probed.as_ref().err().map(|reason| (Instant::now(), reason.clone()));
        probed
    }

    /// Writes and removes a file, as large as opening needs.
    fn probe_space(&self) -> Result<(), Error> {
        let path = self.config.data_dir.join("space-probe");
        // Opening sets the journals aside.
        let chunks = 1 + journal::disk_bytes(&self.config.store_path())?.div_ceil(PROBE_BYTES as u64);
        let written = File::create(&path).and_then(|mut file| {
            let chunk = vec![0; PROBE_BYTES];
            for _ in 0..chunks {
                file.write_all(&chunk)?;
            }
            file.sync_all()
        });
        let removed = std::fs::remove_file(&path);
        written.and(removed).map_err(Error::io("write", &self.config.data_dir))
    }
}

fn closed() -> ledger_client::Error {
    ledger_client::Error::Unavailable {
        reason: "the ledger is closed".to_owned(),
    }
}

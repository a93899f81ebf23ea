//! A restored directory that is complete and not accepted yet: it can be looked at, and opens as a log only afterwards.

use super::{Restored, marker};
use crate::Error;
use crate::clock::SystemClock;
use crate::handle::{Config, Handle};
use crate::init::own_record;
use crate::inspect::Inspection;
use crate::lock::DirectoryLock;
use crate::probe::Probe;
use domain::payload::LedgerRecovered;
use record::Tenant;
use std::path::Path;
use std::sync::Arc;

/// A restored directory before it is a log.
pub struct Staged {
    config: Config,
    lock: DirectoryLock,
    restored: Restored,
}

impl Staged {
    pub(super) const fn new(config: Config, lock: DirectoryLock, restored: Restored) -> Self {
        Self { config, lock, restored }
    }

    /// What was restored.
    #[must_use]
    pub const fn restored(&self) -> &Restored {
        &self.restored
    }

    /// Opens it for reading, with a shadow in `scratch`, which must not exist and is removed at the end.
    ///
    /// # Errors
    /// As [`Inspection::open`].
    pub fn inspect(&self, scratch: &Path) -> Result<Inspection, Error> {
        Inspection::open_owned(&self.config, scratch)
    }

    /// Makes it a log.
    ///
    /// # Errors
    /// An I/O error; the directory stays unfinished then.
    pub fn accept(self) -> Result<Restored, Error> {
        marker::lift(&self.config.data_dir)?;
        Ok(self.restored)
    }

    /// Appends `ledger.recovered` for the records behind the backup, and makes it a log. The record is durable before the
    /// log can be opened, so that nothing ever stands between a recovery and its admission.
    ///
    /// # Errors
    /// As opening a log and appending to it; the directory stays unfinished then.
    pub async fn accept_recovered(self) -> Result<Restored, Error> {
        let Self { config, lock, restored } = self;
        let recovered = LedgerRecovered {
            from: restored.from_backup,
            to: restored.size,
            disclosures_lost: restored.disclosures_lost,
        };
        let opened = {
            // Nothing but the recovery is written before the directory is a log.
            let config = Config {
                checkpoints: None,
                ..config.clone()
            };
            tokio::task::spawn_blocking(move || {
                Handle::open_locked(config, Arc::new(SystemClock), Probe::default(), lock)
            })
        };
        let failed = |error: &dyn std::fmt::Display| Error::Store(error.to_string());
        let handle = opened.await.map_err(|error| failed(&error))??;
        let record = own_record(Tenant::ledger(), "ledger.recovered", &recovered)?;
        handle.append_own(record).await.map_err(|error| failed(&error))?;
        marker::lift(&config.data_dir)?;
        handle.close();
        Ok(restored)
    }
}

//! The in-process ledger: what the other rooms hold, cheap to clone.
//!
//! It admits requests within a budget of bytes (back-pressure: a request waits, then is refused), prepares records on the
//! caller's thread, and replaces an engine whose commit failed by opening the log again.

mod command;
mod config;
#[cfg(test)]
mod faults;
mod prove;
mod read;
mod revive;

use crate::checkpoint::Announced;
use crate::clock::{Clock, SystemClock};
use crate::compare::{self, Verdict};
use crate::engine::{Engine, Opening, Outcome, Request};
use crate::keyring::Keyring;
use crate::lock::DirectoryLock;
use crate::prepare::{Prepared, Preparer};
use crate::probe::Probe;
use crate::restore::marker;
use crate::{Error, disclosure, recovery};
pub(crate) use command::{Asked, Turn, Turns};
pub use config::Config;
use domain::Catalogue;
use domain::state::Authority;
use ledger_client::proof::{Answer, Question};
use ledger_client::{Append, Committed, Head, LedgerClient, Pending, Receipt, Report};
use record::{Draft, NewRecord, Opening as Disclosure, Place, Record, RecordId, Tenant};
use revive::Slot;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, oneshot, watch};

/// Bytes that one permit of the queue stands for.
const PERMIT_BYTES: usize = 1_024;
/// Records and bytes of one request to the sequencer; a larger call is split.
const REQUEST_RECORDS: usize = 64;
const REQUEST_BYTES: usize = 256 * 1_024;

/// What became of the records of a request, or of the request.
type Answers = Result<Vec<Result<Receipt, ledger_client::Error>>, ledger_client::Error>;
/// Records of one request to the sequencer, with the places of their results.
type Groups = Vec<(Vec<usize>, Vec<Prepared>)>;
/// Results by place; `None` while a record has none.
type Results = Vec<Option<Result<Receipt, ledger_client::Error>>>;

/// An open log. Clones share it; the last one to go closes it.
#[derive(Clone)]
pub struct Handle {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) config: Config,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) preparer: Arc<Preparer>,
    queue: Arc<Semaphore>,
    committed: watch::Sender<u64>,
    /// Records that the log's stream has acknowledged; `None` where no stream is configured.
    pub(crate) published: watch::Sender<Option<u64>>,
    pub(crate) announced: Announced,
    slot: RwLock<Slot>,
    reviving: Mutex<()>,
    /// When the disk was last found unfit for writing, and why.
    refused: std::sync::Mutex<Option<(std::time::Instant, String)>>,
    probe: Probe,
    // Declared last: the directory is free only after the engine has closed.
    _lock: DirectoryLock,
}

impl Handle {
    /// Opens the log in `config.data_dir`: recovers it, compares it with HEAD and starts its threads. Blocks.
    ///
    /// # Errors
    /// [`Error::Absent`], [`Error::InUse`], [`Error::Key`], [`Error::WrongKey`], [`Error::FormatTooNew`],
    /// [`Error::LogBehind`], [`Error::Corrupt`] or an I/O error. A log is never created here.
    pub fn open(config: Config) -> Result<Self, Error> {
        Self::open_with(config, Arc::new(SystemClock), Probe::default())
    }

    /// Opens a log with another clock.
    ///
    /// # Errors
    /// As [`Handle::open`].
    pub fn open_with_clock(config: Config, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        Self::open_with(config, clock, Probe::default())
    }

    pub(crate) fn open_with(config: Config, clock: Arc<dyn Clock>, probe: Probe) -> Result<Self, Error> {
        marker::refuse(&config.data_dir)?;
        if !config.keyring_path().exists() {
            return Err(Error::Absent(config.data_dir));
        }
        let lock = DirectoryLock::acquire(&config.data_dir)?;
        Self::open_locked(config, clock, probe, lock)
    }

    /// Opens the log in a directory that is locked already.
    pub(crate) fn open_locked(
        config: Config,
        clock: Arc<dyn Clock>,
        probe: Probe,
        lock: DirectoryLock,
    ) -> Result<Self, Error> {
        let keyring = Keyring::open(&config.keyring_path(), &config.key)?;
        let (log, index) = (keyring.log.clone(), keyring.index());
        let preparer = Arc::new(Preparer {
            log,
            index,
            catalogue: Catalogue::builtin(),
            maps: config.checkpoints.is_some(),
        });
        let (committed, _) = watch::channel(0);
        let (published, announced) = (watch::channel(None).0, Announced::nothing());
        let opening = Opening {
            config: config.clone(),
            clock: Arc::clone(&clock),
            preparer: Arc::clone(&preparer),
            keyring,
            committed: committed.clone(),
            published: published.clone(),
            announced: announced.clone(),
            probe: probe.clone(),
        };
        let engine = Arc::new(Engine::open(opening)?);
        let queue = Arc::new(Semaphore::new(config.queue_bytes / PERMIT_BYTES));
        let (slot, reviving) = (RwLock::new(Slot::Running(engine)), Mutex::new(()));
        let inner = Inner {
            config,
            clock,
            preparer,
            queue,
            committed,
            published,
            announced,
            slot,
            reviving,
            refused: std::sync::Mutex::new(None),
            probe,
            _lock: lock,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The log's origin.
    #[must_use]
    pub fn origin(&self) -> &record::Origin {
        &self.inner.preparer.log
    }

    /// The log's directory.
    #[must_use]
    pub fn data_dir(&self) -> &std::path::Path {
        &self.inner.config.data_dir
    }

    /// Whether the log was restored within the last day: then it is compared with its stream before it takes anything.
    #[must_use]
    pub fn is_freshly_restored(&self) -> bool {
        let now = self.inner.clock.read().wall;
        self.reader().is_ok_and(|shared| shared.standing.is_fresh(now))
    }

    /// A key for another purpose, derived from the log's index key; the same at every start.
    #[must_use]
    pub fn derive_key(&self, purpose: &str) -> [u8; 32] {
        self.inner.preparer.index.derive(purpose)
    }

    /// Number of records that the log's stream has acknowledged, counted from offset 0; `None` where no feed publishes to
    /// one. After a stream was lost the number falls.
    #[must_use]
    pub fn published(&self) -> watch::Receiver<Option<u64>> {
        self.inner.published.subscribe()
    }

    /// Whether this ledger holds the secret half of a key: whatever is signed with it, it signed itself.
    pub(crate) fn holds_key(&self, key: &record::PublicKey) -> bool {
        self.reader().is_ok_and(|shared| shared.signing_key(key).is_some())
    }

    /// The trace that the record at `offset` was asked for in, while it is among the newest.
    pub(crate) fn trace(&self, offset: u64) -> Option<ledger_client::trace::TraceContext> {
        self.reader().ok()?.recent.trace(offset)
    }

    /// Finishes what was received, closes the log in order, and refuses everything after. Blocks.
    pub fn close(&self) {
        let slot = std::mem::replace(
            &mut *self.inner.slot.write().unwrap_or_else(PoisonError::into_inner),
            Slot::Closed,
        );
        if let Slot::Running(engine) = slot {
            engine.stop();
        }
    }

    /// Appends a record on the ledger's own authority.
    pub(crate) async fn append_own(&self, record: NewRecord) -> Result<Receipt, ledger_client::Error> {
        let prepared = self.inner.preparer.prepare(record, Authority::Ledger, None)?;
        one(self.submit(vec![prepared], None).await?)
    }

    async fn append_one(&self, append: Append) -> Result<Receipt, ledger_client::Error> {
        let prepared = self
            .inner
            .preparer
            .prepare(append.record, Authority::Caller, append.guard.as_ref())?;
        one(self.submit(vec![prepared], None).await?)
    }

    async fn append_all(&self, records: Vec<NewRecord>) -> Vec<Result<Receipt, ledger_client::Error>> {
        let appends = records.into_iter().map(|record| Append { record, guard: None });
        let (mut results, groups) = self.prepare_all(appends);
        let (places, submits): (Vec<_>, Vec<_>) = groups
            .into_iter()
            .map(|(places, group)| (places, self.submit(group, None)))
            .unzip();
        for (places, outcomes) in places.into_iter().zip(futures_util::future::join_all(submits).await) {
            fill(&mut results, places, outcomes);
        }
        answered(results)
    }

    /// Prepares records in groups of one request each, with the places of their results; those that cannot be prepared have
    /// their results.
    fn prepare_all(&self, appends: impl ExactSizeIterator<Item = Append>) -> (Results, Groups) {
        let mut results: Results = vec![None; appends.len()];
        let mut groups = Vec::new();
        let (mut group, mut places, mut bytes) = (Vec::new(), Vec::new(), 0);
        for ((at, Append { record, guard }), result) in appends.enumerate().zip(&mut results) {
            match self.inner.preparer.prepare(record, Authority::Caller, guard.as_ref()) {
                Err(error) => *result = Some(Err(error)),
                Ok(prepared) => {
                    bytes += prepared.draft.size_bound();
                    group.push(prepared);
                    places.push(at);
                }
            }
            if group.len() >= REQUEST_RECORDS || bytes >= REQUEST_BYTES {
                groups.push((std::mem::take(&mut places), std::mem::take(&mut group)));
                bytes = 0;
            }
        }
        if !group.is_empty() {
            groups.push((places, group));
        }
        (results, groups)
    }

    /// Sends prepared records to the sequencer and waits for their commit.
    async fn submit(&self, records: Vec<Prepared>, asked: Option<Asked>) -> Answers {
        if records.is_empty() && asked.is_none() {
            return Ok(Vec::new());
        }
        let bytes = records.iter().map(|prepared| prepared.draft.size_bound()).sum();
        let (once, mut turn) = asked.map_or((None, None), |asked| (Some(asked.once), asked.turn));
        if let Some(turn) = &mut turn {
            turn.come().await;
        }
        let _room = self.admit(bytes).await?;
        let engine = self.engine().await?;
        let first = records
            .first()
            .map_or(RecordId::new(0, [0; 10]), |prepared| *prepared.draft.id());
        let (reply, answer) = oneshot::channel();
        let stopped = || ledger_client::Error::Unavailable {
            reason: "the ledger is closing".to_owned(),
        };
        let request = Request {
            records,
            bytes,
            once,
            reply,
        };
        engine.send(request).map_err(|_| stopped())?;
        drop(turn);
        let Ok(mut outcomes) = answer.await else {
            return Err(ledger_client::Error::CommitUnknown {
                id: first,
                reason: "the ledger stopped".to_owned(),
            });
        };
        outcomes.retain(|outcome| !matches!(outcome, Outcome::Noted));
        self.resolve(&engine, outcomes).await
    }

    /// Room in the queue, or a refusal after the configured wait.
    async fn admit(&self, bytes: usize) -> Result<OwnedSemaphorePermit, ledger_client::Error> {
        let permits = u32::try_from(
            bytes
                .div_ceil(PERMIT_BYTES)
                .min(self.inner.config.queue_bytes / PERMIT_BYTES),
        );
        let acquire = Arc::clone(&self.inner.queue).acquire_many_owned(permits.unwrap_or(u32::MAX));
        match tokio::time::timeout(Duration::from_millis(self.inner.config.queue_wait_ms), acquire).await {
            Ok(Ok(room)) => Ok(room),
            _ => Err(ledger_client::Error::Overloaded),
        }
    }

    /// Turns outcomes into receipts; a known id is compared with the record that has it, beside the async threads.
    async fn resolve(
        &self,
        engine: &Arc<Engine>,
        outcomes: Vec<Outcome>,
    ) -> Result<Vec<Result<Receipt, ledger_client::Error>>, ledger_client::Error> {
        let known = outcomes
            .iter()
            .any(|outcome| matches!(outcome, Outcome::Existing { .. }));
        let shared = Arc::clone(&engine.shared);
        let resolve = move || outcomes.into_iter().map(|outcome| receipt(&shared, outcome)).collect();
        let mut receipts: Vec<Result<Receipt, _>> = if known {
            self.blocking(move || Ok(resolve())).await?
        } else {
            resolve()
        };
        let published = self.inner.published.borrow().unwrap_or(0);
        for receipt in receipts.iter_mut().flatten() {
            receipt.published = receipt.committed.offset < published;
        }
        Ok(receipts)
    }
}

fn receipt(shared: &crate::engine::Shared, outcome: Outcome) -> Result<Receipt, ledger_client::Error> {
    let (offset, by_guard, draft) = match outcome {
        Outcome::New(receipt) => return Ok(receipt),
        Outcome::Noted => return Err(ledger_client::Error::Corrupt("there was no record".to_owned())),
        Outcome::Failed(error) => return Err(error),
        Outcome::Existing {
            offset,
            by_guard,
            draft,
        } => (offset, by_guard, draft),
    };
    let (verdict, stored) = existing(shared, offset, &draft).map_err(read::failed)?;
    match verdict {
        Verdict::Different if by_guard => Err(ledger_client::Error::IdempotencyConflict { offset }),
        Verdict::Different => Err(ledger_client::Error::IdConflict { id: stored.id, offset }),
        verdict => Ok(Receipt {
            committed: Committed {
                offset,
                bytes: stored.bytes().into(),
            },
            id: stored.id,
            hash: stored.hash,
            replayed: true,
            sealed_unchecked: verdict == Verdict::SameUnchecked,
            published: false,
        }),
    }
}

/// Compares the record at `offset` with what a request asked for.
fn existing(shared: &crate::engine::Shared, offset: u64, draft: &Draft) -> Result<(Verdict, Record), Error> {
    let stored = shared.record(offset)?;
    let stored =
        stored.ok_or_else(|| Error::corrupt(format!("the log at offset {offset}"), "an id names a missing record"))?;
    let stored = recovery::parse(&stored, offset)?;
    let found = disclosure::read(&shared.preparer, &shared.store, &shared.scopes(), &stored)?;
    // A throw-away key and place: only the content of the candidate is looked at.
    let key = ed25519_dalek::SigningKey::from_bytes(&[1; 32]);
    let place = Place {
        offset,
        seq: 0,
        prev: None,
        ts: stored.ts,
        pub_key: &key.verifying_key().into(),
    };
    let candidate = recovery::parse(&draft.stamp(&place).sign(&key), offset)?;
    Ok((compare::compare(&stored, &found, &candidate, draft.openings()), stored))
}

/// Puts the results of a group where they belong.
fn fill(results: &mut Results, places: Vec<usize>, outcomes: Answers) {
    let outcomes = outcomes.unwrap_or_else(|error| vec![Err(error); places.len()]);
    for (at, outcome) in places.into_iter().zip(outcomes) {
        if let Some(result) = results.get_mut(at) {
            *result = Some(outcome);
        }
    }
}

fn answered(results: Results) -> Vec<Result<Receipt, ledger_client::Error>> {
    let missing = || ledger_client::Error::Corrupt("a record of the request got no answer".to_owned());
    results
        .into_iter()
        .map(|result| result.unwrap_or_else(|| Err(missing())))
        .collect()
}

fn one(results: Vec<Result<Receipt, ledger_client::Error>>) -> Result<Receipt, ledger_client::Error> {
    let missing = || ledger_client::Error::Corrupt("a request got no answer".to_owned());
    results.into_iter().next().unwrap_or_else(|| Err(missing()))
}

impl LedgerClient for Handle {
    fn append(&self, append: Append) -> Pending<'_, Receipt> {
        Box::pin(self.append_one(append))
    }

    fn append_many(&self, records: Vec<NewRecord>) -> Pending<'_, Vec<Result<Receipt, ledger_client::Error>>> {
        Box::pin(async { Ok(self.append_all(records).await) })
    }

    fn create_tenant(&self, tenant: Tenant, name: String) -> Pending<'_, Receipt> {
        Box::pin(self.append_tenant(tenant, name))
    }

    fn report(&self, report: Report) -> Pending<'_, Receipt> {
        Box::pin(self.append_report(report))
    }

    fn head(&self) -> Pending<'_, Head> {
        Box::pin(self.read_head())
    }

    fn read(&self, from: u64, limit: usize) -> Pending<'_, Vec<Committed>> {
        Box::pin(self.read_records(from, limit))
    }

    fn find(&self, tenant: Tenant, id: RecordId) -> Pending<'_, Option<Committed>> {
        Box::pin(self.find_record(tenant, id))
    }

    fn open_sealed(&self, tenant: Tenant, id: RecordId) -> Pending<'_, Option<Vec<Disclosure>>> {
        Box::pin(self.open_record(tenant, id))
    }

    fn prove(&self, question: Question) -> Pending<'_, Answer> {
        Box::pin(self.answer(question))
    }

    fn committed(&self) -> watch::Receiver<u64> {
        self.inner.committed.subscribe()
    }
}

//! The one owner of order: decides, stamps and hashes, and hands on. Only this thread assigns offsets.
//!
//! It runs ahead of the disk: its state includes records that are stamped and not yet durable. So when a commit fails,
//! this state is void and the whole engine is dropped; opening the log again folds the state from what is on disk.

use crate::access::Access;
use crate::clock::{Clock, Jumped, Pace};
use crate::engine::{Message, Outcome, Request, Shared};
use crate::guards::{Asked, OnceKey};
use crate::index::Key;
use crate::prepare::Prepared;
use domain::Denial;
use domain::state::{Body, Command, Fact, State};
use ed25519_dalek::SigningKey;
use ledger_client::Refusal;
use record::{Place, PublicKey, Stamped, Timestamp};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use tokio::sync::mpsc::UnboundedReceiver;

/// Records of one group commit at most.
const BATCH_RECORDS: usize = 256;
/// Bytes of records of one group commit at most; every single record fits.
const BATCH_BYTES: usize = 1_024 * 1_024;

/// One group commit before it is signed.
pub(crate) struct Batch {
    pub(crate) records: Vec<Sequenced>,
    pub(crate) waiting: Vec<(Request, Vec<Verdict>)>,
    /// Requests that must not be carried out again.
    pub(crate) once: Vec<OnceKey>,
    /// Who may send commands after this batch, when that has changed.
    pub(crate) access: Option<Arc<Access>>,
    /// The folded state after this batch, when it is time for a snapshot.
    pub(crate) snapshot: Option<Vec<u8>>,
}

/// A record with its place.
pub(crate) struct Sequenced {
    pub(crate) prepared: Prepared,
    pub(crate) stamped: Stamped,
    pub(crate) offset: u64,
    pub(crate) seq: u64,
    pub(crate) ts: Timestamp,
    pub(crate) key: Arc<SigningKey>,
}

/// What became of one record of a request.
pub(crate) enum Verdict {
    /// It is number so many of the batch.
    Stamped(usize),
    /// There was no record, only something to remember.
    Noted,
    /// It is already decided, and answered when everything before it is durable.
    Decided(Outcome),
}

/// The sequencer's own state: nobody else may touch it.
pub(crate) struct Sequencer {
    shared: Arc<Shared>,
    state: State,
    pace: Pace,
    key: Option<Arc<SigningKey>>,
    /// Ids and guards that are stamped and perhaps not in the store yet.
    pending: HashMap<Key, u64>,
    pending_order: VecDeque<(u64, Key)>,
    asked: Asked,
    snapshot_at: u64,
}

impl Sequencer {
    pub(crate) fn new(shared: Arc<Shared>, state: State, clock: &dyn Clock) -> Self {
        let pace = Pace::new(clock.read(), state.last_ts(), shared.config.max_clock_jump_s);
        let key = state
            .keys()
            .and_then(|keys| shared.signing_key(&keys.record))
            .map(Arc::new);
        let snapshot_at = state.size() + shared.config.snapshot_every;
        Self {
            shared,
            state,
            pace,
            key,
            pending: HashMap::new(),
            pending_order: VecDeque::new(),
            asked: Asked::default(),
            snapshot_at,
        }
    }

    /// Runs until told to stop, until nobody can send any more, or until a later stage is gone.
    pub(crate) fn run(mut self, mut requests: UnboundedReceiver<Message>, batches: &SyncSender<Batch>) {
        let mut carried = None;
        loop {
            let Some(first) = carried.take().or_else(|| requests.blocking_recv()) else {
                break;
            };
            let Message::Append(first) = first else { break };
            let (group, next) = gather(first, &mut requests);
            carried = next;
            let batch = self.plan(group);
            if batches.send(batch).is_err() {
                return;
            }
        }
        let snapshot = Some(self.state.to_snapshot().to_string().into_bytes());
        // A closed stage has failed already; there is nothing more to write.
        let _closed = batches.send(Batch {
            records: Vec::new(),
            waiting: Vec::new(),
            once: Vec::new(),
            access: None,
            snapshot,
        });
    }

    fn plan(&mut self, group: Vec<Request>) -> Batch {
        self.forget_committed();
        let now = self.pace.stamp(self.shared.clock.read());
        let mut batch = Batch {
            records: Vec::new(),
            waiting: Vec::with_capacity(group.len()),
            once: Vec::new(),
            access: None,
            snapshot: None,
        };
        for mut request in group {
            let records = std::mem::take(&mut request.records);
            let verdicts = self.carry_out(records, request.once, now, &mut batch);
            batch.waiting.push((request, verdicts));
        }
        if self.state.size() >= self.snapshot_at {
            self.snapshot_at = self.state.size() + self.shared.config.snapshot_every;
            batch.snapshot = Some(self.state.to_snapshot().to_string().into_bytes());
        }
        batch
    }

    /// Decides the records of one request, unless the request was carried out before.
    fn carry_out(
        &mut self,
        records: Vec<Prepared>,
        once: Option<OnceKey>,
        now: Result<Timestamp, Jumped>,
        batch: &mut Batch,
    ) -> Vec<Verdict> {
        let size = records.len().max(1);
        let all = |error: ledger_client::Error| (0..size).map(|_| failed(error.clone())).collect();
        let ts = match now {
            Ok(ts) => ts,
            Err(Jumped { seconds }) => return all(ledger_client::Error::ClockJumped { seconds }),
        };
        if let Some(once) = once {
            match self.asked.contains(&once, &self.shared) {
                Ok(false) => {}
                Ok(true) => return all(ledger_client::Error::CommandRefused(Refusal::Repeated)),
                Err(error) => {
                    return all(ledger_client::Error::Unavailable {
                        reason: error.to_string(),
                    });
                }
            }
            self.asked.insert(once, self.state.size());
            batch.once.push(once);
            if records.is_empty() {
                return vec![Verdict::Noted];
            }
        }
        let sequenced = records.into_iter().map(|prepared| self.sequence(prepared, ts, batch));
        sequenced.collect()
    }

    fn sequence(&mut self, prepared: Prepared, ts: Timestamp, batch: &mut Batch) -> Verdict {
        match self.existing(&prepared, ts) {
            Ok(None) => {
                if let Err(refusal) = self.shared.standing.admit(&prepared, ts) {
                    return failed(refusal);
                }
            }
            Ok(Some((offset, by_guard))) => {
                let draft = Box::new(prepared.draft);
                return Verdict::Decided(Outcome::Existing {
                    offset,
                    by_guard,
                    draft,
                });
            }
            Err(error) => {
                return failed(ledger_client::Error::Unavailable {
                    reason: error.to_string(),
                });
            }
        }
        let (tenant, body) = (prepared.draft.tenant().clone(), &prepared.body);
        let command = Command {
            tenant: &tenant,
            ledger_authored: prepared.ledger_authored,
            body,
            authority: prepared.authority,
        };
        let key = match self.state.decide(&command).and_then(|()| self.signing_key(body)) {
            Ok(key) => key,
            Err(denial) => return failed(denial.into()),
        };
        let offset = self.state.size();
        let chain = self.state.chain(&tenant).copied().unwrap_or_default();
        let pub_key = PublicKey::from(key.verifying_key());
        let place = Place {
            offset,
            seq: chain.length(),
            prev: chain.last(),
            ts,
            pub_key: &pub_key,
        };
        let stamped = prepared.draft.stamp(&place);
        self.state.evolve(&Fact {
            tenant: &tenant,
            hash: stamped.hash(),
            ts,
            body,
        });
        self.follow_rotation(body);
        if let Some(access) = self.changed_access(body) {
            batch.access = Some(access);
        }
        for key in std::iter::once(prepared.id_key).chain(prepared.guard_key) {
            self.pending.insert(key, offset);
            self.pending_order.push_back((offset, key));
        }
        batch.records.push(Sequenced {
            prepared,
            stamped,
            offset,
            seq: chain.length(),
            ts,
            key,
        });
        Verdict::Stamped(batch.records.len() - 1)
    }

    /// Offset of the record that this id or guard already stands for, and whether it was the guard.
    fn existing(&self, prepared: &Prepared, now: Timestamp) -> Result<Option<(u64, bool)>, crate::Error> {
        let known = |key: &Key| self.pending.get(key).copied();
        let by_id = match known(&prepared.id_key) {
            None => self.shared.store.id(&prepared.id_key)?,
            found => found,
        };
        if let Some(offset) = by_id {
            return Ok(Some((offset, false)));
        }
        let Some(guard_key) = &prepared.guard_key else {
            return Ok(None);
        };
        let by_guard = match known(guard_key) {
            None => self.shared.guard(guard_key, now)?,
            found => found,
        };
        Ok(by_guard.map(|offset| (offset, true)))
    }

    /// The key that signs a record: the one in force, or the one that a genesis brings.
    fn signing_key(&self, body: &Body) -> Result<Arc<SigningKey>, Denial> {
        let held = |text: &str| PublicKey::from_base64(text).and_then(|key| self.shared.signing_key(&key));
        match body {
            Body::Genesis(genesis) => held(&genesis.record_key).map(Arc::new).ok_or(Denial::RotationUnproven),
            // A rotation to a key that this ledger does not hold would leave it unable to sign.
            Body::KeyRotated(rotated) if held(&rotated.new).is_none() => Err(Denial::RotationUnproven),
            _ => self.key.clone().ok_or(Denial::GenesisMisplaced),
        }
    }

    fn follow_rotation(&mut self, body: &Body) {
        if matches!(body, Body::Genesis(_) | Body::KeyRotated(_)) {
            let keys = self.state.keys();
            self.key = keys
                .and_then(|keys| self.shared.signing_key(&keys.record))
                .map(Arc::new);
        }
    }

    /// Who may send commands behind a record that changes it.
    fn changed_access(&self, body: &Body) -> Option<Arc<Access>> {
        match body {
            Body::Genesis(_) | Body::KeyRotated(_) | Body::GatewayEnrolled(_) | Body::GatewayRevoked(_) => {
                Access::of(&self.state, |key| self.shared.signing_key(key)).map(Arc::new)
            }
            Body::Recovered(_) | Body::MapRoot(_) | Body::TenantCreated(_) | Body::Plain => None,
        }
    }

    /// Drops what the store answers by now.
    fn forget_committed(&mut self) {
        let committed = self.shared.committed_size();
        self.asked.forget(committed);
        while let Some((offset, key)) = self
            .pending_order
            .front()
            .copied()
            .filter(|(offset, _)| *offset < committed)
        {
            self.pending_order.pop_front();
            // A later record may use an expired guard's key again.
            if self.pending.get(&key) == Some(&offset) {
                self.pending.remove(&key);
            }
        }
    }
}

fn failed(error: ledger_client::Error) -> Verdict {
    Verdict::Decided(Outcome::Failed(error))
}

/// Takes what is waiting, up to one group commit; what does not fit any more comes first next time.
fn gather(first: Request, requests: &mut UnboundedReceiver<Message>) -> (Vec<Request>, Option<Message>) {
    let (mut records, mut bytes) = (first.records.len(), first.bytes);
    let mut group = vec![first];
    while records < BATCH_RECORDS && bytes < BATCH_BYTES {
        match requests.try_recv() {
            Ok(Message::Append(request)) => {
                records += request.records.len();
                bytes += request.bytes;
                if records > BATCH_RECORDS || bytes > BATCH_BYTES {
                    return (group, Some(Message::Append(request)));
                }
                group.push(request);
            }
            Ok(Message::Stop) => return (group, Some(Message::Stop)),
            Err(_) => break,
        }
    }
    (group, None)
}

//! The last stage of an append: trees, encryption, one fsynced batch, HEAD, and then the answers.
//!
//! Crash points, in order:
//! 1. before the batch commits: nothing of it is durable but perhaps new scope keys, which nobody uses; recovery sees the
//!    log as before.
//! 2. after the batch, before HEAD: the records are durable and unanswered; recovery finds the store ahead of HEAD, which
//!    is the normal case, and keeps them. A client that asks again gets the receipt.
//! 3. after HEAD, before the answers: the same, and HEAD agrees.

use crate::Error;
use crate::block;
use crate::cipher::RESERVED;
use crate::disclosure;
use crate::engine::{Outcome, Request, Shared, Tip};
use crate::guards::{Expiry, OnceKey};
use crate::head::HeadFile;
use crate::map::Growth;
use crate::probe::Step;
use crate::recent::Entry;
use crate::sequencer::{Batch, Verdict};
use crate::signer::{Signed, SignedBatch};
use crate::standing::GUARD_MICROS;
use crate::store::name;
use crate::timelines::Timelines;
use fjall::OwnedWriteBatch;
use ledger_client::{Committed, Receipt};
use record::RecordId;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use tlog::{Edge, FullTile};

/// How long the newest HEAD slot may stay unsynced.
const HEAD_SYNC: Duration = Duration::from_secs(1);

/// The committer's own state: nobody else may touch it.
pub(crate) struct Committer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) head: HeadFile,
    pub(crate) edge: Edge,
    pub(crate) timelines: Timelines,
    pub(crate) synced: Instant,
    /// Room for a block, used again from commit to commit.
    pub(crate) buffer: Vec<u8>,
    pub(crate) expiry: Expiry,
    /// What the map is told.
    pub(crate) growth: Growth,
}

impl Committer {
    /// Commits batches in order until no more come, then closes the log in order.
    pub(crate) fn run(mut self, batches: &Receiver<SignedBatch>) {
        loop {
            match batches.recv_timeout(HEAD_SYNC) {
                Ok(batch) => self.take(batch),
                Err(RecvTimeoutError::Timeout) => self.sync_head(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        if !self.shared.is_poisoned() {
            let closed = self.shared.store.flush().and_then(|()| self.head.close());
            if let Err(error) = closed {
                tracing::error!(%error, "the log was not closed in order; the next start checks it");
            }
        }
    }

    fn take(&mut self, (batch, records): SignedBatch) {
        if let Some(reason) = self.shared.poison() {
            let failure = Failure {
                reason: &reason,
                stamped: Durability::Untouched,
                known: Durability::Unknown,
                committed: self.shared.committed_size(),
            };
            return answer_failed(batch.waiting, &records, &failure);
        }
        let mut durable = Durability::Untouched;
        // Exported where spans are: one for each group commit, until everybody is answered.
        let _span =
            tracing::info_span!(target: "sigil::span", "commit", otel.kind = "internal", records = records.len());
        match self.commit(&records, &batch, &mut durable) {
            Ok(()) => {
                // Before anybody is answered: whoever was told of a revocation finds it in force.
                batch
                    .access
                    .into_iter()
                    .for_each(|access| self.shared.set_access(access));
                self.publish(&records);
                answer(batch.waiting, &records);
                self.growth.send(records);
            }
            Err(error) => {
                let reason = error.reason();
                tracing::error!(%reason, durability = ?durable, "a commit failed: the log is opened again before the next append");
                self.shared.set_poison(reason.clone());
                let failure = Failure {
                    reason: &reason,
                    stamped: durable,
                    known: durable,
                    committed: self.shared.committed_size(),
                };
                answer_failed(batch.waiting, &records, &failure);
            }
        }
        if self.synced.elapsed() >= HEAD_SYNC {
            self.sync_head();
        }
    }

    fn commit(&mut self, records: &[Signed], sequenced: &Batch, durable: &mut Durability) -> Result<(), Error> {
        let snapshot = sequenced.snapshot.as_deref();
        if records.is_empty() && snapshot.is_none() && sequenced.once.is_empty() {
            return Ok(());
        }
        let shared = Arc::clone(&self.shared);
        let mut batch = shared.store.batch();
        if !records.is_empty() {
            self.put_records(records, &mut batch)?;
        }
        self.put_once(&sequenced.once, &mut batch)?;
        if let Some(snapshot) = snapshot {
            let sealed = shared.seal("meta", name::SNAPSHOT.as_bytes(), snapshot)?;
            batch.insert(&shared.store.meta, name::SNAPSHOT, sealed);
        }
        batch.insert(&shared.store.meta, name::USES, shared.data_key_uses().to_be_bytes());
        shared.probe.at(Step::Commit)?;
        // From here on the outcome is unknown until the log is opened again: an error may have been applied.
        *durable = Durability::Unknown;
        batch.commit()?;
        shared.probe.at(Step::AfterCommit)?;
        if let Some(last) = records.last() {
            shared.probe.at(Step::Head)?;
            self.head.advance(last.offset + 1, last.hash)?;
        }
        Ok(())
    }

    /// Remembers requests until their time is over, and forgets those whose time is over.
    fn put_once(&mut self, once: &[OnceKey], batch: &mut OwnedWriteBatch) -> Result<(), Error> {
        for key in once {
            batch.insert(&self.shared.store.guards, key, []);
        }
        let now = self.shared.clock.read().wall;
        self.expiry.sweep(&self.shared.store, once.len(), now, batch)
    }

    fn put_records(&mut self, records: &[Signed], batch: &mut OwnedWriteBatch) -> Result<(), Error> {
        let Some(first) = records.first() else { return Ok(()) };
        let shared = Arc::clone(&self.shared);
        let store = &shared.store;
        let mut tiles = Vec::new();
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        buffer.extend_from_slice(&RESERVED);
        let mut block = block::Writer::behind(buffer);
        self.growth.begin();
        let mut completed = Vec::new();
        for record in records {
            self.edge.append(record.leaf, &mut tiles);
            self.growth.record(record, &self.edge);
            block.record(&record.bytes);
            for (at, key) in record.prepared.timeline_keys.iter().enumerate() {
                completed.clear();
                let position = self
                    .timelines
                    .append(store, *key, record.timeline_leaf, &mut completed)?;
                // The whole chain comes first, and its position is the record's `seq`: a frontier that a damaged table
                // hides must not begin anew.
                if at == 0 && position != record.seq {
                    let detail = format!("a chain of {} records has {position} leaves", record.seq);
                    return Err(Error::corrupt("keyspace heads", detail));
                }
                block.timeline(position);
                completed.iter().for_each(|node| block.node(node));
                self.growth.timeline(position, &completed);
            }
            batch.insert(&store.ids, record.prepared.id_key, record.offset.to_be_bytes());
            if let Some(guard) = record.prepared.guard_key {
                let expires = record.ts.micros() + GUARD_MICROS;
                batch.insert(
                    &store.guards,
                    guard,
                    [expires.to_be_bytes(), record.offset.to_be_bytes()].concat(),
                );
            }
        }
        let key = first.offset.to_be_bytes();
        self.buffer = block.finish();
        self.shared.seal_in_place("log", &key, &mut self.buffer)?;
        batch.insert(&store.log, key, self.buffer.as_slice());
        for (key, frontier) in self.timelines.take_changed() {
            self.growth.frontier(key, &frontier);
            batch.insert(&store.heads, key, frontier);
        }
        for FullTile { id, nodes } in tiles {
            batch.insert(
                &store.tree,
                id.key(),
                nodes.iter().flat_map(|node| *node.as_bytes()).collect::<Vec<u8>>(),
            );
        }
        self.put_disclosures(records, batch)?;
        let last = records.last().unwrap_or(first);
        let tip = Tip {
            size: last.offset + 1,
            hash: last.hash,
            root: *self.edge.root().as_bytes(),
            ts: last.ts,
        };
        batch.insert(&store.meta, name::TIP, tip.encode());
        self.shared.stage_tip(tip);
        self.timelines.trim();
        Ok(())
    }

    /// Encrypts the sealed values of the batch. New scope keys are durable before anything is stored under them.
    fn put_disclosures(&self, records: &[Signed], batch: &mut OwnedWriteBatch) -> Result<(), Error> {
        if records.iter().all(|record| record.prepared.scopes.is_empty()) {
            return Ok(());
        }
        let mut scopes = self.shared.scopes();
        for record in records {
            let prepared = &record.prepared;
            let found = prepared.scopes.iter().map(|scope| {
                scopes.find_or_create(*scope, record.offset, |place, key| {
                    self.shared.seal("scopes", place, key)
                })
            });
            let keys = found.collect::<Result<Vec<_>, Error>>()?;
            let cipher = disclosure::cipher(&self.shared.preparer.log, &keys);
            for opening in prepared.draft.openings() {
                let draft = &prepared.draft;
                let key = self
                    .shared
                    .preparer
                    .index
                    .disclosure(draft.tenant(), draft.id(), &opening.pointer);
                batch.insert(
                    &self.shared.store.disclosures,
                    key,
                    disclosure::seal(&cipher, &key, opening)?,
                );
            }
        }
        self.shared.probe.at(Step::Scopes)?;
        scopes.sync()
    }

    fn publish(&self, records: &[Signed]) {
        if records.is_empty() {
            return;
        }
        self.shared.recent.extend(records.iter().map(|record| Entry {
            offset: record.offset,
            bytes: Arc::clone(&record.bytes),
            trace: record.prepared.trace.clone(),
        }));
        self.shared.publish_tip();
    }

    fn sync_head(&mut self) {
        self.synced = Instant::now();
        if let Err(error) = self.head.sync() {
            tracing::error!(%error, "HEAD could not be synced");
            self.shared.set_poison(error.reason());
        }
    }
}

/// What is known about a batch whose commit failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Durability {
    /// Nothing of it was written.
    Untouched,
    /// It may have been written.
    Unknown,
}

fn answer(waiting: Vec<(Request, Vec<Verdict>)>, records: &[Signed]) {
    for (request, verdicts) in waiting {
        let outcome = |verdict| match verdict {
            Verdict::Decided(outcome) => outcome,
            Verdict::Noted => Outcome::Noted,
            Verdict::Stamped(at) => records
                .get(at)
                .map_or(Outcome::Failed(lost()), |record| Outcome::New(receipt(record))),
        };
        // The client may have gone; the records stay.
        let _gone = request.reply.send(verdicts.into_iter().map(outcome).collect());
    }
}

/// What is known about the records of a batch that is not committed.
struct Failure<'a> {
    reason: &'a str,
    /// The batch's own records.
    stamped: Durability,
    /// Earlier records that are not published: they lie in this batch or in one that failed before it.
    known: Durability,
    /// Number of records that are published.
    committed: u64,
}

impl Failure<'_> {
    fn of(&self, durability: Durability, id: RecordId) -> Outcome {
        let reason = self.reason.to_owned();
        Outcome::Failed(match durability {
            Durability::Unknown => ledger_client::Error::CommitUnknown { id, reason },
            Durability::Untouched => ledger_client::Error::Unavailable { reason },
        })
    }
}

fn answer_failed(waiting: Vec<(Request, Vec<Verdict>)>, records: &[Signed], failure: &Failure<'_>) {
    for (request, verdicts) in waiting {
        let outcome = |verdict| match verdict {
            Verdict::Decided(Outcome::Existing { offset, draft, .. }) if offset >= failure.committed => {
                failure.of(failure.known, *draft.id())
            }
            // It was denied by a state that holds records of failed batches.
            Verdict::Decided(Outcome::Failed(ledger_client::Error::Denied(_))) => {
                Outcome::Failed(ledger_client::Error::Unavailable {
                    reason: failure.reason.to_owned(),
                })
            }
            Verdict::Decided(outcome) => outcome,
            Verdict::Noted => Outcome::Failed(ledger_client::Error::Unavailable {
                reason: failure.reason.to_owned(),
            }),
            Verdict::Stamped(at) => match records.get(at) {
                Some(record) => failure.of(failure.stamped, *record.prepared.draft.id()),
                None => Outcome::Failed(ledger_client::Error::Unavailable {
                    reason: failure.reason.to_owned(),
                }),
            },
        };
        let _gone = request.reply.send(verdicts.into_iter().map(outcome).collect());
    }
}

fn receipt(record: &Signed) -> Receipt {
    Receipt {
        committed: Committed {
            offset: record.offset,
            bytes: Arc::clone(&record.bytes),
        },
        id: *record.prepared.draft.id(),
        hash: record.hash,
        replayed: false,
        sealed_unchecked: false,
        published: false,
    }
}

fn lost() -> ledger_client::Error {
    ledger_client::Error::Corrupt("a verdict names a record that is not in its batch".to_owned())
}

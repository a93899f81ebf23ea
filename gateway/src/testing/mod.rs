//! A ledger and a read model in memory for the tests and the example: records are really sealed, decided, stamped,
//! chained, hashed and signed; only durability is missing.
//!
//! Faults can be put in: the next failure of either side, a ledger that never answers, a read model that lags.

mod notary;
mod queries;

use domain::state::{Authority, Body, Command, Fact};
use domain::{Catalogue, State};
use ed25519_dalek::SigningKey;
use ledger_client::proof::{Answer, Question, SignedCheckpoint};
use ledger_client::{Append, Committed, Error, Guard, Head, LedgerClient, Pending, Receipt, Report};
use record::{Auth, Author, Draft, Hash, Kind, Link, NewRecord, Opening, Origin, PublicKey, Record, RecordId, Space};
use record::{Tenant, Timestamp};
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::watch;

/// Sequencing time of the first record; each following one is a second later.
const FIRST_TS: &str = "2026-11-20T12:00:00.000000Z";

/// A ledger and read model over the same records.
pub struct Memory {
    catalogue: Catalogue,
    key: SigningKey,
    log: Origin,
    inner: Mutex<Inner>,
    committed: watch::Sender<u64>,
    /// Records that the read model has not applied.
    pub lag: AtomicU64,
    /// Records of every tenant that the read model says are parked.
    pub parked: AtomicU64,
    /// The ledger never answers a write.
    pub hangs: AtomicBool,
    /// A read of the read model panics.
    pub panics: AtomicBool,
    /// What the next requests to the ledger fail with.
    pub ledger_failures: Mutex<VecDeque<Error>>,
    /// What the next requests to the read model fail with.
    pub query_failures: Mutex<VecDeque<projector::Error>>,
    /// Bytes that the read model gives for every record in place of its own.
    pub forged: Mutex<Option<Vec<u8>>>,
    /// Offsets of records that the read model has lost.
    pub lost: Mutex<Vec<u64>>,
    /// Offsets and labels of links that the read model has lost.
    pub unlinked: Mutex<Vec<(u64, &'static str)>>,
    /// The ledger signs no checkpoints.
    pub unsigned: AtomicBool,
    /// The ledger asks no witnesses.
    pub unwatched: AtomicBool,
    /// Oldest first.
    checkpoints: Mutex<Vec<SignedCheckpoint>>,
    /// Number of changes of `checkpoints`.
    newest: watch::Sender<u64>,
}

struct Inner {
    state: State,
    entries: Vec<Entry>,
    guards: HashMap<(String, String), (RecordId, Value)>,
}

struct Entry {
    record: Record,
    asked: NewRecord,
    openings: Vec<Opening>,
}

impl Memory {
    /// A log with its genesis and the tenant `default`.
    pub fn new() -> Arc<Self> {
        let log = Origin::parse("example.com/audit").unwrap();
        let memory = Self {
            catalogue: Catalogue::builtin(),
            key: SigningKey::from_bytes(&[42; 32]),
            inner: Mutex::new(Inner {
                state: State::new(log.clone()),
                entries: Vec::new(),
                guards: HashMap::new(),
            }),
            log,
            committed: watch::Sender::new(0),
            lag: AtomicU64::new(0),
            parked: AtomicU64::new(0),
            hangs: AtomicBool::new(false),
            panics: AtomicBool::new(false),
            ledger_failures: Mutex::default(),
            query_failures: Mutex::default(),
            forged: Mutex::new(None),
            lost: Mutex::default(),
            unlinked: Mutex::default(),
            unsigned: AtomicBool::new(false),
            unwatched: AtomicBool::new(false),
            checkpoints: Mutex::default(),
            newest: watch::Sender::new(0),
        };
        let other = |seed: u8| PublicKey::from(SigningKey::from_bytes(&[seed; 32]).verifying_key()).to_base64();
        let genesis = json!({
            "format_version": 1, "slug": "test", "record_key": memory.public_key().to_base64(),
            "checkpoint_key": other(43), "root_key": other(44),
        });
        memory.write_own(Tenant::ledger(), "ledger.genesis", genesis).unwrap();
        let created = json!({"tenant": "default", "name": "Default"});
        memory
            .write_own(Tenant::parse("default").unwrap(), "tenant.created", created)
            .unwrap();
        Arc::new(memory)
    }

    /// The log's record key.
    pub fn public_key(&self) -> PublicKey {
        self.key.verifying_key().into()
    }

    /// Number of committed records.
    pub fn size(&self) -> u64 {
        *self.committed.borrow()
    }

    /// All records of the log.
    pub fn records(&self) -> Vec<Record> {
        self.lock().entries.iter().map(|entry| entry.record.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    fn write_own(&self, tenant: Tenant, kind: &str, payload: Value) -> Result<Receipt, Error> {
        let links = vec![Link::new("subject", format!("tenant:{tenant}"))?];
        self.write_linked(tenant, kind, payload, links)
    }

    fn write_linked(&self, tenant: Tenant, kind: &str, payload: Value, links: Vec<Link>) -> Result<Receipt, Error> {
        let mut id = [0; 10];
        id[..8].copy_from_slice(&self.size().to_be_bytes());
        let record = NewRecord {
            tenant,
            kind: Kind::parse(kind).unwrap(),
            schema_version: 1,
            id: RecordId::new(1_763_640_000_000 + self.size(), id),
            space: Space::System,
            author: Author::new("ledger:self", Auth::Ledger),
            payload,
            links,
            disclosures: Vec::new(),
        };
        self.write(record, None, Authority::Ledger)
    }

    fn write(&self, asked: NewRecord, guard: Option<Guard>, authority: Authority) -> Result<Receipt, Error> {
        let mut inner = self.lock();
        let before = inner
            .entries
            .iter()
            .find(|entry| entry.asked.tenant == asked.tenant && entry.asked.id == asked.id);
        if let Some(before) = before {
            let offset = before.record.offset;
            let same = before.asked == asked;
            return if same {
                Ok(receipt(&before.record, true))
            } else {
                Err(Error::IdConflict { id: asked.id, offset })
            };
        }
        if let Some(guard) = &guard
            && let Some((id, content)) = inner.guards.get(&(guard.caller.clone(), guard.key.clone()))
        {
            let entry = inner.entries.iter().find(|entry| entry.asked.id == *id).unwrap();
            let offset = entry.record.offset;
            return if *content == asked.payload {
                Ok(receipt(&entry.record, true))
            } else {
                Err(Error::IdempotencyConflict { offset })
            };
        }
        let record = self.commit(&mut inner, asked.clone(), authority)?;
        if let Some(guard) = guard {
            inner
                .guards
                .insert((guard.caller, guard.key), (asked.id, asked.payload));
        }
        Ok(receipt(&record, false))
    }

    fn commit(&self, inner: &mut Inner, asked: NewRecord, authority: Authority) -> Result<Record, Error> {
        let spec = self.catalogue.find(&asked.kind, asked.schema_version)?;
        let faults = spec.check_intake(&asked.payload);
        if !faults.is_empty() {
            return Err(Error::Refused(faults));
        }
        let body =
            Body::read(&asked.kind, asked.schema_version, &asked.payload).expect("the payload passed its schema");
        inner.state.decide(&Command {
            tenant: &asked.tenant,
            ledger_authored: spec.ledger_authored,
            body: &body,
            authority,
        })?;
        self.sign_and_keep(inner, asked, &spec.sealed, &body)
    }

    /// The map over the records so far, by the ledger. No state depends on it.
    fn write_map_root(&self, payload: Value) {
        let mut id = [7; 10];
        id[..8].copy_from_slice(&self.size().to_be_bytes());
        let record = NewRecord {
            tenant: Tenant::ledger(),
            kind: Kind::parse("ledger.map_root").unwrap(),
            schema_version: 1,
            id: RecordId::new(1_763_640_000_000 + self.size(), id),
            space: Space::System,
            author: Author::new("ledger:self", Auth::Ledger),
            payload,
            links: Vec::new(),
            disclosures: Vec::new(),
        };
        self.sign_and_keep(&mut self.lock(), record, &[], &Body::Plain).unwrap();
    }

    fn sign_and_keep(
        &self,
        inner: &mut Inner,
        asked: NewRecord,
        sealable: &[&str],
        body: &Body,
    ) -> Result<Record, Error> {
        let offset = inner.state.size();
        let salt = || Ok::<_, Error>(*Hash::of(&offset.to_be_bytes()).as_bytes());
        let sealed = asked.clone().seal(&self.log, sealable, salt)?;
        let openings = sealed.openings().to_vec();
        let draft = Draft::new(&self.log, sealed, &[])?;
        let chain = inner.state.chain(&asked.tenant);
        let prev = chain.map(|_| self.last(inner, &asked.tenant));
        let seq = inner
            .entries
            .iter()
            .filter(|entry| entry.record.tenant == asked.tenant)
            .count() as u64;
        let first = Timestamp::parse(FIRST_TS).unwrap().micros();
        let ts = Timestamp::from_micros(first + i64::try_from(offset).unwrap() * 1_000_000).unwrap();
        let stamped = draft.stamp(&record::Place {
            offset,
            seq,
            prev: prev.as_ref(),
            ts,
            pub_key: &self.public_key(),
        });
        let record = Record::parse(stamped.sign(&self.key))?;
        inner.state.evolve(&Fact {
            tenant: &record.tenant,
            hash: &record.hash,
            ts,
            body,
        });
        inner.entries.push(Entry {
            record: record.clone(),
            asked,
            openings,
        });
        self.committed.send_replace(offset + 1);
        Ok(record)
    }

    fn last(&self, inner: &Inner, tenant: &Tenant) -> Hash {
        let mut of_tenant = inner.entries.iter().filter(|entry| entry.record.tenant == *tenant);
        of_tenant
            .next_back()
            .map(|entry| entry.record.hash)
            .expect("the chain has a record")
    }

    fn ledger_failure(&self) -> Result<(), Error> {
        self.ledger_failures.lock().unwrap().pop_front().map_or(Ok(()), Err)
    }
}

fn receipt(record: &Record, replayed: bool) -> Receipt {
    Receipt {
        committed: Committed {
            offset: record.offset,
            bytes: record.bytes().into(),
        },
        id: record.id,
        hash: record.hash,
        replayed,
        sealed_unchecked: false,
        published: false,
    }
}

impl LedgerClient for Memory {
    fn append(&self, append: Append) -> Pending<'_, Receipt> {
        Box::pin(async move {
            if self.hangs.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
            self.ledger_failure()?;
            self.write(append.record, append.guard, Authority::Caller)
        })
    }

    fn append_many(&self, records: Vec<NewRecord>) -> Pending<'_, Vec<Result<Receipt, Error>>> {
        Box::pin(async move {
            if self.hangs.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
            self.ledger_failure()?;
            Ok(records
                .into_iter()
                .map(|record| self.write(record, None, Authority::Caller))
                .collect())
        })
    }

    fn create_tenant(&self, tenant: Tenant, name: String) -> Pending<'_, Receipt> {
        Box::pin(async move {
            let payload = json!({"tenant": tenant.as_str(), "name": name});
            self.ledger_failure()?;
            self.write_own(tenant, "tenant.created", payload)
        })
    }

    fn report(&self, report: Report) -> Pending<'_, Receipt> {
        Box::pin(async move {
            self.ledger_failure()?;
            let payload = report.payload().expect("a report is JSON");
            self.write_linked(Tenant::ledger(), report.kind(), payload, report.links()?)
        })
    }

    fn head(&self) -> Pending<'_, Head> {
        Box::pin(async move {
            self.ledger_failure()?;
            let last = self.records().pop();
            Ok(Head {
                log: self.log.clone(),
                size: self.size(),
                hash: last.as_ref().map(|record| record.hash),
                root: [0xab; 32],
                ts: last.map(|record| record.ts),
            })
        })
    }

    fn read(&self, from: u64, limit: usize) -> Pending<'_, Vec<Committed>> {
        Box::pin(async move {
            let records = self.records().into_iter().filter(|record| record.offset >= from);
            Ok(records
                .take(limit)
                .map(|record| receipt(&record, false).committed)
                .collect())
        })
    }

    fn find(&self, tenant: Tenant, id: RecordId) -> Pending<'_, Option<Committed>> {
        Box::pin(async move {
            self.ledger_failure()?;
            let found = self
                .records()
                .into_iter()
                .find(|record| record.tenant == tenant && record.id == id);
            Ok(found.map(|record| receipt(&record, false).committed))
        })
    }

    fn open_sealed(&self, tenant: Tenant, id: RecordId) -> Pending<'_, Option<Vec<Opening>>> {
        Box::pin(async move {
            self.ledger_failure()?;
            let inner = self.lock();
            let found = inner
                .entries
                .iter()
                .find(|entry| entry.asked.tenant == tenant && entry.asked.id == id);
            Ok(found.map(|entry| entry.openings.clone()))
        })
    }

    fn prove(&self, question: Question) -> Pending<'_, Answer> {
        self.answer(question)
    }

    fn committed(&self) -> watch::Receiver<u64> {
        self.committed.subscribe()
    }
}

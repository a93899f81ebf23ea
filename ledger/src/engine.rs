//! One opened log: its threads, and what they share.
//!
//! An engine lives from opening to closing or to the first failed commit. A failed one still reads; it is replaced as a
//! whole, because only recovery knows what is on the disk.

use crate::access::Access;
use crate::block::StoredRecord;
use crate::blocks::Blocks;
use crate::checkpoint::{self, Announced, Checkpoints};
use crate::cipher::Cipher;
use crate::clock::Clock;
use crate::committer::Committer;
use crate::guards::{Expiry, OnceKey};
use crate::handle::Config;
use crate::index::Key;
use crate::keyring::Keyring;
use crate::map::{Growth, Start, Teller, Worker, notes};
use crate::prepare::{Prepared, Preparer};
use crate::probe::Probe;
use crate::proofs::Tiles;
use crate::recent::Recent;
use crate::recovery::{Decoder, Recovered, recover};
use crate::scopes::Scopes;
use crate::sequencer::Sequencer;
use crate::standing::Standing;
use crate::store::Store;
use crate::timelines::Timelines;
use crate::{Error, signer, store};
use ed25519_dalek::SigningKey;
use ledger_client::Receipt;
use record::{Draft, Hash, PublicKey, Timestamp};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Instant;
use tokio::sync::{mpsc, oneshot, watch};

/// Batches waiting between two stages: none. A stage hands over when the next one is free, so that batches grow under load
/// and each fsync serves more of them.
const STAGE_DEPTH: usize = 0;

/// What the sequencer receives.
pub(crate) enum Message {
    /// Records to append.
    Append(Request),
    /// Finish what was received and close the log.
    Stop,
}

/// Records of one caller, with a place for the answers. Never split over two commits.
pub(crate) struct Request {
    pub(crate) records: Vec<Prepared>,
    pub(crate) bytes: usize,
    /// What must not have been asked for before; remembered in the commit that carries it out.
    pub(crate) once: Option<OnceKey>,
    pub(crate) reply: oneshot::Sender<Vec<Outcome>>,
}

/// What became of one record.
pub(crate) enum Outcome {
    /// It is committed.
    New(Receipt),
    /// The id or the guard stands for the record at this offset, which is committed.
    Existing {
        /// Where the record is.
        offset: u64,
        /// Whether the guard led there, not the id.
        by_guard: bool,
        /// What was asked for now, to be compared.
        draft: Box<Draft>,
    },
    /// The request had no record; that it was made is durable.
    Noted,
    /// It is not committed, or that is unknown.
    Failed(ledger_client::Error),
}

/// The end of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tip {
    pub(crate) size: u64,
    pub(crate) hash: Hash,
    pub(crate) root: [u8; 32],
    pub(crate) ts: Timestamp,
}

impl Tip {
    pub(crate) fn encode(&self) -> Vec<u8> {
        [
            &self.size.to_be_bytes()[..],
            self.hash.as_bytes(),
            &self.root,
            &self.ts.micros().to_be_bytes(),
        ]
        .concat()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (size, rest) = bytes.split_first_chunk::<8>()?;
        let (hash, rest) = rest.split_first_chunk::<32>()?;
        let (root, ts) = rest.split_first_chunk::<32>()?;
        let ts = Timestamp::from_micros(i64::from_be_bytes(ts.try_into().ok()?))?;
        Some(Self {
            size: u64::from_be_bytes(*size),
            hash: Hash::from(*hash),
            root: *root,
            ts,
        })
    }
}

/// What the threads of an engine and its readers share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) preparer: Arc<Preparer>,
    pub(crate) store: Store,
    pub(crate) standing: Standing,
    pub(crate) recent: Recent,
    blocks: Blocks,
    pub(crate) tiles: Tiles,
    pub(crate) checkpoints: Checkpoints,
    /// Records that the log's stream has acknowledged; `None` where no stream is configured.
    pub(crate) published: watch::Sender<Option<u64>>,
    pub(crate) probe: Probe,
    ciphers: Vec<Cipher>,
    data_key_uses: AtomicU64,
    keyring: Mutex<Keyring>,
    scopes: Mutex<Scopes>,
    /// The tip of the batch being committed, and the published one.
    staged: Mutex<Option<Tip>>,
    tip: RwLock<Option<Tip>>,
    access: RwLock<Option<Arc<Access>>>,
    committed: watch::Sender<u64>,
    poison: OnceLock<String>,
}

/// The map's thread, with what tells it of commits.
type MapThread = (Teller, JoinHandle<()>);

/// An opened log with its threads.
pub(crate) struct Engine {
    pub(crate) shared: Arc<Shared>,
    requests: mpsc::UnboundedSender<Message>,
    /// The map's thread, when a map is kept; it ends first, because its last work is an append.
    map: Mutex<Option<MapThread>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What an engine is opened with.
pub(crate) struct Opening {
    pub(crate) config: Config,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) preparer: Arc<Preparer>,
    pub(crate) keyring: Keyring,
    pub(crate) committed: watch::Sender<u64>,
    pub(crate) published: watch::Sender<Option<u64>>,
    pub(crate) announced: Announced,
    pub(crate) probe: Probe,
}

impl Engine {
    /// Recovers the log and starts its threads.
    pub(crate) fn open(opening: Opening) -> Result<Self, Error> {
        let Opening {
            config,
            clock,
            preparer,
            mut keyring,
            committed,
            published: stream,
            announced,
            probe,
        } = opening;
        let Recovered {
            store,
            head,
            state,
            edge,
            tip,
            uses,
        } = recover(&config, &keyring)?;
        if uses >= config.data_key_values {
            keyring.secrets.add_data_key()?;
            keyring.store()?;
        }
        let uses = if uses >= config.data_key_values { 0 } else { uses };
        let ciphers = keyring.ciphers();
        let scopes = Scopes::open(&config.scopes_path(), &ciphers, true)?;
        if !scopes.damaged().is_empty() {
            tracing::error!(slots = ?scopes.damaged(), "scope keys are damaged: their sealed values cannot be opened");
        }
        hold_against_read(*committed.borrow(), state.size())?;
        committed.send_replace(state.size());
        let named = state.map_size();
        let access = Access::of(&state, |key| keyring.secrets.signing_key(key)).map(Arc::new);
        let shared = Arc::new(Shared {
            standing: Standing::read(&store)?,
            recent: Recent::default(),
            blocks: Blocks::default(),
            tiles: Tiles::default(),
            checkpoints: Checkpoints::new(announced),
            published: stream,
            data_key_uses: AtomicU64::new(uses),
            keyring: Mutex::new(keyring),
            scopes: Mutex::new(scopes),
            staged: Mutex::new(None),
            tip: RwLock::new(tip),
            access: RwLock::new(access),
            poison: OnceLock::new(),
            config,
            clock,
            preparer,
            store,
            probe,
            ciphers,
            committed,
        });
        store::guarded(|| checkpoint::hold_against_signed(&shared))?;
        let sequencer = Sequencer::new(Arc::clone(&shared), state, &*shared.clock);
        let committer = Committer {
            shared: Arc::clone(&shared),
            head,
            edge,
            timelines: Timelines::default(),
            synced: Instant::now(),
            buffer: Vec::new(),
            expiry: Expiry::default(),
            growth: Growth::default(),
        };
        Self::start(shared, sequencer, committer, named)
    }

    fn start(shared: Arc<Shared>, sequencer: Sequencer, mut committer: Committer, named: u64) -> Result<Self, Error> {
        let (requests, received) = mpsc::unbounded_channel();
        let map = start_map(&shared, &requests, named)?;
        committer.growth = Growth::to(map.as_ref().map(|(teller, _)| teller.clone()));
        let (stamped, to_sign) = sync_channel(STAGE_DEPTH);
        let (signed, to_commit) = sync_channel(STAGE_DEPTH);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(shared.config.signers)
            .thread_name(|n| format!("sigil-sign-{n}"));
        let pool = pool.build().map_err(|error| Error::Store(error.to_string()))?;
        let threads = vec![
            spawn("sigil-sequence", &shared, move || sequencer.run(received, &stamped))?,
            spawn("sigil-signer", &shared, move || signer::run(&pool, &to_sign, &signed))?,
            spawn("sigil-commit", &shared, move || committer.run(&to_commit))?,
        ];
        Ok(Self {
            shared,
            requests,
            map: Mutex::new(map),
            threads: Mutex::new(threads),
        })
    }

    /// Hands a request to the sequencer; gives it back when the engine has stopped.
    pub(crate) fn send(&self, request: Request) -> Result<(), Request> {
        self.requests
            .send(Message::Append(request))
            .map_err(|refused| match refused.0 {
                Message::Append(request) => request,
                Message::Stop => unreachable!("an append was sent"),
            })
    }

    /// Commits what was received, closes the log, and waits for the threads to end.
    pub(crate) fn stop(&self) {
        let map = self.map.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((teller, thread)) = map {
            // It may have ended already, after a failure.
            let _ended = teller.close();
            join(thread);
        }
        // The sequencer may have ended already, after a failed commit.
        let _ended = self.requests.send(Message::Stop);
        for thread in self.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            join(thread);
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop();
    }
}

fn join(thread: JoinHandle<()>) {
    if thread.join().is_err() {
        tracing::error!("a thread of the ledger panicked");
    }
}

/// Refuses a log that ends before what was read of it, when it is opened again.
fn hold_against_read(expected: u64, found: u64) -> Result<(), Error> {
    if found >= expected {
        return Ok(());
    }
    Err(Error::LogBehind {
        expected,
        found,
        detail: "records that were read before are missing: restore a backup".to_owned(),
    })
}

/// Starts the map's thread, where checkpoints are made. `named`: number of records that the newest map root covers.
fn start_map(
    shared: &Arc<Shared>,
    requests: &mpsc::UnboundedSender<Message>,
    named: u64,
) -> Result<Option<MapThread>, Error> {
    let Some(config) = &shared.config.checkpoints else {
        return Ok(None);
    };
    let (teller, told) = notes(config.waiting);
    let worker = Worker::new(Start {
        shared: Arc::clone(shared),
        notes: told,
        requests: requests.clone(),
        interval: config.interval,
        named,
    });
    Ok(Some((teller, spawn("sigil-map", shared, move || worker.run())?)))
}

/// Takes the engine out of service when its thread panics: it is replaced, as after a failed commit.
struct PoisonOnPanic(Arc<Shared>);

impl Drop for PoisonOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.set_poison("a thread of the ledger panicked".to_owned());
        }
    }
}

fn spawn(name: &str, shared: &Arc<Shared>, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Error> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    let guard = PoisonOnPanic(Arc::clone(shared));
    let guarded = move || {
        let _guard = guard;
        run();
    };
    thread
        .spawn(guarded)
        .map_err(|error| Error::Store(format!("a thread could not be started: {error}")))
}

impl Shared {
    /// Encrypts a value under the current data key and counts it.
    pub(crate) fn seal(&self, keyspace: &str, key: &[u8], value: &[u8]) -> Result<Vec<u8>, Error> {
        self.data_key_uses.fetch_add(1, Ordering::Relaxed);
        self.cipher().seal(keyspace, key, value)
    }

    /// Encrypts what stands behind [`crate::cipher::RESERVED`] in `buffer` under the current data key, and counts it.
    pub(crate) fn seal_in_place(&self, keyspace: &str, key: &[u8], buffer: &mut Vec<u8>) -> Result<(), Error> {
        self.data_key_uses.fetch_add(1, Ordering::Relaxed);
        self.cipher().seal_in_place(keyspace, key, buffer)
    }

    /// The bytes of the record at `offset`, from a block in memory when one has it.
    pub(crate) fn record(&self, offset: u64) -> Result<Option<Arc<[u8]>>, Error> {
        Ok(self.stored(offset)?.map(|stored| Arc::clone(&stored.bytes)))
    }

    /// The record at `offset` with its places in its timelines, from a block in memory when one has it.
    pub(crate) fn stored(&self, offset: u64) -> Result<Option<Arc<StoredRecord>>, Error> {
        if let Some(stored) = self.blocks.find(offset) {
            return Ok(Some(stored));
        }
        let Some((first, sealed)) = self.store.block_at(offset)? else {
            return Ok(None);
        };
        self.blocks.keep(first, self.decoder().block(first, &sealed)?);
        Ok(self.blocks.find(offset))
    }

    /// What decrypts the store.
    pub(crate) fn decoder(&self) -> Decoder<'_> {
        Decoder {
            store: &self.store,
            ciphers: &self.ciphers,
        }
    }

    /// The cipher of the current data key.
    pub(crate) fn cipher(&self) -> &Cipher {
        self.ciphers.last().expect("a keyring has at least one data key")
    }

    /// Values that the current data key has encrypted.
    pub(crate) fn data_key_uses(&self) -> u64 {
        self.data_key_uses.load(Ordering::Relaxed)
    }

    /// The secret half of a public key, when this ledger holds it.
    pub(crate) fn signing_key(&self, key: &PublicKey) -> Option<SigningKey> {
        self.keyring().secrets.signing_key(key)
    }

    pub(crate) fn keyring(&self) -> MutexGuard<'_, Keyring> {
        self.keyring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn scopes(&self) -> MutexGuard<'_, Scopes> {
        self.scopes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The offset that a guard stands for, unless it has expired.
    pub(crate) fn guard(&self, key: &Key, now: Timestamp) -> Result<Option<u64>, Error> {
        let Some(value) = self.store.guards.get(key)? else {
            return Ok(None);
        };
        let (expires, offset) = value
            .split_at_checked(8)
            .ok_or_else(|| Error::corrupt("keyspace guards", "a guard is too short"))?;
        let expires = store::read_u64("guards", expires)?;
        let live = u64::try_from(now.micros()).is_ok_and(|now| now < expires);
        Ok(if live {
            Some(store::read_u64("guards", offset)?)
        } else {
            None
        })
    }

    /// Whether this was asked for before, in a request whose time is not over.
    pub(crate) fn knows(&self, once: &OnceKey) -> Result<bool, Error> {
        Ok(self.store.guards.contains_key(once)?)
    }

    /// Who may send commands, as of the published end of the log; `None` before genesis.
    pub(crate) fn access(&self) -> Option<Arc<Access>> {
        self.access.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_access(&self, access: Arc<Access>) {
        *self.access.write().unwrap_or_else(PoisonError::into_inner) = Some(access);
    }

    /// Why nothing is written any more; `None` while all is well.
    pub(crate) fn poison(&self) -> Option<String> {
        self.poison.get().cloned()
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.poison.get().is_some()
    }

    pub(crate) fn set_poison(&self, reason: String) {
        // The first reason counts.
        let _later = self.poison.set(reason);
    }

    /// The published end of the log; `None` when it is empty.
    pub(crate) fn tip(&self) -> Option<Tip> {
        *self.tip.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Number of records that are durable and published.
    pub(crate) fn committed_size(&self) -> u64 {
        self.tip().map_or(0, |tip| tip.size)
    }

    pub(crate) fn stage_tip(&self, tip: Tip) {
        *self.staged.lock().unwrap_or_else(PoisonError::into_inner) = Some(tip);
    }

    /// Publishes the staged tip; its batch is durable.
    pub(crate) fn publish_tip(&self) {
        let staged = self.staged.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(tip) = staged {
            *self.tip.write().unwrap_or_else(PoisonError::into_inner) = Some(tip);
            self.committed.send_replace(tip.size);
        }
    }
}

//! Timelines, proven by a ledger that signs checkpoints and checked with nothing but `tlog`: records, then their timeline,
//! the tenant's map, the top map, the map's record, the log's tree, the signed note.

use crate::files::copy_dir;
use crate::log::{Log, all, append, event, tenant};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ledger::{CheckpointConfig, Clock, Config, Handle, Reading, SystemClock};
use ledger_client::proof::{Answer, MapPath, Question, SignedCheckpoint, Stretch, TimelineProof, Unprovable};
use ledger_client::{Error, LedgerClient as _, Refusal};
use record::{Hash, Link, PublicKey, Record, Timestamp};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tlog::{
    CheckpointText, KeyType, MapKey, MapLeaf, MapProof, Node, VerifierKey, hash_leaf, log_entry, timeline_entry,
    verify_consistency, verify_inclusion, verify_range,
};

const PATIENCE: Duration = Duration::from_secs(60);

fn proving(log: &Log) -> Config {
    let mut checkpoints = CheckpointConfig::new();
    checkpoints.interval = Duration::from_millis(20);
    Config {
        checkpoints: Some(checkpoints),
        ..log.config()
    }
}

/// The first checkpoint whose map covers so many records.
async fn covered(handle: &Handle, size: u64) -> SignedCheckpoint {
    let mut checkpoints = handle.checkpoints();
    let covers = |newest: &Option<Arc<SignedCheckpoint>>| newest.as_ref().is_some_and(|newest| newest.map_size >= size);
    let found = tokio::time::timeout(PATIENCE, checkpoints.wait_for(covers)).await;
    let found = found.expect("in time").expect("is kept current").clone();
    SignedCheckpoint::clone(&found.expect("there is one"))
}

fn timeline(name: &Name, at_most: u64, stretch: Option<(u64, u64)>) -> Question {
    Question::Timeline {
        tenant: name.0.clone(),
        label: name.1.clone(),
        target: name.2.clone(),
        at_most,
        stretch: stretch.map(|(first, last)| Stretch { first, last }),
    }
}

async fn ask(handle: &Handle, question: Question) -> TimelineProof {
    match handle.prove(question.clone()).await.expect("answers") {
        Answer::Timeline(proof) => *proof,
        other => panic!("{question:?}: {other:?}"),
    }
}

async fn unprovable(handle: &Handle, question: Question) -> Unprovable {
    match handle.prove(question.clone()).await.expect("answers") {
        Answer::Unprovable(reason) => reason,
        other => panic!("{question:?}: {other:?}"),
    }
}

fn node(text: &str) -> Node {
    let bytes: [u8; 32] = STANDARD.decode(text).expect("base64").try_into().expect("32 bytes");
    Node::from(bytes)
}

fn nodes(texts: &[String]) -> Vec<Node> {
    texts.iter().map(|text| node(text)).collect()
}

fn way(path: &MapPath, key: MapKey) -> MapProof {
    let leaf = |end: &ledger_client::proof::MapEnd| MapLeaf {
        key: end.key.as_ref().map_or(key, |key| {
            let bytes: [u8; 32] = hex::decode(key).expect("hex").try_into().expect("32 bytes");
            MapKey::from(bytes)
        }),
        count: end.count,
        root: node(&end.root),
    };
    MapProof {
        siblings: nodes(&path.siblings),
        end: path.end.as_ref().map(leaf),
    }
}

/// Tenant, label, target; the whole chain has the last two empty.
type Name = (String, String, String);

fn name(tenant: &str, label: &str, target: &str) -> Name {
    (tenant.to_owned(), label.to_owned(), target.to_owned())
}

/// Every timeline of the records, by itself.
fn timelines(records: &[Record]) -> BTreeMap<Name, Vec<&Record>> {
    let mut timelines: BTreeMap<Name, Vec<&Record>> = BTreeMap::new();
    for record in records {
        let linked = record.links.iter().filter(|link| link.has_timeline());
        let linked = linked.map(|link| (link.label(), link.target()));
        for (label, target) in [("", ""), ("kind", record.kind.as_str())].into_iter().chain(linked) {
            let name = name(record.tenant.as_str(), label, target);
            timelines.entry(name).or_default().push(record);
        }
    }
    timelines
}

/// What a verifier pins.
struct Reader {
    origin: String,
    key: VerifierKey,
}

impl Reader {
    fn of(genesis: &Record) -> Self {
        let key = genesis.payload["checkpoint_key"].as_str().expect("a text");
        let key = PublicKey::from_base64(key).expect("a key");
        let origin = genesis.log.to_string();
        let key = VerifierKey::new(&origin, KeyType::Ed25519, key.as_bytes()).expect("a key");
        Self { origin, key }
    }

    fn checkpoint(&self, note: &str) -> tlog::Checkpoint {
        let text = CheckpointText::parse(note).expect("a checkpoint");
        text.verify(&self.origin, std::slice::from_ref(&self.key))
            .expect("is signed")
    }

    /// From the note down to the timeline's head; `None` when it is proven absent.
    fn head(&self, name: &Name, proof: &TimelineProof) -> Option<MapLeaf> {
        assert_eq!(
            (proof.v, &name.0, &name.1, &name.2),
            (1, &proof.tenant, &proof.label, &proof.target)
        );
        let checkpoint = self.checkpoint(&proof.checkpoint);
        let record = Record::parse(proof.map_record.get().as_bytes().to_vec()).expect("a record");
        assert_eq!(
            record.offset + 1,
            checkpoint.size(),
            "the map's record is the last leaf"
        );
        let leaf = hash_leaf(&log_entry(record.offset, record.hash.as_bytes(), record.bytes()));
        let path = nodes(&proof.map_path);
        verify_inclusion(&leaf, record.offset, checkpoint.size(), checkpoint.root(), &path).expect("is included");
        assert_eq!(
            (record.kind.as_str(), record.tenant.is_ledger()),
            ("ledger.map_root", true)
        );
        assert_eq!(record.payload["size"], proof.as_of);
        let root = Hash::from_hex(record.payload["root"].as_str().expect("a text")).expect("hex");
        let tenant = MapKey::tenant(&name.0);
        let top = way(&proof.top, tenant).verify(&Node::from(*root.as_bytes()), &tenant);
        let top = top.expect("leads there").expect("the tenant is there");
        let key = if name.1.is_empty() {
            MapKey::whole_chain()
        } else {
            MapKey::timeline(&name.1, &name.2)
        };
        let head = way(&proof.map, key).verify(&top.root, &key).expect("leads there");
        if name.1.is_empty() {
            assert_eq!(head.map(|head| head.count), Some(top.count));
        }
        head
    }

    /// The records of the proven stretch are those, and no other.
    fn stretch(&self, name: &Name, proof: &TimelineProof, all: &[&Record]) -> (u64, u64) {
        let head = self.head(name, proof).expect("there is such a timeline");
        let below = all.iter().filter(|record| record.offset < proof.as_of).count();
        assert_eq!(head.count, below as u64, "complete as of {}", proof.as_of);
        let range = proof.range.as_ref().expect("a stretch");
        let within = &all[range.from as usize..range.until as usize];
        let leaves: Vec<Node> = within
            .iter()
            .map(|record| hash_leaf(&timeline_entry(record.hash.as_bytes())))
            .collect();
        verify_range(range.from, &leaves, head.count, &head.root, &nodes(&range.nodes)).expect("stands there");
        (range.from, range.until)
    }
}

/// Events of two tenants and a few actors.
async fn grow(handle: &Handle, records: usize) {
    for n in 0..records {
        let mut record = event(&format!("act.{n}"));
        record.links = [
            ("actor", format!("agent:a{}", n % 3)),
            ("session", "session:s1".to_owned()),
        ]
        .into_iter()
        .map(|(label, target)| Link::new(label, &target).expect("a link"))
        .collect();
        if n % 5 == 4 {
            record.tenant = tenant("acme");
        }
        append(handle, record).await;
    }
}

async fn begun(log: &Log) -> Handle {
    let handle = Handle::open(proving(log)).expect("opens");
    handle
        .create_tenant(tenant("acme"), "Acme".to_owned())
        .await
        .expect("begins");
    handle
}

#[tokio::test(flavor = "multi_thread")]
async fn every_stretch_of_every_timeline_is_proven() {
    let log = Log::create().await;
    let handle = begun(&log).await;
    for _ in 0..3 {
        grow(&handle, 9).await;
        let size = handle.head().await.expect("a head").size;
        covered(&handle, size).await;
    }
    let records = all(&handle).await;
    let reader = Reader::of(&records[0]);
    let mut proven = 0;
    for (name, timeline_records) in timelines(&records) {
        let head = ask(&handle, timeline(&name, u64::MAX, None)).await;
        let below = timeline_records
            .iter()
            .filter(|record| record.offset < head.as_of)
            .count();
        match reader.head(&name, &head) {
            None => assert_eq!(below, 0, "{name:?}"),
            Some(leaf) => assert_eq!(leaf.count, below as u64, "{name:?}"),
        }
        assert!(head.range.is_none());
        for from in 0..below {
            for until in from + 1..=below {
                let ends = (timeline_records[from].offset, timeline_records[until - 1].offset);
                let proof = ask(&handle, timeline(&name, u64::MAX, Some(ends))).await;
                let range = reader.stretch(&name, &proof, &timeline_records);
                // A checkpoint may have come meanwhile.
                assert!(proof.as_of >= head.as_of);
                assert_eq!(range, (from as u64, until as u64), "{name:?}");
                proven += 1;
            }
        }
    }
    assert!(proven > 300, "{proven}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stretch_ends_where_the_readers_map_ends() {
    let log = Log::create().await;
    let handle = begun(&log).await;
    grow(&handle, 10).await;
    let size = handle.head().await.expect("a head").size;
    let early = covered(&handle, size).await;
    grow(&handle, 10).await;
    let size = handle.head().await.expect("a head").size;
    covered(&handle, size).await;
    let records = all(&handle).await;
    let (reader, timelines) = (Reader::of(&records[0]), timelines(&records));
    let of = |at_most: u64, ends| {
        let (handle, name) = (handle.clone(), name("default", "session", "session:s1"));
        async move { ask(&handle, timeline(&name, at_most, Some(ends))).await }
    };
    let name = name("default", "session", "session:s1");
    let session = &timelines[&name];
    let (below, above): (Vec<&&Record>, Vec<&&Record>) =
        session.iter().partition(|record| record.offset < early.map_size);
    assert!(below.len() > 3 && above.len() > 3);
    let across = of(early.map_size, (below[2].offset, above[1].offset)).await;
    assert_eq!((across.as_of, &across.checkpoint), (early.map_size, &early.note));
    assert_eq!(reader.stretch(&name, &across, session), (2, below.len() as u64));
    let beyond = of(early.map_size, (above[0].offset, above[1].offset)).await;
    assert!(beyond.range.is_none() && reader.head(&name, &beyond).is_some());
    // With what the reader has now, all of it is proven.
    let now = of(u64::MAX, (below[2].offset, above[1].offset)).await;
    assert_eq!(reader.stretch(&name, &now, session), (2, below.len() as u64 + 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_proven_absent_and_no_other_tenant_shows() {
    let log = Log::create().await;
    let handle = begun(&log).await;
    grow(&handle, 10).await;
    let size = handle.head().await.expect("a head").size;
    let newest = covered(&handle, size).await;
    let reader = Reader::of(&all(&handle).await[0]);
    for n in 0..40 {
        let absent = name("default", "actor", &format!("agent:none{n}"));
        let proof = ask(&handle, timeline(&absent, u64::MAX, None)).await;
        assert_eq!(reader.head(&absent, &proof), None);
    }
    // It is another tenant's.
    let foreign = name("acme", "session", "session:s2");
    assert_eq!(
        reader.head(&foreign, &ask(&handle, timeline(&foreign, u64::MAX, None)).await),
        None
    );
    let unknown = timeline(&name("nobody", "", ""), u64::MAX, None);
    assert_eq!(unprovable(&handle, unknown).await, Unprovable::TenantUnknown);
    handle
        .create_tenant(tenant("late"), "Late".to_owned())
        .await
        .expect("begins");
    let late = timeline(&name("late", "", ""), newest.map_size, None);
    assert_eq!(unprovable(&handle, late).await, Unprovable::TenantUnknown);
    let none_yet = timeline(&name("default", "", ""), 0, None);
    assert_eq!(unprovable(&handle, none_yet).await, Unprovable::NotYet);
    let malformed = Err(Error::CommandRefused(Refusal::Malformed));
    let refused = |name: Name, ends| {
        let (handle, question) = (handle.clone(), timeline(&name, u64::MAX, ends));
        async move { handle.prove(question).await.map(drop) }
    };
    // Labels without timelines, half a name, ends that are not in the timeline.
    assert_eq!(refused(name("default", "cause", "x:y"), None).await, malformed);
    assert_eq!(refused(name("default", "actor", ""), None).await, malformed);
    assert_eq!(refused(name("Default", "", ""), None).await, malformed);
    assert_eq!(refused(name("default", "", ""), Some((9, 8))).await, malformed);
    assert_eq!(
        refused(name("default", "", ""), Some((0, 8))).await,
        malformed,
        "another tenant's record"
    );
    assert_eq!(
        refused(name("default", "actor", "agent:none"), Some((4, 8))).await,
        malformed
    );
}

/// A clock that runs as it does, and is set forward by the test.
struct Forward(AtomicI64);

impl Clock for Forward {
    fn read(&self) -> Reading {
        let (now, ahead) = (SystemClock.read(), self.0.load(Ordering::SeqCst));
        Reading {
            wall: Timestamp::from_micros(now.wall.micros() + ahead).expect("in range"),
            steady_micros: now.steady_micros + ahead,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn maps_of_long_ago_are_gone_and_tree_proofs_are_not() {
    let log = Log::create().await;
    let clock = Arc::new(Forward(AtomicI64::new(0)));
    let handle = Handle::open_with_clock(proving(&log), Arc::clone(&clock) as Arc<dyn Clock>).expect("opens");
    grow(&handle, 3).await;
    let size = handle.head().await.expect("a head").size;
    let early = covered(&handle, size).await;
    let session = name("default", "session", "session:s1");
    assert_eq!(
        ask(&handle, timeline(&session, early.map_size, None)).await.as_of,
        early.map_size
    );
    // Twice, so that what was superseded before is old when the next one is made.
    for _ in 0..3 {
        clock.0.fetch_add(70 * 60 * 1_000_000, Ordering::SeqCst);
        grow(&handle, 2).await;
        let size = handle.head().await.expect("a head").size;
        covered(&handle, size).await;
    }
    assert_eq!(
        unprovable(&handle, timeline(&session, early.map_size, None)).await,
        Unprovable::Expired
    );
    let records = all(&handle).await;
    let reader = Reader::of(&records[0]);
    let newest = SignedCheckpoint::clone(&handle.checkpoints().borrow().clone().expect("is signed"));
    let (old, new) = (reader.checkpoint(&early.note), reader.checkpoint(&newest.note));
    let question = Question::Consistency {
        from: early.size,
        to: newest.size,
    };
    let Ok(Answer::Path(path)) = handle.prove(question).await else {
        panic!("is proven")
    };
    verify_consistency(old.size(), old.root(), new.size(), new.root(), &nodes(&path.nodes)).expect("continues");
    assert_eq!(path.checkpoint.map(|kept| kept.size), Some(newest.size));
}

/// Copies a log that is being written, as a kill would leave it: HEAD is never newer than the store.
fn killed(from: &Path, to: &Path) {
    let head = std::fs::read(from.join("HEAD")).expect("reads");
    copy_dir(from, to);
    std::fs::write(to.join("HEAD"), head).expect("writes");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_checkpoint_continues_all_before_it_also_behind_kills() {
    let log = Log::create().await;
    let mut told: Vec<SignedCheckpoint> = Vec::new();
    let mut dir = log.config().data_dir;
    for round in 0..6 {
        let config = Config {
            data_dir: dir.clone(),
            ..proving(&log)
        };
        let handle = Handle::open(config).expect("opens");
        if round == 0 {
            let begins = handle.create_tenant(tenant("acme"), "Acme".to_owned());
            begins.await.expect("begins");
        } else {
            let newest = handle.checkpoints().borrow().as_ref().map(|newest| newest.size);
            assert!(newest >= told.last().map(|told| told.size), "what was told is there");
        }
        grow(&handle, 3 + round).await;
        let size = handle.head().await.expect("a head").size;
        told.push(covered(&handle, size).await);
        // As a kill leaves it, at whatever moment of a cycle that is.
        grow(&handle, 2).await;
        told.push(SignedCheckpoint::clone(
            &handle.checkpoints().borrow().clone().expect("is signed"),
        ));
        dir = log.dir.path().join(format!("killed.{round}"));
        killed(handle.data_dir(), &dir);
        handle.close();
    }
    let handle = Handle::open(Config {
        data_dir: dir,
        ..proving(&log)
    })
    .expect("opens");
    let records = all(&handle).await;
    let reader = Reader::of(&records[0]);
    let newest = covered(&handle, records.len() as u64 - 1).await;
    let new = reader.checkpoint(&newest.note);
    assert!(told.is_sorted_by_key(|told| told.size) && told.len() == 12);
    for checkpoint in told {
        let old = reader.checkpoint(&checkpoint.note);
        let last = &records[old.size() as usize - 1];
        assert_eq!(last.kind.as_str(), "ledger.map_root");
        assert_eq!(last.payload["size"], checkpoint.map_size);
        let question = Question::Consistency {
            from: old.size(),
            to: new.size(),
        };
        let Ok(Answer::Path(path)) = handle.prove(question).await else {
            panic!("is proven")
        };
        verify_consistency(old.size(), old.root(), new.size(), new.root(), &nodes(&path.nodes)).expect("continues");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_is_waited_for() {
    let log = Log::create().await;
    let handle = begun(&log).await;
    let ask = |covering, witnessed, wait_ms| Question::Checkpoint {
        covering,
        witnessed,
        wait_ms,
    };
    let size = handle.head().await.expect("a head").size;
    let waiting = tokio::spawn({
        let handle = handle.clone();
        async move { handle.prove(ask(size + 5, false, 30_000)).await }
    });
    grow(&handle, 6).await;
    let Ok(Answer::Checkpoint(Some(found))) = waiting.await.expect("no panic") else {
        panic!("there is one")
    };
    assert!(found.size >= size + 5);
    // What does not come in time is not there; the newest is answered.
    let Ok(Answer::Checkpoint(Some(newest))) = handle.prove(ask(u64::MAX, false, 1)).await else {
        panic!("there is one")
    };
    assert!(newest.size >= found.size);
    // Nobody is asked for cosignatures, so nobody waits for them.
    let started = std::time::Instant::now();
    let Ok(Answer::Checkpoint(Some(newest))) = handle.prove(ask(0, true, 30_000)).await else {
        panic!("there is one")
    };
    assert!(newest.witnessed.is_none() && started.elapsed() < Duration::from_secs(25));
    let Ok(Answer::Checkpoints(page)) = handle
        .prove(Question::Checkpoints {
            below: Some(found.size + 1),
            limit: 1,
        })
        .await
    else {
        panic!("a page")
    };
    assert_eq!(page, [found]);
}

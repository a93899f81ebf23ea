//! What the maps of a running log prove, what is kept of them, and what damage to them does.

use super::page::{Child, Page};
use super::pages::Pages;
use super::place::{self, Places, Trie};
use super::trie::Path;
use super::version::{self, KEPT_MICROS, Version};
use super::{Maps, Proven};
use crate::clock::{Clock, Reading, SystemClock};
use crate::engine::Shared;
use crate::log::{Log, all, append, event, tenant};
use crate::oracle::{Oracle, checked_roots, varied, with_tenants};
use crate::probe::{Probe, Step};
use crate::{CheckpointConfig, Config, Handle};
use ledger_client::LedgerClient as _;
use record::{Record, Tenant, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use tlog::{MapKey, Node, hash_leaf, prove_range, timeline_entry, verify_range};

const DEADLINE: Duration = Duration::from_secs(60);

pub(super) fn config(log: &Log) -> Config {
    Config {
        checkpoints: Some(CheckpointConfig {
            interval: Duration::from_millis(1),
            ..CheckpointConfig::default()
        }),
        ..log.config()
    }
}

pub(super) fn open(log: &Log, clock: Arc<dyn Clock>, probe: Probe) -> Handle {
    open_with(config(log), &clock, &probe)
}

fn open_with(config: Config, clock: &Arc<dyn Clock>, probe: &Probe) -> Handle {
    loop {
        match Handle::open_with(config.clone(), Arc::clone(clock), probe.clone()) {
            Err(crate::Error::InUse { .. }) => std::thread::yield_now(),
            opened => return opened.expect("opens"),
        }
    }
}

fn plainly(log: &Log) -> Handle {
    open(log, Arc::new(SystemClock), Probe::default())
}

/// Number of records that the newest map root covers, and all records.
async fn covered(handle: &Handle) -> (u64, Vec<Record>) {
    let records = all(handle).await;
    (checked_roots(&records).last().copied().unwrap_or(0), records)
}

/// Waits until a map root covers everything that is no map root.
pub(super) async fn settled(handle: &Handle) -> Vec<Record> {
    let (deadline, mut committed) = (Instant::now() + DEADLINE, handle.committed());
    loop {
        committed.mark_unchanged();
        let (size, records) = covered(handle).await;
        let rest = records
            .get(usize::try_from(size).expect("fits")..)
            .expect("is below the end");
        if size > 0 && rest.iter().all(|record| record.kind.as_str() == "ledger.map_root") {
            return records;
        }
        assert!(Instant::now() < deadline, "{size} of {}", records.len());
        let _later = tokio::time::timeout(Duration::from_secs(1), committed.changed()).await;
    }
}

fn maps(shared: &Shared) -> Maps {
    Maps::new(
        shared.store.clone(),
        shared.preparer.log.clone(),
        shared.preparer.index.clone(),
    )
}

fn oracle(records: &[Record], size: u64) -> Oracle {
    let mut oracle = Oracle::default();
    records
        .iter()
        .take(usize::try_from(size).expect("fits"))
        .for_each(|record| oracle.push(record));
    oracle
}

/// Names and leaves of all timelines below `size`.
type Timelines = BTreeMap<(String, String, String), Vec<Node>>;

fn timelines(records: &[Record], size: u64) -> Timelines {
    let mut found = Timelines::new();
    for record in records.iter().take(usize::try_from(size).expect("fits")) {
        for (label, target) in crate::prepare::timeline_names(record.kind.as_str(), &record.links) {
            let name = (record.tenant.to_string(), label.to_owned(), target.to_owned());
            let leaf = hash_leaf(&timeline_entry(record.hash.as_bytes()));
            found.entry(name).or_default().push(leaf);
        }
    }
    found
}

/// Everything that the version over `size` records has to prove.
fn check_version(maps: &Maps, records: &[Record], size: u64) {
    let root = oracle(records, size).root();
    for ((name, label, target), leaves) in timelines(records, size) {
        let owner = tenant(&name);
        let key = crate::prepare::map_key(&label, &target);
        let Proven::Ways { top, map } = maps.prove(size, &owner, &key).expect("reads") else {
            panic!("{name} {label} {target} is not proven as of {size}");
        };
        let tenant_leaf = top
            .verify(&root, &MapKey::tenant(&name))
            .expect("verifies")
            .expect("is there");
        let leaf = map
            .verify(&tenant_leaf.root, &key)
            .expect("verifies")
            .expect("is there");
        let count = leaves.len() as u64;
        assert_eq!(leaf.count, count);
        let (from, until) = (count / 3, count / 3 + 1 + count / 4);
        let mut tree = maps.timeline_tree(&owner, &label, &target);
        let nodes = prove_range(from, until.min(count), count, |at| {
            tree.node(at).map_err(|error| panic!("{error}"))
        });
        let nodes = nodes.map_err(|error: tlog::Error| error).expect("proves");
        let stretch = leaves.iter().skip(usize::try_from(from).expect("fits"));
        let stretch: Vec<Node> = stretch
            .take(usize::try_from(until.min(count) - from).expect("fits"))
            .copied()
            .collect();
        assert_eq!(verify_range(from, &stretch, count, &leaf.root, &nodes), Ok(()));
        let absent = MapKey::timeline("subject", "subject:nobody");
        let Proven::Ways { map, .. } = maps.prove(size, &owner, &absent).expect("reads") else {
            panic!("an absence is not proven");
        };
        assert_eq!(map.verify(&tenant_leaf.root, &absent), Ok(None));
    }
    assert_eq!(
        maps.prove(size, &tenant("nobody"), &MapKey::whole_chain())
            .expect("reads"),
        Proven::TenantUnknown
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kept_version_proves_every_timeline_and_its_ranges() {
    let log = Log::create().await;
    let handle = plainly(&log);
    with_tenants(&handle).await;
    for round in 0..4 {
        let records = (round * 40..(round + 1) * 40).map(varied).collect();
        handle.append_many(records).await.expect("answers each");
        settled(&handle).await;
    }
    let records = settled(&handle).await;
    let maps = maps(&handle.reader().expect("is open"));
    let sizes: BTreeSet<u64> = checked_roots(&records).into_iter().collect();
    assert!(sizes.len() >= 4, "{sizes:?}");
    for size in &sizes {
        check_version(&maps, &records, *size);
    }
    let newest = sizes.last().copied();
    let beyond = maps.prove(newest.expect("some") + 1, &Tenant::ledger(), &MapKey::whole_chain());
    assert_eq!(beyond.expect("reads"), Proven::Gone);
}

/// What the map's thread passes, when the test lets it.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn set(&self, closed: bool) {
        *self.0.0.lock().expect("no test panics with it") = closed;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let closed = self.0.0.lock().expect("no test panics with it");
        drop(self.0.1.wait_while(closed, |closed| *closed));
    }
}

/// A map that hangs is not told of what comes meanwhile. It reads that from the log, when it goes on and when the log is
/// closed, and every record is covered as if it had been told.
#[tokio::test(flavor = "multi_thread")]
async fn a_map_that_falls_behind_goes_on_from_the_log() {
    let log = Log::create().await;
    let mut limited = config(&log);
    if let Some(checkpoints) = &mut limited.checkpoints {
        checkpoints.waiting = 16;
    }
    let (gate, clock) = (Gate::default(), Arc::new(SystemClock) as Arc<dyn Clock>);
    let passing = gate.clone();
    let probe = Probe::failing(move |at| {
        if at == Step::Map {
            passing.pass();
        }
        None
    });
    let handle = open_with(limited, &clock, &probe);
    with_tenants(&handle).await;
    settled(&handle).await;
    for round in 0..3 {
        gate.set(true);
        for n in 0..30 {
            append(&handle, varied(round * 30 + n)).await;
        }
        gate.set(false);
        settled(&handle).await;
    }
    let records = settled(&handle).await;
    let maps = maps(&handle.reader().expect("is open"));
    for size in checked_roots(&records) {
        check_version(&maps, &records, size);
    }
    let head = handle.head().await.expect("answers").size;
    let mut signed = handle.checkpoints();
    let newest = signed.wait_for(|newest| newest.as_ref().is_some_and(|newest| newest.size == head));
    let newest = tokio::time::timeout(DEADLINE, newest).await.expect("in time");
    drop(newest);
    gate.set(true);
    for n in 90..120 {
        append(&handle, varied(n)).await;
    }
    gate.set(false);
    handle.close();
    drop((handle, maps, signed));
    let handle = plainly(&log);
    let records = all(&handle).await;
    assert_eq!(settled(&handle).await, records, "it was settled before the close");
}

/// Two clocks that only the test moves, together.
#[derive(Clone)]
struct Hands(Arc<Mutex<i64>>);

impl Hands {
    fn turn(&self, micros: i64) {
        *self.0.lock().expect("no test panics with it") += micros;
    }
}

impl Clock for Hands {
    fn read(&self) -> Reading {
        let steady = *self.0.lock().expect("no test panics with it");
        Reading {
            wall: Timestamp::from_micros(1_900_000_000_000_000 + steady).expect("in range"),
            steady_micros: steady,
        }
    }
}

/// Every page in the store, and every page that a whole version reaches.
fn pages(shared: &Shared) -> (BTreeSet<Vec<u8>>, BTreeSet<Vec<u8>>) {
    let view = shared.store.view();
    let places = Places {
        log: shared.preparer.log.clone(),
        index: shared.preparer.index.clone(),
    };
    let pages = Pages {
        view: &view,
        places: &places,
    };
    let stored = view.map_prefix(&[1]).map(|entry| entry.expect("reads").0).collect();
    let mut reached = BTreeSet::new();
    for entry in view.map_prefix(&version::PREFIX) {
        let (key, value) = entry.expect("reads");
        if !Version::decode(&value).expect("decodes").whole {
            continue;
        }
        let n = version::number(&key).expect("a number");
        let names = ["sigil-ledger", "default", "acme", "beta"].map(MapKey::tenant);
        for trie in names.map(Trie::Tenant).into_iter().chain([Trie::Top]) {
            let root = pages.root(trie, n).expect("reads");
            let mut queue: Vec<(Path, u64, Page)> = Vec::new();
            queue.extend(root.map(|(version, page)| (Path::root(), version, page)));
            while let Some((path, version, page)) = queue.pop() {
                reached.insert(place::key(&places.id(trie, &path), version));
                for (digit, child) in page.children().iter().enumerate() {
                    if let Child::Page { version, .. } = child {
                        let path = path.below(digit);
                        let page = pages.read(trie, &path, *version).expect("is kept");
                        queue.push((path, *version, page));
                    }
                }
            }
        }
    }
    (stored, reached)
}

#[tokio::test(flavor = "multi_thread")]
async fn old_versions_go_with_their_pages_and_nothing_else_does() {
    let (log, hands) = (Log::create().await, Hands(Arc::default()));
    let handle = open(&log, Arc::new(hands.clone()), Probe::default());
    with_tenants(&handle).await;
    let shared = handle.reader().expect("is open");
    let maps = maps(&shared);
    let mut ends = Vec::new();
    for round in 0..5 {
        for n in 0..6 {
            append(&handle, varied(round * 6 + n)).await;
            settled(&handle).await;
        }
        let (stored, reached) = pages(&shared);
        assert_eq!(stored, reached, "round {round}");
        ends.push(covered(&handle).await.0);
        hands.turn(KEPT_MICROS / 2);
    }
    // The newest of the third round was superseded one and a half rounds ago, in the fourth.
    hands.turn(1);
    append(&handle, event("one more")).await;
    let records = settled(&handle).await;
    let gone = |size: u64| {
        maps.prove(size, &Tenant::ledger(), &MapKey::whole_chain())
            .expect("reads")
            == Proven::Gone
    };
    assert_eq!(
        ends.iter().map(|end| gone(*end)).collect::<Vec<_>>(),
        [true, true, true, false, false]
    );
    let kept: BTreeSet<u64> = checked_roots(&records)
        .into_iter()
        .filter(|size| !gone(*size))
        .collect();
    for size in kept {
        check_version(&maps, &records, size);
    }
    // Idle for years: the newest that is named stays, although opening the log takes in the record that names it.
    hands.turn(1_000 * KEPT_MICROS);
    let newest = checked_roots(&records).pop().expect("some");
    handle.close();
    drop((handle, shared, maps));
    let handle = open(&log, Arc::new(hands), Probe::default());
    let records = settled(&handle).await;
    assert_eq!(checked_roots(&records).pop(), Some(newest));
    let again = self::maps(&handle.reader().expect("is open"));
    check_version(&again, &records, newest);
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_and_lost_maps_are_made_again() {
    let log = Log::create().await;
    let handle = plainly(&log);
    with_tenants(&handle).await;
    handle
        .append_many((0..80).map(varied).collect())
        .await
        .expect("answers each");
    let mut records = settled(&handle).await;
    handle.close();
    drop(handle);
    type Break = fn(&Shared, &[u8], &[u8]) -> Option<Vec<u8>>;
    let breaks: [(&str, u8, Break); 5] = [
        ("a flipped bit", 1, |_, _, value| {
            let mut value = value.to_vec();
            *value.last_mut()? ^= 1;
            Some(value)
        }),
        ("no pages", 1, |_, _, _| None),
        ("another page", 1, |shared, key, _| {
            // Well encrypted and well formed, and nobody's.
            let places = Places {
                log: shared.preparer.log.clone(),
                index: shared.preparer.index.clone(),
            };
            let version = place::version(key).ok()?;
            places.cipher(version).seal("map", key, &[0]).ok()
        }),
        ("no versions", 2, |_, _, _| None),
        ("malformed versions", 2, |_, _, _| Some(vec![9])),
    ];
    for (name, tag, damage) in breaks {
        // The map is not kept by this one, so nothing is in memory afterwards.
        let handle = log.open();
        let shared = handle.reader().expect("is open");
        let mut batch = shared.store.batch();
        let entries: Vec<_> = shared.store.view().map_prefix(&[tag]).collect();
        for entry in entries {
            let (key, value) = entry.expect("reads");
            match damage(&shared, &key, &value) {
                Some(value) => batch.insert(&shared.store.map, key, value),
                None => batch.remove(&shared.store.map, key),
            }
        }
        batch.commit().expect("commits");
        append(&handle, varied(7)).await;
        handle.close();
        drop((handle, shared));
        let handle = plainly(&log);
        append(&handle, varied(8)).await;
        let now = settled(&handle).await;
        assert!(now.starts_with(&records), "{name}");
        records = now;
        let maps = maps(&handle.reader().expect("is open"));
        let newest = covered(&handle).await.0;
        check_version(&maps, &records, newest);
        handle.close();
    }
    assert!(crate::check::look(&log.config()).is_ok());
}

//! What is stored beside the records, altered at random, seeded: the verifier finds each and names it, by the check for it
//! and no other. `SIGIL_TAMPER_ROUNDS` sets how many of each class.

use super::page::{Child, Page};
use super::place::{self, Places};
use super::tests::{open, settled};
use super::version;
use crate::check::{stored, verify};
use crate::clock::SystemClock;
use crate::inspect::Inspection;
use crate::log::Log;
use crate::oracle::{checked_roots, varied, with_tenants};
use crate::probe::Probe;
use ledger_client::LedgerClient as _;
use ledger_client::proof::SignedCheckpoint;
use record::Record;
use std::sync::Arc;
use tempfile::TempDir;
use tlog::{MapLeaf, Node};
use verifier::{Check, Item, Report, Verdict};

const CHECKPOINT: &[u8] = b"checkpoint\0";

/// A closed log, opened once on its shadow; what is written goes to the shadow only.
struct Scene {
    inspection: Inspection,
    items: Vec<Item>,
    records: Vec<Record>,
    places: Places,
    _dirs: (Log, TempDir),
}

impl Scene {
    async fn of(rounds: u64, records: u64) -> Self {
        let log = Log::create().await;
        let handle = open(&log, Arc::new(SystemClock), Probe::default());
        with_tenants(&handle).await;
        for round in 0..rounds {
            let new = (round * records..(round + 1) * records).map(varied).collect();
            handle.append_many(new).await.expect("answers each");
            settled(&handle).await;
        }
        let shared = handle.reader().expect("is open");
        let places = Places {
            log: shared.preparer.log.clone(),
            index: shared.preparer.index.clone(),
        };
        drop(shared);
        let records = settled(&handle).await;
        handle.close();
        drop(handle);
        let scratch = tempfile::tempdir().expect("a directory");
        let inspection = loop {
            match Inspection::open(&log.config(), &scratch.path().join("shadow")) {
                Err(crate::Error::InUse { .. }) => std::thread::yield_now(),
                opened => break opened.expect("opens"),
            }
        };
        Self {
            items: items(&inspection),
            inspection,
            records,
            places,
            _dirs: (log, scratch),
        }
    }

    fn verify(&self) -> (Report, Vec<String>) {
        let mut findings = Vec::new();
        let report = verify(&self.inspection, self.items.clone(), &mut findings);
        (report, findings)
    }

    /// Entries of a keyspace whose keys begin so.
    fn entries(&self, keyspace: &fjall::Keyspace, prefix: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let read = |guard: fjall::Guard| guard.into_inner().expect("reads");
        let pairs = keyspace.prefix(prefix).map(read);
        pairs.map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
    }

    /// Stores `value` in place of what is there, verifies, and puts things back.
    fn with(&self, keyspace: &fjall::Keyspace, (key, value): &(Vec<u8>, Vec<u8>), altered: Option<Vec<u8>>) -> Report {
        match altered {
            Some(altered) => keyspace.insert(key, altered).expect("writes"),
            None => keyspace.remove(key.as_slice()).expect("writes"),
        }
        let (report, _) = self.verify();
        keyspace.insert(key, value).expect("writes");
        report
    }
}

/// All records, block by block.
fn items(inspection: &Inspection) -> Vec<Item> {
    let blocks = inspection.blocks().map(|block| block.expect("reads").1);
    blocks
        .map(|block| Item::Records(block.iter().map(stored).collect()))
        .collect()
}

struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("fits")
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        of.get(self.below(of.len())).expect("is below the end")
    }

    fn flip(&mut self, bytes: &mut [u8], from: usize) {
        let at = from + self.below(bytes.len() - from);
        *bytes.get_mut(at).expect("is below the end") ^= 1 << self.below(8);
    }

    fn flip_node(&mut self, node: &Node) -> Node {
        let mut bytes = *node.as_bytes();
        self.flip(&mut bytes, 0);
        bytes.into()
    }
}

fn rounds(by_default: usize) -> usize {
    let given = std::env::var("SIGIL_TAMPER_ROUNDS").ok();
    given.and_then(|rounds| rounds.parse().ok()).unwrap_or(by_default)
}

/// Exactly `check` failed, of all that could be made, and a finding of it is told first.
fn names(report: &Report, check: Check, case: &str) {
    for (made, verdict) in &report.verdicts {
        let stands = matches!(verdict, Verdict::Passed | Verdict::NotAsked(_)) || *made == Check::Trust;
        assert_eq!(
            !stands,
            *made == check,
            "{case}: {made} {verdict:?} {:#?}",
            report.findings
        );
    }
    let first = report.findings.first().expect("a finding");
    assert_eq!(first.check, check, "{case}");
    assert!(!first.detail.is_empty(), "{case}");
}

/// A page with one of its members changed, well encrypted and well formed.
fn forged(scene: &Scene, dice: &mut Dice, key: &[u8], sealed: &[u8]) -> Vec<u8> {
    let cipher = scene.places.cipher(place::version(key).expect("a version"));
    let clear = cipher.open("map", key, sealed).expect("opens");
    let mut page = Page::decode(&clear).expect("decodes");
    let filled: Vec<usize> = (0..16).filter(|at| page.child(*at) != Child::Empty).collect();
    let at = *dice.one(&filled);
    let other = match (page.child(at), dice.below(3)) {
        (Child::Page { version, node }, 0) => Child::Page {
            version: version + 1,
            node,
        },
        (Child::Page { version, node }, _) => Child::Page {
            version,
            node: dice.flip_node(&node),
        },
        (Child::Leaf(leaf), 0) => Child::Leaf(MapLeaf {
            count: leaf.count + 1,
            ..leaf
        }),
        (Child::Leaf(leaf), 1) => Child::Leaf(MapLeaf {
            root: dice.flip_node(&leaf.root),
            ..leaf
        }),
        _ => Child::Empty,
    };
    page.set(at, other);
    cipher.seal("map", key, &page.encode()).expect("seals")
}

/// What there is to alter in the keyspace `map`.
struct Entries {
    pages: Vec<Entry>,
    fragments: Vec<Entry>,
    /// Those of rows above the leaves.
    upper: Vec<Entry>,
    /// Versions that a map root of the log names.
    named: Vec<Entry>,
    /// Versions that say what they superseded.
    grown: Vec<Entry>,
}

type Entry = (Vec<u8>, Vec<u8>);

impl Entries {
    fn of(scene: &Scene) -> Self {
        let map = &scene.inspection.store().map;
        let [pages, versions, fragments] = [1, 2, 3].map(|tag| scene.entries(map, &[tag]));
        let roots = checked_roots(&scene.records);
        let is_named = |(key, _): &&Entry| roots.contains(&version::number(key).expect("a number"));
        // Tag, 16 bytes of the timeline's key, row.
        let is_upper = |(key, _): &&Entry| key.get(17).is_some_and(|row| *row > 0);
        let upper: Vec<_> = fragments.iter().filter(is_upper).cloned().collect();
        assert!(!upper.is_empty(), "no timeline has sixteen leaves");
        Self {
            pages,
            upper,
            fragments,
            named: versions.iter().filter(is_named).cloned().collect(),
            grown: versions.iter().filter(|(_, value)| value.len() > 9).cloned().collect(),
        }
    }

    /// One mutant of each class.
    fn alter(&self, scene: &Scene, dice: &mut Dice) {
        let map = &scene.inspection.store().map;
        let found = |case: &str, entry: &Entry, altered| {
            names(&scene.with(map, entry, altered), Check::StoredMaps, case);
        };
        let flipped = |dice: &mut Dice, (_, value): &Entry, from| {
            let mut value = value.clone();
            dice.flip(&mut value, from);
            Some(value)
        };
        let page = dice.one(&self.pages);
        found("a bit of a page", page, flipped(dice, page, 0));
        found("a page forged", page, Some(forged(scene, dice, &page.0, &page.1)));
        let (_, other) = dice.one(&self.pages);
        if *other != page.1 {
            found("another page", page, Some(other.clone()));
        }
        found("a page gone", page, None);
        let fragment = dice.one(&self.fragments);
        found("a bit of a node", fragment, flipped(dice, fragment, 0));
        found("nodes gone", fragment, None);
        let fragment = dice.one(&self.upper);
        found("a bit of a node above", fragment, flipped(dice, fragment, 0));
        let version = dice.one(&self.named);
        let step = [&[0], version.1.get(1..).expect("a version")].concat();
        found("a version not whole", version, Some(step));
        let version = dice.one(&self.grown);
        found("what a version superseded", version, flipped(dice, version, 9));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_map_that_was_altered_is_named() {
    let scene = Scene::of(6, 9).await;
    let (report, findings) = scene.verify();
    assert_eq!((report.findings, findings), (Vec::new(), Vec::new()));
    let (entries, mut dice) = (Entries::of(&scene), Dice(4));
    (0..rounds(120)).for_each(|_| entries.alter(&scene, &mut dice));
    assert_eq!(scene.verify().0.findings, []);
    // All of it follows from the log: without any, nothing is lacking.
    scene.inspection.store().map.clear().expect("clears");
    let (report, findings) = scene.verify();
    assert_eq!((&report.findings, findings), (&Vec::new(), Vec::new()));
    assert!(matches!(report.verdict(Check::StoredMaps), Verdict::NotAsked(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_checkpoint_that_was_altered_is_named() {
    let scene = Scene::of(4, 3).await;
    let store = scene.inspection.store();
    let kept = scene.entries(&store.meta, CHECKPOINT);
    assert!(kept.len() >= 2, "{}", kept.len());
    let mut dice = Dice(5);
    for round in 0..rounds(250) {
        let entry = dice.one(&kept).clone();
        let mut checkpoint: SignedCheckpoint = serde_json::from_slice(&entry.1).expect("decodes");
        let mut note: Vec<char> = checkpoint.note.chars().collect();
        let at = dice.below(note.len());
        let slot = note.get_mut(at).expect("is below the end");
        // A base64 digit may hold bits that are not used; any other letter is another one.
        *slot = if *slot == 'A' { '!' } else { 'A' };
        checkpoint.note = note.into_iter().collect();
        let altered = serde_json::to_vec(&checkpoint).expect("encodes");
        let report = scene.with(&store.meta, &entry, Some(altered));
        names(
            &report,
            Check::Checkpoints,
            &format!("note {round}: {}", checkpoint.note),
        );
    }
    assert_eq!(scene.verify().0.findings, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_tile_that_was_altered_is_named() {
    let scene = Scene::of(2, 140).await;
    let store = scene.inspection.store();
    let tiles = scene.entries(&store.tree, &[]);
    assert!(!tiles.is_empty());
    let mut dice = Dice(6);
    for round in 0..rounds(40) {
        let tile = dice.one(&tiles).clone();
        let mut altered = tile.1.clone();
        dice.flip(&mut altered, 0);
        names(
            &scene.with(&store.tree, &tile, Some(altered)),
            Check::Tree,
            &format!("tile {round}"),
        );
    }
    let tile = dice.one(&tiles).clone();
    names(&scene.with(&store.tree, &tile, None), Check::Tree, "tile gone");
}

//! Maps in pages against the oracle in `tlog`, key by key and version by version.

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};
use tlog::{EMPTY_MAP, Node, map_root, prove_map};

/// Pages by path and version, as a store would hold them.
#[derive(Default)]
struct Pages {
    pages: HashMap<(Path, u64), Page>,
    root: Option<u64>,
}

impl Pages {
    fn read(&self, path: &Path, version: u64) -> Result<Page, String> {
        let page = self.pages.get(&(path.clone(), version)).cloned();
        page.ok_or_else(|| format!("no page {path:?} of version {version}"))
    }

    fn update(&mut self, leaves: &[MapLeaf], version: u64) -> (Node, Written) {
        let root = self.root.map(|old| (old, self.read(&Path::root(), old).unwrap()));
        let mut written = Written::default();
        let sum = update(
            root,
            leaves,
            version,
            &mut |path, version| self.read(path, version),
            &mut written,
        )
        .unwrap();
        for (path, page) in &written.pages {
            let decoded = Page::decode(&page.encode()).unwrap();
            assert!(
                self.pages.insert((path.clone(), version), decoded).is_none(),
                "written twice"
            );
        }
        self.root = Some(version);
        (sum.node(), written)
    }

    fn prove(&self, key: &MapKey, root: u64) -> MapProof {
        let page = self.read(&Path::root(), root).unwrap();
        prove(page, key, &mut |path, version| self.read(path, version)).unwrap()
    }
}

/// Keys with a common beginning of up to 60 digits, so that pages go deep.
fn key() -> impl Strategy<Value = MapKey> {
    (
        0_usize..=30,
        prop::sample::select(vec![0_u8, 0x0f, 0x10, 0xff]),
        any::<[u8; 32]>(),
    )
        .prop_map(|(shared, fill, mut bytes)| {
            bytes[..shared].fill(fill);
            MapKey::from(bytes)
        })
}

fn rounds() -> impl Strategy<Value = Vec<Vec<(MapKey, u64)>>> {
    prop::collection::vec(prop::collection::vec((key(), 1_u64..1 << 40), 1..14), 1..5)
}

fn leaf(key: MapKey, count: u64) -> MapLeaf {
    MapLeaf {
        key,
        count,
        root: tlog::hash_leaf(&count.to_be_bytes()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_version_is_the_map_of_the_oracle(rounds in rounds(), other in key()) {
        let (mut pages, mut all) = (Pages::default(), BTreeMap::new());
        let mut versions: Vec<(u64, Vec<MapLeaf>)> = Vec::new();
        for (at, round) in rounds.iter().enumerate() {
            let version = at as u64 * 10 + 1;
            // A key changes again now and then.
            let mut changed: BTreeMap<MapKey, MapLeaf> = round.iter().map(|(key, count)| (*key, leaf(*key, *count))).collect();
            if let Some(key) = all.keys().next().copied() {
                changed.insert(key, leaf(key, version));
            }
            all.extend(changed.clone());
            let leaves: Vec<_> = all.values().copied().collect();
            let (root, written) = pages.update(&changed.into_values().collect::<Vec<_>>(), version);
            prop_assert_eq!(root, map_root(&leaves));
            for (path, old) in &written.superseded {
                prop_assert!(*old < version && pages.pages.contains_key(&(path.clone(), *old)));
            }
            versions.push((version, leaves));
        }
        // Earlier versions stay what they were.
        for (version, leaves) in &versions {
            let keys = all.keys().copied().chain([other]);
            for key in keys {
                let proof = pages.prove(&key, *version);
                prop_assert_eq!(&proof, &prove_map(leaves, &key));
                prop_assert!(proof.verify(&map_root(leaves), &key).is_ok());
            }
        }
    }

    #[test]
    fn what_is_superseded_is_what_the_new_version_does_not_reach(rounds in rounds()) {
        let mut pages = Pages::default();
        for (at, round) in rounds.iter().enumerate() {
            let changed: BTreeMap<MapKey, MapLeaf> = round.iter().map(|(key, count)| (*key, leaf(*key, *count))).collect();
            let (_, written) = pages.update(&changed.into_values().collect::<Vec<_>>(), at as u64);
            for superseded in written.superseded {
                prop_assert!(pages.pages.remove(&superseded).is_some());
            }
            let mut reached = 0;
            let mut queue = vec![(Path::root(), at as u64)];
            while let Some((path, version)) = queue.pop() {
                reached += 1;
                let page = pages.read(&path, version).unwrap();
                for (place, child) in page.children().iter().enumerate() {
                    if let Child::Page { version, .. } = child {
                        queue.push((path.below(place), *version));
                    }
                }
            }
            prop_assert_eq!(reached, pages.pages.len());
        }
    }
}

#[test]
fn keys_that_part_in_the_last_bit_are_told_apart() {
    let mut last = [7; 32];
    last[31] ^= 1;
    let leaves = [leaf([6; 32].into(), 3), leaf(last.into(), 1), leaf([7; 32].into(), 2)];
    let mut pages = Pages::default();
    assert_eq!(pages.update(&leaves[..1], 1).0, leaves[0].node());
    assert_eq!(pages.update(&leaves[1..2], 2).0, map_root(&leaves[..2]));
    let (root, written) = pages.update(&leaves[2..], 3);
    assert_eq!(root, map_root(&leaves));
    assert_eq!(written.pages.len(), 64);
    for one in &leaves {
        assert_eq!(pages.prove(&one.key, 3).verify(&root, &one.key), Ok(Some(*one)));
    }
}

#[test]
fn a_map_without_keys_has_the_empty_root() {
    assert_eq!(Page::default().sum().node(), EMPTY_MAP);
    let proof = prove::<String>(Page::default(), &MapKey::whole_chain(), &mut |_, _| unreachable!()).unwrap();
    assert_eq!(
        proof,
        MapProof {
            siblings: Vec::new(),
            end: None
        }
    );
}

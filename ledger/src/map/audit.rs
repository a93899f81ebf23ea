//! Everything that is stored of the maps, read to be held against the log: for the check of a closed directory.
//!
//! A version is walked beside the one before it: pages that both have were looked at with the earlier one. So every page
//! that a kept version reaches is read about twice, and nothing is kept in memory but the way to it. Pages that no version
//! reaches prove nothing to anybody and are not looked at. What is wrong is named by the page.

use super::fragment;
use super::page::{Child, Page};
use super::pages::{Pages, named};
use super::place::{PageId, Trie};
use super::reader::Maps;
use super::trie::Path;
use super::version::{self, Version};
use crate::Error;
use record::Tenant;
use tlog::{EMPTY_MAP, MapLeaf, Node};

/// Digits of a key.
const DIGITS: usize = 64;

/// A version of the maps that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapVersion {
    /// Number of records that it covers.
    pub size: u64,
    /// Whether proofs are made from it; if not, it is a step of catching up with the log.
    pub whole: bool,
}

impl Maps {
    /// The versions that are kept, in order.
    pub(crate) fn versions(&self) -> Result<Vec<MapVersion>, Error> {
        let entries = self.store.view().map_prefix(&version::PREFIX);
        let read = |entry: Result<(Vec<u8>, Vec<u8>), Error>| {
            let (key, value) = entry?;
            let size = version::number(&key)?;
            let whole = decode(size, &value)?.whole;
            Ok(MapVersion { size, whole })
        };
        entries.map(read).collect()
    }

    /// The root of the top map in the whole version over `n` records, after looking at every page that it has and the
    /// whole version over `before` records does not.
    pub(crate) fn check_version(&self, before: Option<u64>, n: u64) -> Result<Node, Error> {
        let view = self.store.view();
        let pages = Pages {
            view: &view,
            places: &self.places,
        };
        let mut beside = Beside {
            pages,
            before,
            n,
            replaced: Vec::new(),
        };
        let root = beside.map(Trie::Top)?;
        let stored = view.map(&version::key(n))?;
        let stored = stored.ok_or_else(|| Error::corrupt(place(n), "it is missing"))?;
        let mut superseded = decode(n, &stored)?.superseded;
        // Between two neighbours it is known what the later one has replaced.
        let newest = view
            .map_range(&version::key(0), &version::key(n.saturating_sub(1)))
            .next_back();
        let neighbour = newest.transpose()?.map(|(key, _)| version::number(&key)).transpose()?;
        beside.replaced.sort_unstable();
        superseded.sort_unstable();
        match before.is_some() && before == neighbour && beside.replaced != superseded {
            true => Err(Error::corrupt(
                place(n),
                "it names other pages as superseded than it has replaced",
            )),
            false => Ok(root),
        }
    }

    /// The root over the first `count` leaves of a timeline's tree, after recomputing every node that is stored of it.
    pub(crate) fn check_tree(&self, tenant: &Tenant, label: &str, target: &str, count: u64) -> Result<Node, Error> {
        let view = self.store.view();
        let key = self.places.index.timeline(tenant, label, target);
        fragment::check(&key, count, |prefix| view.map_prefix(&prefix))
    }
}

/// One version, and what it shares with an earlier one.
struct Beside<'a> {
    pages: Pages<'a>,
    before: Option<u64>,
    n: u64,
    /// Pages of the earlier version in whose place others stand.
    replaced: Vec<(PageId, u64)>,
}

impl Beside<'_> {
    /// Looks at one of the maps; its root.
    fn map(&mut self, trie: Trie) -> Result<Node, Error> {
        let Some((version, page)) = self.pages.root(trie, self.n)? else {
            return Ok(EMPTY_MAP);
        };
        let old = self
            .before
            .and_then(|before| self.pages.root(trie, before).ok().flatten());
        self.page(trie, &Path::root(), (version, &page), old.as_ref())?;
        Ok(page.sum().node())
    }

    fn page(
        &mut self,
        trie: Trie,
        path: &Path,
        (version, page): (u64, &Page),
        old: Option<&(u64, Page)>,
    ) -> Result<(), Error> {
        match old {
            Some((same, _)) if *same == version => return Ok(()),
            Some((older, _)) => self.replaced.push((self.pages.places.id(trie, path), *older)),
            None => {}
        }
        for (place, child) in page.children().iter().enumerate() {
            let was = old.map(|(_, old)| old.child(place));
            if was == Some(*child) {
                continue;
            }
            match child {
                Child::Leaf(leaf) if trie == Trie::Top => self.tenant(leaf)?,
                Child::Empty | Child::Leaf(_) => {}
                Child::Page { version, node } => {
                    self.below(trie, &path.below(place), (*version, *node), was.unwrap_or_default())?;
                }
            }
        }
        Ok(())
    }

    fn below(&mut self, trie: Trie, path: &Path, (version, node): (u64, Node), was: Child) -> Result<(), Error> {
        let wrong = |detail: &str| Error::corrupt(named(trie, path, version), detail);
        if path.digits().len() >= DIGITS {
            return Err(wrong("it stands deeper than a key is long"));
        }
        let page = self.pages.read(trie, path, version)?;
        if page.sum().node() != node {
            return Err(wrong("it is not the one that the page above it names"));
        }
        let old = match was {
            // An old page that does not read was told of with its own version.
            Child::Page { version, .. } => self.pages.read(trie, path, version).ok().map(|page| (version, page)),
            Child::Empty | Child::Leaf(_) => None,
        };
        self.page(trie, path, (version, &page), old.as_ref())
    }

    fn tenant(&mut self, leaf: &MapLeaf) -> Result<(), Error> {
        let trie = Trie::Tenant(leaf.key);
        let root = self.map(trie)?;
        match root == leaf.root {
            true => Ok(()),
            false => Err(Error::corrupt(
                named(trie, &Path::root(), self.n),
                "it is not the one that the top map names",
            )),
        }
    }
}

fn decode(n: u64, value: &[u8]) -> Result<Version, Error> {
    Version::decode(value).map_err(|_| Error::corrupt(place(n), "its entry is malformed"))
}

fn place(n: u64) -> String {
    format!("keyspace map, version {n}")
}

//! Changing a map and showing a way through it, over pages that somebody else keeps.
//!
//! Nothing here reads or writes a store. A change copies the pages on its way: each is read by its exact version and
//! written under the new one, and the old one is named as superseded. Keys never leave a map, so pages only grow in number.

use super::page::{Child, Page, Sum, WIDTH};
use tlog::{MapKey, MapLeaf, MapProof};

/// Places of four bits in a key.
const DIGITS: usize = 64;

/// Where a page stands: the first digits, of four bits each, of the keys below it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct Path(Vec<u8>);

impl Path {
    /// The page of the whole map.
    pub(super) const fn root() -> Self {
        Self(Vec::new())
    }

    /// One digit a byte.
    pub(super) fn digits(&self) -> &[u8] {
        &self.0
    }

    fn depth(&self) -> usize {
        self.0.len()
    }

    pub(super) fn below(&self, place: usize) -> Self {
        let mut path = Vec::with_capacity(self.0.len() + 1);
        path.extend_from_slice(&self.0);
        path.push(place as u8);
        Self(path)
    }
}

/// The digit of a key at `depth`.
fn digit(key: &MapKey, depth: usize) -> usize {
    let byte = key.as_bytes().get(depth / 2).copied().unwrap_or_default();
    usize::from(if depth.is_multiple_of(2) { byte >> 4 } else { byte & 15 })
}

/// What a change of one map writes.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// The pages of the new version.
    pub(super) pages: Vec<(Path, Page)>,
    /// The pages that they stand for, with the version that wrote those.
    pub(super) superseded: Vec<(Path, u64)>,
}

/// Puts `leaves` into a map; they are sorted by key and have each key once. `root` is its root page with the version that
/// wrote it; `None` for a map without keys. `read` gives a page by path and version. Gives the map's root.
pub(super) fn update<E>(
    root: Option<(u64, Page)>,
    leaves: &[MapLeaf],
    version: u64,
    read: &mut impl FnMut(&Path, u64) -> Result<Page, E>,
    written: &mut Written,
) -> Result<Sum, E> {
    let page = match root {
        None => Page::default(),
        Some((old, page)) => {
            written.superseded.push((Path::root(), old));
            page
        }
    };
    Change { version, read, written }.page(Path::root(), page, leaves)
}

struct Change<'a, R> {
    version: u64,
    read: &'a mut R,
    written: &'a mut Written,
}

impl<E, R: FnMut(&Path, u64) -> Result<Page, E>> Change<'_, R> {
    /// Recursion goes as deep as two keys are alike, 64 digits at most.
    fn page(&mut self, path: Path, mut page: Page, leaves: &[MapLeaf]) -> Result<Sum, E> {
        assert!(path.depth() < DIGITS, "two different keys part within 64 digits");
        let mut rest = leaves;
        while let Some(first) = rest.first() {
            let place = digit(&first.key, path.depth());
            let same = rest.partition_point(|leaf| digit(&leaf.key, path.depth()) <= place);
            let (here, after) = rest.split_at(same);
            rest = after;
            let child = self.child(&path, place, page.child(place), here)?;
            page.set(place, child);
        }
        let sum = page.sum();
        self.written.pages.push((path, page));
        Ok(sum)
    }

    fn child(&mut self, path: &Path, place: usize, old: Child, leaves: &[MapLeaf]) -> Result<Child, E> {
        let below = || path.below(place);
        let (page, mut added) = match (old, leaves) {
            (Child::Empty, [only]) => return Ok(Child::Leaf(*only)),
            (Child::Leaf(there), [only]) if there.key == only.key => return Ok(Child::Leaf(*only)),
            (Child::Empty, _) => (Page::default(), None),
            (Child::Leaf(there), _) => (Page::default(), Some(there)),
            (Child::Page { version, .. }, _) => {
                let path = below();
                let page = (self.read)(&path, version)?;
                self.written.superseded.push((path, version));
                (page, None)
            }
        };
        // The leaf that stood here alone goes down with the others, unless it is one of them.
        let sum = match added.take() {
            Some(there) => match leaves.binary_search_by_key(&there.key, |leaf| leaf.key) {
                Ok(_) => self.page(below(), page, leaves)?,
                Err(at) => {
                    let mut all = leaves.to_vec();
                    all.insert(at, there);
                    self.page(below(), page, &all)?
                }
            },
            None => self.page(below(), page, leaves)?,
        };
        Ok(Child::Page {
            version: self.version,
            node: sum.node(),
        })
    }
}

/// The way to `key` in the map with this root page; `read` gives a page by path and version.
pub(super) fn prove<E>(
    root: Page,
    key: &MapKey,
    read: &mut impl FnMut(&Path, u64) -> Result<Page, E>,
) -> Result<MapProof, E> {
    let (mut page, mut path, mut siblings) = (root, Path::root(), Vec::new());
    loop {
        let place = digit(key, path.depth());
        match descend(page.children(), place, &mut siblings) {
            Step::End(end) => return Ok(MapProof { siblings, end }),
            Step::Below(version) => {
                path = path.below(place);
                page = read(&path, version)?;
            }
        }
    }
}

/// What the map with this root page holds under `key`, without proof.
pub(super) fn find<E>(
    root: Page,
    key: &MapKey,
    read: &mut impl FnMut(&Path, u64) -> Result<Page, E>,
) -> Result<Option<MapLeaf>, E> {
    let (mut page, mut path) = (root, Path::root());
    loop {
        let place = digit(key, path.depth());
        match page.child(place) {
            Child::Empty => return Ok(None),
            Child::Leaf(leaf) => return Ok(Some(leaf).filter(|leaf| leaf.key == *key)),
            Child::Page { version, .. } => {
                path = path.below(place);
                page = read(&path, version)?;
            }
        }
    }
}

enum Step {
    /// The way ends in this page.
    End(Option<MapLeaf>),
    /// It goes on in the page below, of this version.
    Below(u64),
}

/// Halves the children until the place is alone or there is at most one key.
fn descend(children: &[Child], place: usize, siblings: &mut Vec<tlog::Node>) -> Step {
    let (mut here, mut first) = (children, 0);
    loop {
        if let [only] = here {
            return match only {
                Child::Page { version, .. } => Step::Below(*version),
                Child::Leaf(leaf) => Step::End(Some(*leaf)),
                Child::Empty => Step::End(None),
            };
        }
        match Sum::of(here) {
            Sum::None => return Step::End(None),
            Sum::One(leaf) => return Step::End(Some(leaf)),
            Sum::Many(_) => {}
        }
        debug_assert!(here.len() <= WIDTH);
        let (left, right) = here.split_at(here.len() / 2);
        let middle = first + left.len();
        let sibling;
        if place < middle {
            (here, sibling) = (left, right);
        } else {
            (here, sibling) = (right, left);
            first = middle;
        }
        siblings.push(Sum::of(sibling).node());
    }
}

#[cfg(test)]
mod tests;

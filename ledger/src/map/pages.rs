//! Pages as the store has them, in one state of it: garbage collection beside a reader takes nothing from it.

use super::page::Page;
use super::place::{KEYSPACE, Places, Trie, key, prefix, version};
use super::trie::Path;
use crate::Error;
use crate::store::View;

/// One state of the store, and what reads its pages.
pub(super) struct Pages<'a> {
    pub(super) view: &'a View,
    pub(super) places: &'a Places,
}

impl Pages<'_> {
    /// The page of exactly this version.
    pub(super) fn read(&self, trie: Trie, path: &Path, version: u64) -> Result<Page, Error> {
        let key = key(&self.places.id(trie, path), version);
        let sealed = self
            .view
            .map(&key)?
            .ok_or_else(|| Error::corrupt(named(trie, path, version), "the page is missing"))?;
        self.open(&key, &sealed, version, || named(trie, path, version))
    }

    /// The newest root page of a map among the versions up to `at_most`; `None` when the map has no keys by then.
    pub(super) fn root(&self, trie: Trie, at_most: u64) -> Result<Option<(u64, Page)>, Error> {
        let id = self.places.id(trie, &Path::root());
        let newest = self
            .view
            .map_range(&prefix(&id), &key(&id, at_most))
            .next_back()
            .transpose()?;
        let Some((key, sealed)) = newest else {
            return Ok(None);
        };
        let version = version(&key)?;
        let page = self.open(&key, &sealed, version, || named(trie, &Path::root(), version))?;
        Ok(Some((version, page)))
    }

    fn open(&self, key: &[u8], sealed: &[u8], version: u64, place: impl Fn() -> String) -> Result<Page, Error> {
        let clear = self.places.cipher(version).open(KEYSPACE, key, sealed);
        let clear = clear.ok_or_else(|| Error::corrupt(place(), "the page does not decrypt"))?;
        Page::decode(&clear).ok_or_else(|| Error::corrupt(place(), "the page is malformed"))
    }
}

/// A page by its place; digits are of keys that are hashes, so they name nobody.
pub(super) fn named(trie: Trie, path: &Path, version: u64) -> String {
    let map = match trie {
        Trie::Top => "the top map",
        Trie::Tenant(_) => "a tenant's map",
    };
    let digits = path.digits().iter();
    let digits: String = digits
        .filter_map(|digit| char::from_digit(u32::from(*digit), 16))
        .collect();
    match digits.as_str() {
        "" => format!("keyspace map, version {version}, root page of {map}"),
        digits => format!("keyspace map, version {version}, page {digits} of {map}"),
    }
}

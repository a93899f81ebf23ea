//! Writing versions of the maps: pages and fragments, and last the entry of the version with what may go.
//!
//! Nothing is synced. There is one journal, so the `ledger.map_root` that names a version is durable only together
//! with it; after a crash the newest version in the store says how far the maps are, and the rest follows from the log.

use super::page::{Page, Sum};
use super::pages::Pages;
use super::pending::Pending;
use super::place::{self, KEYSPACE, PageId, Places, Trie};
use super::trie::{self, Path, Written};
use super::version::{self, KEPT_MICROS, Version, is_whole};
use crate::Error;
use crate::engine::Shared;
use crate::probe::Step;
use crate::store::{Store, View};
use fjall::OwnedWriteBatch;
use std::collections::HashMap;
use std::sync::Arc;
use tlog::{MapKey, MapLeaf, Node};

/// Pages kept in memory between versions; about 1,300 bytes each.
const KEPT: usize = 8_192;
/// Bytes of one batch on the way to a version: a commit of records waits for no more than that.
const BATCH_BYTES: usize = 256 * 1_024;
/// Versions that one write may drop.
const DROPPED: usize = 8;

/// The only one who writes to the keyspace `map`.
pub(super) struct Writer {
    shared: Arc<Shared>,
    places: Places,
    /// Pages of the newest version, with the version that wrote them.
    cache: HashMap<PageId, (u64, Page)>,
    newest: Option<u64>,
    newest_whole: Option<u64>,
}

/// What a version is made of, as it comes together.
struct Draft<'a> {
    version: u64,
    pages: Pages<'a>,
    batch: OwnedWriteBatch,
    /// Bytes in it.
    bytes: usize,
    written: Vec<(PageId, Page)>,
    superseded: Vec<(PageId, u64)>,
}

impl Draft<'_> {
    /// Adds an entry; what has come together is written when it is much. Without the entry of its version, which comes
    /// last, nobody reads it: a later version writes every page on the same ways again.
    fn put(&mut self, store: &Store, key: Vec<u8>, value: Vec<u8>) -> Result<(), Error> {
        self.bytes += key.len() + value.len();
        self.batch.insert(&store.map, key, value);
        if self.bytes < BATCH_BYTES {
            return Ok(());
        }
        self.bytes = 0;
        Ok(std::mem::replace(&mut self.batch, store.lazy_batch()).commit()?)
    }
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let places = Places {
            log: shared.preparer.log.clone(),
            index: shared.preparer.index.clone(),
        };
        Self {
            shared,
            places,
            cache: HashMap::new(),
            newest: None,
            newest_whole: None,
        }
    }

    /// Reads how far the maps in the store are.
    pub(super) fn load(&mut self) -> Result<(), Error> {
        for entry in self.shared.store.view().map_prefix(&version::PREFIX).rev() {
            let (key, value) = entry?;
            let number = version::number(&key)?;
            self.newest = self.newest.or(Some(number));
            if Version::decode(&value)?.whole {
                self.newest_whole = Some(number);
                break;
            }
        }
        if self.newest.is_none() && self.shared.store.view().map_prefix(&[]).next().is_some() {
            // The first version was never finished, or all are lost: nothing refers to what is there.
            self.reset()?;
        }
        Ok(())
    }

    /// Number of records that the maps have taken in.
    pub(super) fn cursor(&self) -> u64 {
        self.newest.unwrap_or(0)
    }

    /// Whether there is a version over `n` records that proofs can be made from.
    pub(super) fn has(&self, n: u64) -> Result<bool, Error> {
        is_whole(&self.shared.store.view(), n)
    }

    /// Forgets everything, in the store too: the maps are made again from the log.
    pub(super) fn reset(&mut self) -> Result<(), Error> {
        self.cache.clear();
        (self.newest, self.newest_whole) = (None, None);
        Ok(self.shared.store.map.clear()?)
    }

    /// The root of the newest version's top map.
    pub(super) fn root(&self) -> Result<Node, Error> {
        let view = self.shared.store.view();
        let pages = Pages {
            view: &view,
            places: &self.places,
        };
        let root = pages.root(Trie::Top, self.cursor())?;
        Ok(root.map_or(tlog::EMPTY_MAP, |(_, page)| page.sum().node()))
    }

    /// Writes version `n`: the maps with what is pending in them. Not `whole` when these are heads of a later state.
    pub(super) fn write(&mut self, n: u64, whole: bool, pending: &mut Pending) -> Result<(), Error> {
        let shared = Arc::clone(&self.shared);
        let view = shared.store.view();
        let places = self.places.clone();
        let mut draft = Draft {
            version: n,
            pages: Pages {
                view: &view,
                places: &places,
            },
            batch: shared.store.lazy_batch(),
            bytes: 0,
            written: Vec::new(),
            superseded: Vec::new(),
        };
        self.change_all(&mut draft, pending)?;
        for (key, nodes) in pending.fragments() {
            draft.put(&shared.store, key, nodes)?;
        }
        let Draft {
            mut batch,
            written,
            superseded,
            ..
        } = draft;
        let map = &shared.store.map;
        // What no whole version reaches goes at once.
        let needed = |old: u64| self.newest_whole.is_some_and(|newest| old <= newest);
        let (superseded, unneeded): (Vec<_>, Vec<_>) = superseded.into_iter().partition(|(_, old)| needed(*old));
        for (id, old) in unneeded {
            batch.remove(map, place::key(&id, old));
        }
        let micros = shared.clock.read().wall.micros();
        self.drop_old(&view, micros, &mut batch)?;
        let version = Version {
            whole,
            micros,
            superseded,
        };
        batch.insert(map, version::key(n), version.encode());
        shared.probe.at(Step::Map)?;
        batch.commit()?;
        shared.probe.at(Step::AfterMap)?;
        self.keep(n, written);
        pending.clear();
        self.newest = Some(n);
        if whole {
            self.newest_whole = Some(n);
        }
        Ok(())
    }

    /// Puts what is pending into the tenants' maps, and these into the top map.
    fn change_all(&self, draft: &mut Draft<'_>, pending: &Pending) -> Result<(), Error> {
        let top = self.root_page(&draft.pages, Trie::Top)?;
        if top.is_none() && self.newest.is_some() {
            return Err(Error::corrupt(
                "keyspace map",
                "the root of the newest version is missing",
            ));
        }
        let mut tenants = Vec::new();
        for (tenant, leaves) in pending.leaves()? {
            let root = self.root_page(&draft.pages, Trie::Tenant(tenant))?;
            let before = top.as_ref().map(|(_, top)| self.before(&draft.pages, top, &tenant));
            let found = root.as_ref().map(|(_, page)| page.sum().node());
            // A map that is missing must not begin anew.
            if found != before.transpose()?.flatten() {
                return Err(Error::corrupt(
                    "keyspace map",
                    "a tenant's map is not the one that the top map names",
                ));
            }
            let map = self.change(draft, Trie::Tenant(tenant), root, &leaves)?;
            let chain = leaves
                .binary_search_by_key(&MapKey::whole_chain(), |leaf| leaf.key)
                .ok();
            let chain = chain.and_then(|at| leaves.get(at));
            let chain = chain.ok_or_else(|| Error::corrupt("keyspace heads", "a record is on no chain"))?;
            tenants.push(MapLeaf {
                key: tenant,
                count: chain.count,
                root: map.node(),
            });
        }
        self.change(draft, Trie::Top, top, &tenants).map(drop)
    }

    /// The root page of a map in the newest version, with the version that wrote it.
    fn root_page(&self, pages: &Pages<'_>, trie: Trie) -> Result<Option<(u64, Page)>, Error> {
        match self.cache.get(&self.places.id(trie, &Path::root())) {
            Some(root) => Ok(Some(root.clone())),
            None => pages.root(trie, self.cursor()),
        }
    }

    fn page(&self, pages: &Pages<'_>, trie: Trie, path: &Path, version: u64) -> Result<Page, Error> {
        match self.cache.get(&self.places.id(trie, path)) {
            Some((kept, page)) if *kept == version => Ok(page.clone()),
            _ => pages.read(trie, path, version),
        }
    }

    /// The root of a tenant's map, as the top map names it.
    fn before(&self, pages: &Pages<'_>, top: &Page, tenant: &MapKey) -> Result<Option<Node>, Error> {
        let mut read = |path: &Path, version: u64| self.page(pages, Trie::Top, path, version);
        let leaf = trie::find(top.clone(), tenant, &mut read)?;
        Ok(leaf.map(|leaf| leaf.root))
    }

    /// Puts leaves into one of the maps.
    fn change(
        &self,
        draft: &mut Draft<'_>,
        trie: Trie,
        root: Option<(u64, Page)>,
        leaves: &[MapLeaf],
    ) -> Result<Sum, Error> {
        let version = draft.version;
        let id = |path: &Path| self.places.id(trie, path);
        let mut read = |path: &Path, version: u64| self.page(&draft.pages, trie, path, version);
        let mut written = Written::default();
        let sum = trie::update(root, leaves, version, &mut read, &mut written)?;
        let cipher = self.places.cipher(version);
        for (path, page) in written.pages {
            let id = id(&path);
            let key = place::key(&id, version);
            let sealed = cipher.seal(KEYSPACE, &key, &page.encode())?;
            draft.put(&self.shared.store, key, sealed)?;
            draft.written.push((id, page));
        }
        let superseded = written.superseded.into_iter();
        draft.superseded.extend(superseded.map(|(path, old)| (id(&path), old)));
        Ok(sum)
    }

    /// Drops versions that nobody may ask for any more, oldest first, with the pages that only they need.
    fn drop_old(&self, view: &View, now: i64, batch: &mut OwnedWriteBatch) -> Result<(), Error> {
        let map = &self.shared.store.map;
        let mut before: Option<Vec<u8>> = None;
        for entry in view.map_prefix(&version::PREFIX).take(DROPPED + 1) {
            let (key, value) = entry?;
            if let Some(before) = before {
                let version = Version::decode(&value)?;
                if version.micros > now.saturating_sub(KEPT_MICROS) {
                    break;
                }
                for (id, old) in version.superseded {
                    batch.remove(map, place::key(&id, old));
                }
                batch.remove(map, before);
            }
            before = Some(key);
        }
        Ok(())
    }

    fn keep(&mut self, version: u64, written: Vec<(PageId, Page)>) {
        self.cache
            .extend(written.into_iter().map(|(id, page)| (id, (version, page))));
        if self.cache.len() > KEPT {
            let mut keep = false;
            self.cache.retain(|_, _| {
                keep = !keep;
                keep
            });
        }
    }
}

//! Where pages lie in the keyspace `map`, and how they are encrypted.
//!
//! ```text
//! 1 || page id, 16 bytes || version u64 BE     a page, encrypted
//! ```
//! A page shows counts and, by its keys, which targets there are to whoever can guess them. So its id is keyed, and it is
//! encrypted under a key of its version alone, derived from the index key, with a random nonce: no count of values has to
//! survive a restart.

use super::trie::Path;
use crate::Error;
use crate::cipher::Cipher;
use crate::index::Index;
use crate::store::read_u64;
use record::Origin;
use tlog::MapKey;
use zeroize::Zeroizing;

/// The keyspace.
pub(super) const KEYSPACE: &str = "map";
const TAG: u8 = 1;
/// Bytes of a page's id.
pub(super) const ID: usize = 16;
/// Epoch of every page: its key is its version's.
const EPOCH: u32 = 0;

/// A page's id: keyed BLAKE3 of which map and where in it.
pub(super) type PageId = [u8; ID];

/// Which map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Trie {
    /// The one over all tenants.
    Top,
    /// That of the tenant with this key in the top map.
    Tenant(MapKey),
}

/// What names and encrypts pages.
#[derive(Clone)]
pub(super) struct Places {
    pub(super) log: Origin,
    pub(super) index: Index,
}

impl Places {
    /// The id of a page.
    pub(super) fn id(&self, trie: Trie, path: &Path) -> PageId {
        let trie = match trie {
            Trie::Top => String::new(),
            Trie::Tenant(key) => hex::encode(key.as_bytes()),
        };
        let digits = path
            .digits()
            .iter()
            .filter_map(|digit| char::from_digit(u32::from(*digit), 16));
        let key = self.index.map_page(&trie, &digits.collect::<String>());
        let mut id = [0; ID];
        id.iter_mut().zip(key).for_each(|(to, from)| *to = from);
        id
    }

    /// What encrypts the pages of a version.
    pub(super) fn cipher(&self, version: u64) -> Cipher {
        let key = self.index.derive_numbered("sigil map v1", version);
        Cipher::new(&self.log, EPOCH, &Zeroizing::new(key))
    }
}

/// Where a page lies.
pub(super) fn key(id: &PageId, version: u64) -> Vec<u8> {
    [&[TAG][..], id, &version.to_be_bytes()].concat()
}

/// What the keys of all versions of a page begin with.
pub(super) fn prefix(id: &PageId) -> Vec<u8> {
    [&[TAG][..], id].concat()
}

/// The version in a page's key.
pub(super) fn version(key: &[u8]) -> Result<u64, Error> {
    read_u64("keyspace map", key.get(1 + ID..).unwrap_or_default())
}

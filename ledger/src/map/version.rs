//! Versions of the maps: which there are, and what may go when they are old.
//!
//! ```text
//! 2 || n u64 BE     u8 1 (whole) or 0, i64 microseconds when it was written, then per page that it superseded:
//!                   16 bytes page id, u64 version of the page
//! ```
//! A version is the maps over the records below n. One that is not whole is a step of catching up: it is there so that
//! the work goes on from it, and no proof is made from it.
//!
//! Invariant: the pages that version v superseded are needed by versions before v only. So once v has been there for
//! [`KEPT_MICROS`], whoever wants an older state is served by v or something newer, and they go, and with them the entry
//! before v. The newest version is always kept.

use super::place::{ID, PageId};
use crate::Error;
use crate::store::{View, read_u64};

const TAG: u8 = 2;
/// How long a version can be read after it was superseded, in microseconds.
pub(super) const KEPT_MICROS: i64 = 15 * 60 * 1_000_000;

/// A version, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    /// Whether the maps are those over the records below n.
    pub(super) whole: bool,
    /// When it was written.
    pub(super) micros: i64,
    /// Pages of earlier versions that it does not use any more.
    pub(super) superseded: Vec<(PageId, u64)>,
}

/// Where a version lies.
pub(super) fn key(n: u64) -> Vec<u8> {
    [&[TAG][..], &n.to_be_bytes()].concat()
}

/// What the keys of all versions begin with.
pub(super) const PREFIX: [u8; 1] = [TAG];

/// The number in a version's key.
pub(super) fn number(key: &[u8]) -> Result<u64, Error> {
    read_u64("keyspace map", key.get(1..).unwrap_or_default())
}

impl Version {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(9 + (ID + 8) * self.superseded.len());
        out.push(u8::from(self.whole));
        out.extend_from_slice(&self.micros.to_be_bytes());
        for (id, version) in &self.superseded {
            out.extend_from_slice(id);
            out.extend_from_slice(&version.to_be_bytes());
        }
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let read = || {
            let (whole, rest) = bytes.split_first()?;
            let (micros, rest) = rest.split_first_chunk::<8>()?;
            let (pages, rest) = rest.as_chunks::<{ ID + 8 }>();
            let page = |page: &[u8; ID + 8]| {
                let (id, version) = page.split_first_chunk::<ID>()?;
                Some((*id, u64::from_be_bytes(version.try_into().ok()?)))
            };
            (rest.is_empty() && *whole <= 1).then_some(Self {
                whole: *whole == 1,
                micros: i64::from_be_bytes(*micros),
                superseded: pages.iter().map(page).collect::<Option<_>>()?,
            })
        };
        read().ok_or_else(malformed)
    }
}

fn malformed() -> Error {
    Error::corrupt("keyspace map", "a version is malformed")
}

/// Whether there is a version over `n` records that proofs can be made from.
pub(super) fn is_whole(view: &View, n: u64) -> Result<bool, Error> {
    match view.map(&key(n))?.as_deref() {
        None => Ok(false),
        // What it superseded may be long and says nothing here.
        Some([whole @ 0..=1, ..]) => Ok(*whole == 1),
        Some(_) => Err(malformed()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_as_written() {
        let version = Version {
            whole: true,
            micros: -5,
            superseded: vec![([1; ID], 7), ([2; ID], 0)],
        };
        let bytes = version.encode();
        assert_eq!(Version::decode(&bytes).unwrap(), version);
        assert_eq!(bytes.len(), 9 + 2 * 24);
        for end in (0..9).chain([10, 20, 32]) {
            assert!(Version::decode(&bytes[..end]).is_err(), "{end}");
        }
        assert!(Version::decode(&[&[2][..], &bytes[1..]].concat()).is_err());
        assert_eq!(number(&key(258)).unwrap(), 258);
        assert!(number(&key(1)[..8]).is_err());
    }
}

//! The paths of C2SP tlog-tiles, read: what a server is asked for.
//!
//! ```text
//! tile/<level>/<index>[.p/<width>]      tile/0/x001/x234/067.p/112
//! tile/entries/<index>[.p/<width>]      tile/entries/x001/x234/067
//! ```
//!
//! Invariant: a path has one spelling: what parses prints the same text again.

use crate::tile::TileId;
use crate::{Error, What};
use std::fmt;

/// Largest level of a tile (tlog-tiles: 0 to 63).
const MAX_LEVEL: u8 = 63;

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TilePath {
    /// Nodes of the tree.
    Tile {
        /// Which tile.
        id: TileId,
        /// Nodes of a partial tile, 1 to 255.
        width: Option<u8>,
    },
    /// Leaf data.
    Entries {
        /// The tile of level 0 whose leaves these are.
        index: u64,
        /// Entries of a partial bundle, 1 to 255.
        width: Option<u8>,
    },
}

impl TilePath {
    /// Reads a path without its prefix.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for every other spelling.
    pub fn parse(path: &str) -> Result<Self, Error> {
        let read = || {
            let (kind, rest) = path.strip_prefix("tile/")?.split_once('/')?;
            let (number, width) = match rest.split_once(".p/") {
                Some((number, width)) => (number, Some(width.parse::<u8>().ok().filter(|width| *width > 0)?)),
                None => (rest, None),
            };
            let index = parse_index(number)?;
            if kind == "entries" {
                return Some(Self::Entries { index, width });
            }
            let level = kind.parse().ok().filter(|level| *level <= MAX_LEVEL)?;
            let id = TileId { level, index };
            Some(Self::Tile { id, width })
        };
        let parsed = read().filter(|parsed| parsed.to_string() == path);
        parsed.ok_or(What::TilePath.malformed("its form is tile/<level or entries>/<x001/x234/067>[.p/<1 to 255>]"))
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tile { id, width } => f.write_str(&id.path(*width)),
            Self::Entries { index, width } => {
                let level_0 = TileId {
                    level: 0,
                    index: *index,
                }
                .path(*width);
                f.write_str(&level_0.replacen("tile/0/", "tile/entries/", 1))
            }
        }
    }
}

/// `x001/x234/067` as a number.
fn parse_index(text: &str) -> Option<u64> {
    let mut index = 0_u64;
    for part in text.split('/') {
        let digits = part.strip_prefix('x').unwrap_or(part);
        let group: u64 = (digits.len() == 3).then(|| digits.parse().ok()).flatten()?;
        index = index.checked_mul(1_000)?.checked_add(group)?;
    }
    Some(index)
}

//! Entry bundles: the leaf data of a tile's leaves, one after the other (C2SP tlog-tiles v0.1.0).
//!
//! ```text
//! u16 BE length || entry, at most 256 times
//! ```

use crate::tile::TILE_WIDTH;
use crate::{Error, What};

/// Adds an entry to a bundle.
///
/// # Errors
///
/// [`Error::Malformed`] when it has more than 65,535 bytes: no bundle can hold it.
pub fn push_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), Error> {
    let length = u16::try_from(entry.len());
    let length = length.map_err(|_| What::EntryBundle.malformed("an entry has more than 65,535 bytes"))?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// The entries of a bundle.
///
/// # Errors
///
/// [`Error::Malformed`] when it ends inside an entry or holds more than 256.
pub fn entries(mut bundle: &[u8]) -> Result<Vec<&[u8]>, Error> {
    let mut entries = Vec::new();
    while !bundle.is_empty() {
        let cut = What::EntryBundle.malformed("it ends inside an entry");
        let (length, rest) = bundle.split_first_chunk::<2>().ok_or(cut.clone())?;
        let (entry, rest) = rest
            .split_at_checked(usize::from(u16::from_be_bytes(*length)))
            .ok_or(cut)?;
        entries.push(entry);
        if entries.len() > TILE_WIDTH {
            return Err(What::EntryBundle.malformed("it holds more than 256 entries"));
        }
        bundle = rest;
    }
    Ok(entries)
}

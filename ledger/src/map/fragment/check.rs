//! Everything that is stored of a timeline's tree, recomputed from its leaves.
//!
//! The rows of a tree lie behind each other in the store: they are read side by side, so that memory holds one tile of each.

use super::{NAME, ROWS, TILE, Tile, put, row_key};
use crate::Error;
use crate::index::Key;
use std::iter::Peekable;
use tlog::{Frontier, Node};

/// The root over the first `count` leaves of a timeline's tree, with every node that is stored above them recomputed.
/// `scan` gives the entries whose keys begin with some bytes. Memory does not grow with the timeline.
pub(in crate::map) fn check<I: Iterator<Item = Result<(Vec<u8>, Vec<u8>), Error>>>(
    timeline: &Key,
    count: u64,
    scan: impl Fn(Vec<u8>) -> I,
) -> Result<Node, Error> {
    let open = |row: u8| Row {
        row,
        next: 0,
        entries: scan(row_key(timeline, row)).peekable(),
        tile: [None; TILE as usize],
    };
    let (mut frontier, mut leaves, mut above) = (Frontier::new(), open(0), Vec::new());
    for _ in 0..count {
        let leaf = leaves.next()?;
        let mut completed = Vec::new();
        frontier.append(leaf, |node| completed.push(node));
        let stored = completed.into_iter().skip(ROWS as usize - 1).step_by(ROWS as usize);
        for (at, node) in stored.enumerate() {
            if at == above.len() {
                above.push(open(at as u8 + 1));
            }
            let Some(row) = above.get_mut(at) else { continue };
            if row.next()? != node {
                return Err(Error::corrupt(row.place(), "another node is stored"));
            }
        }
    }
    Ok(frontier.root())
}

/// The nodes of one row of a tree, in order, as a reader of its tiles would see them.
struct Row<I: Iterator> {
    row: u8,
    /// Number of the next node.
    next: u64,
    entries: Peekable<I>,
    tile: Tile,
}

impl<I: Iterator<Item = Result<(Vec<u8>, Vec<u8>), Error>>> Row<I> {
    fn next(&mut self) -> Result<Node, Error> {
        if self.next.is_multiple_of(TILE) {
            self.load(self.next / TILE)?;
        }
        let node = self.tile.get((self.next % TILE) as usize).copied().flatten();
        self.next += 1;
        node.ok_or_else(|| Error::corrupt(self.place(), "it is missing"))
    }

    /// Joins the fragments of a tile; those of tiles before it belong to nothing.
    fn load(&mut self, tile: u64) -> Result<(), Error> {
        self.tile = [None; TILE as usize];
        let at = |entry: &Result<(Vec<u8>, Vec<u8>), Error>| entry.as_ref().map_or(Some(tile), |(key, _)| tile_of(key));
        while let Some(entry) = self.entries.next_if(|entry| at(entry).is_none_or(|at| at <= tile)) {
            let (key, value) = entry?;
            if tile_of(&key) != Some(tile) || !put(&key, &value, &mut self.tile) {
                let place = format!("keyspace map: row {} of a timeline's tree, tile {tile}", self.row);
                return Err(Error::corrupt(place, "a fragment is malformed"));
            }
        }
        Ok(())
    }

    /// The node that was given last.
    fn place(&self) -> String {
        let (index, row) = (self.next.saturating_sub(1), self.row);
        format!("keyspace map: node {index} in row {row} of a timeline's tree")
    }
}

/// The tile in a fragment's key.
fn tile_of(key: &[u8]) -> Option<u64> {
    let tile = key.get(1 + NAME + 1..1 + NAME + 1 + 8)?;
    Some(u64::from_be_bytes(tile.try_into().ok()?))
}

//! The reading side of proofs: what the log's tree, its checkpoints and its maps prove, as nodes and notes.
//!
//! Invariant: nothing is given out that the newest checkpoint does not cover, so whoever gets a node gets it with a signed
//! head that he can hold it against. Nothing here signs or verifies.

mod timeline;
mod tree;

pub(crate) use tree::{LogTree, Tiles};

use crate::checkpoint::kept;
use crate::engine::Shared;
use crate::{Error, recovery};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ledger_client::proof::{Answer, PathProof, Question, SignedCheckpoint, Unprovable};
use record::Tenant;
use std::sync::Arc;
use timeline::Name;
use tlog::{Node, Perfect, TileId, log_entry};
use tree::TILE;

/// What a question is answered from.
pub(crate) struct Prover<'a> {
    pub(crate) shared: &'a Shared,
    /// The newest checkpoint.
    pub(crate) newest: Option<Arc<SignedCheckpoint>>,
}

/// An answer, or why there is none; `None` when the question does not fit the log.
type Proven = Result<Option<Result<Answer, Unprovable>>, Error>;

/// Why a proof could not be built. What the tree is asked for was checked before, so its own errors mean damage.
struct Failed(Error);

impl From<tlog::Error> for Failed {
    fn from(error: tlog::Error) -> Self {
        Self(Error::corrupt("the log tree", error.to_string()))
    }
}

impl Prover<'_> {
    /// Answers a sound question that does not wait; `None` when it asks about records that are not where it says.
    pub(crate) fn answer(&self, question: &Question) -> Result<Option<Answer>, Error> {
        let answer = match question {
            Question::Checkpoint { .. } => Some(Ok(Answer::Checkpoint(self.newest.as_deref().cloned()))),
            // The configuration's, which is not read here.
            Question::Policy => None,
            Question::Checkpoints { below, limit } => {
                let page = kept::page(&self.shared.store, *below, usize::from(*limit))?;
                Some(Ok(Answer::Checkpoints(page)))
            }
            Question::Inclusion { offset, size } => self.inclusion(*offset, *size)?,
            Question::Consistency { from, to } => self.consistency(*from, *to)?,
            Question::Range { from, until, size } => self.range(*from, *until, *size)?,
            Question::Tile { level, index, width } => self.tile(*level, *index, *width)?,
            Question::Entries { index, width } => self.entries(*index, *width)?,
            Question::Timeline {
                tenant,
                label,
                target,
                at_most,
                stretch,
            } => match Tenant::parse(tenant) {
                Some(tenant) => self.timeline(
                    Name {
                        tenant: &tenant,
                        label,
                        target,
                    },
                    *at_most,
                    *stretch,
                )?,
                None => None,
            },
        };
        Ok(answer.map(|answer| answer.unwrap_or_else(Answer::Unprovable)))
    }

    /// The newest checkpoint's size, when it covers the first `size` records.
    fn covered(&self, size: u64) -> Result<u64, Unprovable> {
        let newest = self.newest.as_ref().map_or(0, |newest| newest.size);
        match size {
            _ if size <= newest && newest > 0 => Ok(newest),
            _ if size > self.shared.committed_size() => Err(Unprovable::BeyondEnd),
            _ => Err(Unprovable::NotYet),
        }
    }

    fn inclusion(&self, offset: u64, size: Option<u64>) -> Proven {
        let size = match self.covered(size.unwrap_or_else(|| offset.saturating_add(1))) {
            Ok(newest) => size.unwrap_or(newest),
            Err(reason) => return Ok(Some(Err(reason))),
        };
        if offset >= size {
            return Ok(Some(Err(Unprovable::BeyondEnd)));
        }
        self.path(size, |tree| tlog::prove_inclusion(offset, size, tree))
    }

    fn consistency(&self, from: u64, to: u64) -> Proven {
        if let Err(reason) = self.covered(to) {
            return Ok(Some(Err(reason)));
        }
        self.path(to, |tree| tlog::prove_consistency(from, to, tree))
    }

    fn range(&self, from: u64, until: u64, size: u64) -> Proven {
        if let Err(reason) = self.covered(size) {
            return Ok(Some(Err(reason)));
        }
        if until > size {
            return Ok(Some(Err(Unprovable::BeyondEnd)));
        }
        self.path(size, |tree| tlog::prove_range(from, until, size, tree))
    }

    fn path(
        &self,
        size: u64,
        prove: impl FnOnce(&mut dyn FnMut(Perfect) -> Result<Node, Failed>) -> Result<Vec<Node>, Failed>,
    ) -> Proven {
        let tree = LogTree(self.shared);
        let nodes = prove(&mut |place| tree.node(place).map_err(Failed)).map_err(failed)?;
        Ok(Some(Ok(Answer::Path(PathProof {
            size,
            nodes: nodes.iter().map(encode).collect(),
            checkpoint: kept::at(&self.shared.store, size)?,
        }))))
    }

    fn tile(&self, level: u8, index: u64, width: Option<u8>) -> Proven {
        // A level that no tree reaches begins behind every end.
        let end = row_end(index, width).and_then(|end| {
            end.checked_shl(8 * u32::from(level))
                .filter(|leaves| leaves >> (8 * u32::from(level)) == end)
        });
        if let Err(reason) = end.map_or(Err(Unprovable::BeyondEnd), |end| self.covered(end)) {
            return Ok(Some(Err(reason)));
        }
        let width = width.map_or(TILE, usize::from);
        let nodes = LogTree(self.shared).tile(TileId { level, index }, width)?;
        let bytes: Vec<u8> = nodes.iter().take(width).flat_map(|node| *node.as_bytes()).collect();
        Ok(Some(Ok(Answer::Bytes(STANDARD.encode(bytes)))))
    }

    fn entries(&self, index: u64, width: Option<u8>) -> Proven {
        let end = row_end(index, width);
        if let Err(reason) = end.map_or(Err(Unprovable::BeyondEnd), |end| self.covered(end)) {
            return Ok(Some(Err(reason)));
        }
        let (first, width) = (index * TILE as u64, width.map_or(TILE, usize::from));
        let mut bundle = Vec::with_capacity(width * 200);
        for offset in first..first + width as u64 {
            tlog::push_entry(&mut bundle, &entry(self.shared, offset)?)
                .map_err(|error| Error::corrupt(format!("the log at offset {offset}"), error.to_string()))?;
        }
        Ok(Some(Ok(Answer::Bytes(STANDARD.encode(bundle)))))
    }
}

fn failed(Failed(error): Failed) -> Error {
    error
}

/// Behind the last node of a tile's row.
fn row_end(index: u64, width: Option<u8>) -> Option<u64> {
    let width = width.map_or(TILE as u64, u64::from);
    index.checked_mul(TILE as u64)?.checked_add(width)
}

/// Leaf data of the record at `offset`, which is committed.
pub(crate) fn entry(shared: &Shared, offset: u64) -> Result<Vec<u8>, Error> {
    let missing = || Error::corrupt(format!("the log at offset {offset}"), "this record is missing");
    let record = recovery::parse(&shared.record(offset)?.ok_or_else(missing)?, offset)?;
    Ok(log_entry(offset, record.hash.as_bytes(), record.bytes()))
}

/// A node as it travels.
pub(crate) fn encode(node: &Node) -> String {
    STANDARD.encode(node.as_bytes())
}

#[cfg(test)]
mod tests;

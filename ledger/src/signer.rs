//! Signing, on all cores: the largest part of an append, so it runs beside the sequencer and beside the disk.
//!
//! Per record: the signature, the SHA-256 of the signed bytes, the leaf of the log tree and the leaf of its timelines.

use crate::prepare::Prepared;
use crate::sequencer::{Batch, Sequenced};
use rayon::prelude::*;
use record::{Hash, Timestamp};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use tlog::{Node, hash_leaf, log_entry, timeline_entry};

/// A record with its final bytes and its leaves.
pub(crate) struct Signed {
    pub(crate) prepared: Prepared,
    pub(crate) offset: u64,
    pub(crate) seq: u64,
    pub(crate) ts: Timestamp,
    pub(crate) hash: Hash,
    pub(crate) bytes: Arc<[u8]>,
    pub(crate) leaf: Node,
    pub(crate) timeline_leaf: Node,
}

/// A batch whose records are signed; the batch's own list is empty by now.
pub(crate) type SignedBatch = (Batch, Vec<Signed>);

/// Signs batches in order until no more come.
pub(crate) fn run(pool: &rayon::ThreadPool, batches: &Receiver<Batch>, signed: &SyncSender<SignedBatch>) {
    while let Ok(mut batch) = batches.recv() {
        let records = std::mem::take(&mut batch.records);
        let done = pool.install(|| records.into_par_iter().map(sign).collect());
        if signed.send((batch, done)).is_err() {
            return;
        }
    }
}

fn sign(record: Sequenced) -> Signed {
    let Sequenced {
        prepared,
        stamped,
        offset,
        seq,
        ts,
        key,
    } = record;
    let hash = *stamped.hash();
    let bytes: Arc<[u8]> = stamped.sign(&key).into();
    Signed {
        leaf: hash_leaf(&log_entry(offset, hash.as_bytes(), &bytes)),
        timeline_leaf: hash_leaf(&timeline_entry(hash.as_bytes())),
        prepared,
        offset,
        seq,
        ts,
        hash,
        bytes,
    }
}

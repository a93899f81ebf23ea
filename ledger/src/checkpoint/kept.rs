//! Checkpoints in the store: `meta` under `"checkpoint" || 0x00 || size u64 BE`, the JSON of a [`SignedCheckpoint`].
//!
//! Clear text: whoever may see a checkpoint may see all of it. All of the last 15 minutes are kept, as the maps are, and
//! of what is older the newest of each hour.

use crate::Error;
use crate::store::{Store, View, read_u64};
use fjall::OwnedWriteBatch;
use ledger_client::proof::SignedCheckpoint;
use std::ops::Bound;

const PREFIX: &[u8] = b"checkpoint\0";
/// How long every checkpoint is kept, in microseconds.
pub(crate) const ALL_MICROS: i64 = 15 * 60 * 1_000_000;
const HOUR_MICROS: i64 = 60 * 60 * 1_000_000;

fn key(size: u64) -> Vec<u8> {
    [PREFIX, &size.to_be_bytes()].concat()
}

/// The newest checkpoint.
pub(crate) fn newest(store: &Store) -> Result<Option<SignedCheckpoint>, Error> {
    newest_first(store, None).next().transpose()
}

/// The checkpoint of exactly this size.
pub(crate) fn at(store: &Store, size: u64) -> Result<Option<SignedCheckpoint>, Error> {
    store.meta.get(key(size))?.map(|value| decode(size, &value)).transpose()
}

/// Checkpoints with fewer than `below` records, newest first.
pub(crate) fn page(store: &Store, below: Option<u64>, limit: usize) -> Result<Vec<SignedCheckpoint>, Error> {
    newest_first(store, below).take(limit).collect()
}

/// Checkpoints with fewer than `below` records, newest first, read as they are asked for.
pub(crate) fn newest_first(
    store: &Store,
    below: Option<u64>,
) -> impl Iterator<Item = Result<SignedCheckpoint, Error>> + use<> {
    let end = below.map_or(Bound::Included(key(u64::MAX)), |below| Bound::Excluded(key(below)));
    let entries = store.meta.range((Bound::Included(key(0)), end)).rev();
    entries.map(|guard| {
        let (key, value) = guard.into_inner()?;
        decode(read_size(&key)?, &value)
    })
}

/// Every checkpoint in a view of the store, smallest first: its size as 8 bytes, and its JSON, which reads.
pub(crate) fn entries(view: &View) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), Error>> + use<> {
    view.meta_prefix(PREFIX).map(|entry| {
        let (key, value) = entry?;
        let size = read_size(&key)?;
        decode(size, &value)?;
        Ok((size.to_be_bytes().to_vec(), value))
    })
}

/// Writes a checkpoint, in place of one of its size.
pub(crate) fn put(store: &Store, batch: &mut OwnedWriteBatch, checkpoint: &SignedCheckpoint) -> Result<(), Error> {
    let value = serde_json::to_vec(checkpoint).map_err(|error| Error::Store(error.to_string()))?;
    batch.insert(&store.meta, key(checkpoint.size), value);
    Ok(())
}

/// Which checkpoints were thinned out: every one below this size.
#[derive(Default)]
pub(crate) struct Thinned(u64);

impl Thinned {
    /// Removes what need not be kept at `now`, in microseconds. At a time it looks at what has grown old since.
    pub(crate) fn thin(&mut self, store: &Store, batch: &mut OwnedWriteBatch, now: i64) -> Result<(), Error> {
        let mut before: Option<SignedCheckpoint> = None;
        for guard in store.meta.range(key(self.0)..=key(u64::MAX)) {
            let (key_bytes, value) = guard.into_inner()?;
            let checkpoint = decode(read_size(&key_bytes)?, &value)?;
            if checkpoint.signed_at >= now.saturating_sub(ALL_MICROS) {
                break;
            }
            let hour = |checkpoint: &SignedCheckpoint| checkpoint.signed_at.div_euclid(HOUR_MICROS);
            if let Some(before) = before.filter(|before| hour(before) == hour(&checkpoint)) {
                batch.remove(&store.meta, key(before.size));
            }
            self.0 = checkpoint.size;
            before = Some(checkpoint);
        }
        Ok(())
    }
}

fn read_size(key: &[u8]) -> Result<u64, Error> {
    let size = key.strip_prefix(PREFIX).unwrap_or_default();
    read_u64("keyspace meta, a checkpoint's key", size)
}

/// Reads the JSON of the checkpoint of this size.
pub(crate) fn decode(size: u64, value: &[u8]) -> Result<SignedCheckpoint, Error> {
    let place = || format!("the checkpoint of {size} records");
    let read: SignedCheckpoint =
        serde_json::from_slice(value).map_err(|error| Error::corrupt(place(), error.to_string()))?;
    if read.size == size {
        Ok(read)
    } else {
        Err(Error::corrupt(place(), "it stands under another size"))
    }
}

//! Reading an open log: its end, ranges, single records and sealed values. Never beyond what is published.

use super::Handle;
use crate::disclosure::{self, Found};
use crate::engine::Shared;
use crate::{Error, recovery};
use ledger_client::{Committed, Head};
use record::{Opening, RecordId, Tenant};
use std::sync::Arc;

/// Bytes of one answer, about.
const READ_BYTES: usize = 4 * 1_024 * 1_024;

impl Handle {
    pub(super) async fn read_head(&self) -> Result<Head, ledger_client::Error> {
        let tip = self.reader()?.tip();
        Ok(Head {
            log: self.origin().clone(),
            size: tip.map_or(0, |tip| tip.size),
            hash: tip.map(|tip| tip.hash),
            root: tip.map_or(*tlog::EMPTY_ROOT.as_bytes(), |tip| tip.root),
            ts: tip.map(|tip| tip.ts),
        })
    }

    pub(super) async fn read_records(&self, from: u64, limit: usize) -> Result<Vec<Committed>, ledger_client::Error> {
        let shared = self.reader()?;
        if from >= shared.committed_size() {
            return Ok(Vec::new());
        }
        if let Some(records) = shared.recent.read(from, limit, READ_BYTES) {
            return Ok(records);
        }
        self.blocking(move || read_blocks(&shared, from, limit)).await
    }

    pub(super) async fn find_record(
        &self,
        tenant: Tenant,
        id: RecordId,
    ) -> Result<Option<Committed>, ledger_client::Error> {
        let (shared, key) = (self.reader()?, self.inner.preparer.index.id(&tenant, &id));
        self.blocking(move || find(&shared, &key)).await
    }

    pub(super) async fn open_record(
        &self,
        tenant: Tenant,
        id: RecordId,
    ) -> Result<Option<Vec<Opening>>, ledger_client::Error> {
        let (shared, key) = (self.reader()?, self.inner.preparer.index.id(&tenant, &id));
        let open = move || {
            let Some(found) = find(&shared, &key)? else {
                return Ok(None);
            };
            let record = recovery::parse(&found.bytes, found.offset)?;
            disclosure::read(&shared.preparer, &shared.store, &shared.scopes(), &record).map(Some)
        };
        let Some(found) = self.blocking(open).await? else {
            return Ok(None);
        };
        let opening = |(pointer, found): (String, Found)| match found {
            Found::Opening(opening) => Ok(opening),
            Found::KeyLost | Found::Absent => Err(ledger_client::Error::ScopeKeyLost),
            Found::Damaged => Err(ledger_client::Error::Corrupt(format!(
                "the sealed value at {pointer} cannot be opened"
            ))),
        };
        found.into_iter().map(opening).collect::<Result<_, _>>().map(Some)
    }

    /// Runs store reads on a thread that may block.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, ledger_client::Error> {
        match tokio::task::spawn_blocking(read).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(failed(error)),
            Err(error) => Err(ledger_client::Error::Unavailable {
                reason: format!("a read was interrupted: {error}"),
            }),
        }
    }
}

/// What a client is told about a failed read.
pub(super) fn failed(error: Error) -> ledger_client::Error {
    if error.is_damage() {
        return ledger_client::Error::Corrupt(error.to_string());
    }
    ledger_client::Error::Unavailable {
        reason: error.to_string(),
    }
}

fn find(shared: &Shared, key: &crate::index::Key) -> Result<Option<Committed>, Error> {
    let Some(offset) = shared.store.id(key)?.filter(|offset| *offset < shared.committed_size()) else {
        return Ok(None);
    };
    let missing = || Error::corrupt(format!("the log at offset {offset}"), "an id names a missing record");
    let bytes = shared.record(offset)?.ok_or_else(missing)?;
    Ok(Some(Committed { offset, bytes }))
}

fn read_blocks(shared: &Arc<Shared>, from: u64, limit: usize) -> Result<Vec<Committed>, Error> {
    let (mut records, mut bytes) = (Vec::new(), 0);
    let missing = |offset: u64| Error::corrupt(format!("the log at offset {offset}"), "records are missing here");
    let (start, _) = shared.store.block_at(from)?.ok_or_else(|| missing(from))?;
    for guard in shared.store.log.range(start.to_be_bytes()..) {
        let (key, sealed) = guard.into_inner()?;
        let first = crate::store::block_key(&key)?;
        for (stored, offset) in shared.decoder().block(first, &sealed)?.into_iter().zip(first..) {
            if offset >= shared.committed_size() || records.len() >= limit || bytes >= READ_BYTES {
                return Ok(records);
            }
            if offset >= from {
                let next = from + records.len() as u64;
                if offset != next {
                    return Err(missing(next));
                }
                bytes += stored.bytes.len();
                records.push(Committed {
                    offset,
                    bytes: stored.bytes,
                });
            }
        }
    }
    // Asked for is only what is committed, so there is a record.
    if records.is_empty() {
        Err(missing(from))
    } else {
        Ok(records)
    }
}

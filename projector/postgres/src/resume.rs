//! Where checking goes on: the ends of the chains and the keys, read from the tables in one snapshot.

use crate::fault::{damaged, fault, number};
use crate::snapshot::Snapshot;
use crate::statements;
use projector::{ChainEnd, Error, Resume};
use record::{Hash, Origin, Tenant, Timestamp};

/// What the tables that `snapshot` sees say about the records applied so far.
pub(crate) async fn read(snapshot: &mut Snapshot<'_>, log: &Origin) -> Result<Resume, Error> {
    let position = snapshot.position;
    let connection = &mut *snapshot.transaction;
    let last_ts = sqlx::query_scalar(statements::SELECT_LAST_TS).fetch_optional(&mut *connection);
    let last_ts: Option<i64> = last_ts.await.map_err(fault)?;
    let chains = sqlx::query_as(statements::SELECT_CHAINS).fetch_all(&mut *connection);
    let chains: Vec<(String, i64, Vec<u8>)> = chains.await.map_err(fault)?;
    let key_records = sqlx::query_scalar(statements::SELECT_KEY_RECORDS).fetch_all(&mut *connection);
    Ok(Resume {
        log: log.clone(),
        position,
        last_ts: last_ts.and_then(Timestamp::from_micros),
        key_records: key_records.await.map_err(fault)?,
        chains: chains.into_iter().map(chain_end).collect::<Result<_, _>>()?,
    })
}

fn chain_end((tenant, seq, hash): (String, i64, Vec<u8>)) -> Result<ChainEnd, Error> {
    let wrong = || damaged("the end of a chain cannot be read: rebuild it from the log");
    let hash: [u8; 32] = hash.try_into().map_err(|_| wrong())?;
    Ok(ChainEnd {
        tenant: Tenant::parse(&tenant).ok_or_else(wrong)?,
        seq: number(seq)?,
        hash: Hash::from(hash),
    })
}

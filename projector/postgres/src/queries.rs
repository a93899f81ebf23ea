//! Answers: each from one snapshot, in the reader's role and for one tenant, with the position that the snapshot had
//! reached.

use crate::fault::{damaged, fault, integer, no_answer, number};
use crate::{ReadModel, page, parked, snapshot, statements};
use projector::Error;
use projector::plan::{self, Axis, Driver, Plan, Tables, TextRange};
use projector::query::{CanonEntry, Page, Pending, Queries, Row, TimelineRequest};
use record::{RecordId, Tenant, Timestamp};
use sqlx::PgConnection;

/// A row as it is read: offset, at, bytes.
type Read = (i64, i64, Vec<u8>);

impl ReadModel {
    async fn question(&self, tenant: Option<&Tenant>) -> Result<snapshot::Snapshot<'static>, Error> {
        snapshot::question(&self.0.server, &self.0.origin, tenant.map(Tenant::as_str)).await
    }

    /// An answer, or an error in time: a server that has vanished does not say so.
    fn in_time<'a, T>(&'a self, answer: impl Future<Output = Result<T, Error>> + Send + 'a) -> Pending<'a, T> {
        let config = &self.0.server.config;
        let limit = config.acquire_timeout + config.statement_timeout;
        Box::pin(async move {
            let answer = tokio::time::timeout(limit, answer).await;
            answer.unwrap_or_else(|_| Err(fault(no_answer(limit))))
        })
    }
}

impl Queries for ReadModel {
    fn position(&self) -> Pending<'_, u64> {
        self.in_time(async move { Ok(self.question(None).await?.position) })
    }

    fn record(&self, tenant: Tenant, id: RecordId) -> Pending<'_, Option<Row>> {
        self.in_time(async move {
            let mut snapshot = self.question(Some(&tenant)).await?;
            let found = sqlx::query_as(statements::SELECT_RECORD)
                .bind(tenant.as_str())
                .bind(id.as_bytes().as_slice());
            let found = found.fetch_optional(&mut *snapshot.transaction).await.map_err(fault)?;
            found.map(row).transpose()
        })
    }

    fn record_at(&self, tenant: Tenant, seq: u64) -> Pending<'_, Option<Row>> {
        self.in_time(async move {
            // No chain is that long.
            let Ok(seq) = i64::try_from(seq) else { return Ok(None) };
            let mut snapshot = self.question(Some(&tenant)).await?;
            let found = sqlx::query_as(statements::SELECT_RECORD_AT)
                .bind(tenant.as_str())
                .bind(seq);
            let found = found.fetch_optional(&mut *snapshot.transaction).await.map_err(fault)?;
            found.map(row).transpose()
        })
    }

    fn timeline(&self, request: TimelineRequest) -> Pending<'_, Page> {
        self.in_time(async move {
            let mut snapshot = self.question(Some(&request.tenant)).await?;
            let position = snapshot.position;
            plan::page(&mut Rows(&mut snapshot.transaction), &request, position).await
        })
    }

    fn parked_count(&self, tenant: Tenant) -> Pending<'_, u64> {
        self.in_time(async move {
            let mut snapshot = self.question(Some(&tenant)).await?;
            parked::count(&mut snapshot.transaction, tenant.as_str()).await
        })
    }

    fn canon_entry(&self, tenant: Tenant, key: String) -> Pending<'_, Option<CanonEntry>> {
        self.in_time(async move {
            // No record holds U+0000, and a text of Postgres cannot.
            if key.contains('\0') {
                return Ok(None);
            }
            let mut snapshot = self.question(Some(&tenant)).await?;
            let found = sqlx::query_as(statements::SELECT_CANON).bind(tenant.as_str()).bind(key);
            let found: Option<(Vec<u8>, i64, i64)> =
                found.fetch_optional(&mut *snapshot.transaction).await.map_err(fault)?;
            let entry = |(value, min_loa, offset)| {
                let wrong = |_| damaged("a canon entry has no level of assurance: rebuild it from the log");
                Ok(CanonEntry {
                    value,
                    min_loa: u8::try_from(min_loa).map_err(wrong)?,
                    offset: number(offset)?,
                })
            };
            found.map(entry).transpose()
        })
    }
}

/// The tables of one generation, as one transaction sees them.
struct Rows<'c>(&'c mut PgConnection);

impl Tables for Rows<'_> {
    fn offset_of<'a>(&'a mut self, tenant: &'a str, time: Timestamp, position: u64) -> Pending<'a, u64> {
        Box::pin(async move {
            let found = sqlx::query_scalar(statements::SELECT_OFFSET_OF_TS)
                .bind(tenant)
                .bind(time.micros())
                .bind(integer(position));
            number(found.fetch_one(&mut *self.0).await.map_err(fault)?)
        })
    }

    fn timeline<'a>(
        &'a mut self,
        tenant: &'a str,
        label: &'static str,
        target: &'a str,
    ) -> Pending<'a, Option<(i64, u64)>> {
        Box::pin(async move {
            let found = sqlx::query_as(statements::SELECT_TIMELINE)
                .bind(tenant)
                .bind(label)
                .bind(target);
            let found = found.fetch_optional(&mut *self.0).await.map_err(fault)?;
            found.map(counted).transpose()
        })
    }

    fn timelines<'a>(
        &'a mut self,
        tenant: &'a str,
        label: &'static str,
        targets: &'a TextRange,
        limit: i64,
    ) -> Pending<'a, Vec<(i64, u64)>> {
        Box::pin(async move {
            let mut find = page::timelines(tenant, label, targets, limit);
            let found = find.build_query_as().fetch_all(&mut *self.0).await.map_err(fault)?;
            found.into_iter().map(counted).collect()
        })
    }

    fn count<'a>(
        &'a mut self,
        plan: &'a Plan,
        driver: &'a Driver,
        along: Option<Axis>,
        limit: i64,
    ) -> Pending<'a, u64> {
        Box::pin(async move {
            let mut sql = page::count(plan, driver, along, limit);
            let rows = sql.build_query_scalar().fetch_one(&mut *self.0);
            number(rows.await.map_err(fault)?)
        })
    }

    fn parked<'a>(&'a mut self, tenant: &'a str) -> Pending<'a, u64> {
        Box::pin(parked::count(&mut *self.0, tenant))
    }

    fn rows<'a>(&'a mut self, plan: &'a Plan) -> Pending<'a, Vec<Row>> {
        Box::pin(async move {
            let mut select = page::select(plan);
            let read: Vec<Read> = select.build_query_as().fetch_all(&mut *self.0).await.map_err(fault)?;
            read.into_iter().map(row).collect()
        })
    }
}

fn counted((id, count): (i64, i64)) -> Result<(i64, u64), Error> {
    Ok((id, number(count)?))
}

fn row((offset, at, bytes): Read) -> Result<Row, Error> {
    let at = Timestamp::from_micros(at);
    Ok(Row {
        offset: number(offset)?,
        at: at.ok_or_else(|| damaged("a row has a time that no record can have: rebuild it from the log"))?,
        bytes,
    })
}

//! `GET /v1/events`: committed records in the order of the log, pulled page by page; as JSON or as a CloudEvents batch.
//!
//! `next` of one page is `from` of the following one, whatever is filtered out between them, so a client keeps one number.

use super::stream::{number, scope};
use crate::Shared;
use crate::edge::Context;
use crate::error::{Code, Problem};
use crate::query::Query;
use crate::tail::{Event, Filter, Scope, last, position_ahead};
use crate::timeline::read;
use crate::{accept, prefer, reading, schema, splice};
use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use projector::query::{Order, Place, TimelineRequest};
use record::{Record, Tenant, Timestamp, cloud_event};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Where the next page begins.
const NEXT: HeaderName = HeaderName::from_static("sigil-next");
const BATCH: &str = "application/cloudevents-batch+json";
/// Records of the log that one page of all tenants looks at.
const SCANNED: u64 = 1_024;

const PARAMETERS: [&str; 14] = [
    "tenant",
    "subject",
    "actor",
    "session",
    "resource",
    "kind",
    "action",
    "outcome",
    "q",
    "from",
    "limit",
    "wait",
    "min_position",
    "timeout",
];

/// A page, and where the one after it begins.
struct Page {
    records: Vec<Arc<[u8]>>,
    more: bool,
    next: u64,
    /// Number of records of the log that the page took into account.
    position: u64,
}

/// Records from a position on, in the order of the log.
///
/// `from` is inclusive: the `seq` of a record, or its offset with `tenant=*`; `next` is where the following page begins.
/// With `wait`, a page that would be empty waits for a record. `Accept: application/cloudevents-batch+json` answers
/// CloudEvents with the attributes that the messages on the bus have; `Sigil-Next` says where to go on.
#[utoipa::path(
    get, path = "/v1/events", tag = "audit",
    params(
        ("tenant" = Option<String>, Query, description = "The tenant; `Sigil-Tenant` does the same. `*` for all of them, for an administrator who is bound to none."),
        ("from" = Option<u64>, Query, description = "The first position, 0 by default."),
        ("limit" = Option<u16>, Query, description = "1 to 500, 50 by default."),
        ("wait" = Option<String>, Query, description = "How long to wait for a record when there is none, such as `20s`; `Prefer: wait=20` does the same."),
        ("actor" = Option<String>, Query, description = "Target of an `actor` link, exactly."),
        ("subject" = Option<String>, Query, description = "Target of a `subject` link, exactly."),
        ("session" = Option<String>, Query, description = "Target of a `session` link, exactly."),
        ("resource" = Option<String>, Query, description = "Target of a `resource` link, exactly."),
        ("kind" = Option<String>, Query, description = "Kind, or `audit.*`."),
        ("action" = Option<String>, Query, description = "Action of an audit event, exactly."),
        ("outcome" = Option<String>, Query, description = "success, failure, denied or unknown."),
        ("q" = Option<String>, Query, description = "Qualifiers, as in the timeline."),
        ("min_position" = Option<u64>, Query, description = "Records that the read model must have applied."),
        ("timeout" = Option<String>, Query, description = "How long to wait for that, `2s` by default."),
    ),
    responses(
        (status = 200, description = "The page.", content((schema::EventPage = "application/json"), (Vec<schema::CloudEvent> = "application/cloudevents-batch+json"))),
        (status = "4XX", description = "Refused.", body = schema::Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = schema::Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn events(
    State(shared): State<Arc<Shared>>,
    Extension(context): Extension<Context>,
    request: Request,
) -> Result<Response, Problem> {
    let headers = request.headers();
    let query = Query::parse(request.uri().query(), &PARAMETERS)?;
    let scope = scope(context.caller()?, headers, &query)?;
    let from = match query.value("from") {
        None => 0,
        Some(text) => number(text).ok_or_else(|| {
            let detail = "expected a position, such as 42";
            Problem::parameter(Code::PositionInvalid, "from", detail)
        })?,
    };
    let subject = match &scope {
        Scope::Tenant(tenant) => tenant.clone(),
        Scope::All => Tenant::ledger(),
    };
    // `from` is a position here and a time in the timeline.
    let asked = read(&query.without("from"), &shared.config)?.about(subject);
    let until = Instant::now() + patience(&shared, headers, &query)?;
    reading::await_position(&shared, headers, &query).await?;
    let page = wait_for_page(&shared, &scope, &asked, from, until).await?;
    answer(&shared, &query, &page, wants_batch(headers))
}

/// The page from `from` on; an empty one only when nothing comes until `until`.
async fn wait_for_page(
    shared: &Shared,
    scope: &Scope,
    asked: &TimelineRequest,
    from: u64,
    until: Instant,
) -> Result<Page, Problem> {
    let mut committed = shared.ledger.committed();
    let mut pause = Duration::from_millis(2);
    loop {
        let page = match scope {
            Scope::Tenant(tenant) => of_tenant(shared, tenant, asked, from).await?,
            Scope::All => of_all(shared, asked, from).await?,
        };
        if !page.records.is_empty() || page.more || Instant::now() >= until {
            return Ok(page);
        }
        let longer = committed.wait_for(|size| *size > page.position);
        if !matches!(tokio::time::timeout_at(until, longer).await, Ok(Ok(_))) {
            return Ok(page);
        }
        // The read model follows the log within moments.
        tokio::time::sleep_until(until.min(Instant::now() + pause)).await;
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// A tenant's page, from the read model.
async fn of_tenant(shared: &Shared, tenant: &Tenant, asked: &TimelineRequest, from: u64) -> Result<Page, Problem> {
    // The end is read first: what comes after it belongs to the next page, whoever finds it.
    let end = last(shared, tenant).await?;
    let (last_seq, last_offset) = match end.seq_offset {
        Some((seq, offset)) if from <= seq => (seq, offset),
        Some((seq, _)) if from > seq + 1 => return Err(position_ahead(from, Some(seq))),
        None if from > 0 => return Err(position_ahead(from, None)),
        _ => {
            return Ok(Page {
                records: Vec::new(),
                more: false,
                next: from,
                position: end.position,
            });
        }
    };
    let first = shared.queries.record_at(tenant.clone(), from).await?;
    let first = first.ok_or_else(|| Problem::new(Code::ReadModelDamaged, "a record of the chain is missing"))?;
    let after = first.offset.checked_sub(1).map(|offset| Place {
        at: Timestamp::MIN,
        offset,
    });
    let request = TimelineRequest {
        order: Order::RecordedAscending,
        after,
        ..asked.clone()
    };
    let found = shared.queries.timeline(request).await?;
    let (mut records, mut next) = (Vec::with_capacity(found.rows.len()), from);
    for row in found.rows.into_iter().filter(|row| row.offset <= last_offset) {
        let event = Event::parse(row.bytes.into());
        let event = event.ok_or_else(|| Problem::new(Code::ReadModelDamaged, "the stored bytes are not a record"))?;
        next = event.seq + 1;
        records.push(event.bytes);
    }
    let more = found.more && next <= last_seq;
    Ok(Page {
        records,
        more,
        next: if more { next } else { last_seq + 1 },
        position: end.position,
    })
}

/// Everybody's page, from the log.
async fn of_all(shared: &Shared, asked: &TimelineRequest, from: u64) -> Result<Page, Problem> {
    let head = *shared.ledger.committed().borrow();
    if from > head {
        return Err(position_ahead(from, head.checked_sub(1)));
    }
    let filter = Filter::of(asked);
    let (mut records, mut next) = (Vec::new(), from);
    let until = head.min(from + SCANNED);
    while next < until && records.len() < usize::from(asked.limit) {
        let room = usize::try_from(until - next).unwrap_or(usize::MAX).min(256);
        let read = shared.ledger.read(next, room).await?;
        if read.is_empty() {
            return Err(Problem::new(
                Code::LedgerUnavailable,
                "the ledger has no record where one is committed",
            ));
        }
        for record in read {
            if records.len() >= usize::from(asked.limit) {
                break;
            }
            let event = Event::parse(record.bytes).filter(|event| event.offset == next);
            let event = event.ok_or_else(|| Problem::new(Code::LogCorrupt, "a record of the log cannot be read"))?;
            next += 1;
            if filter.matches(&event) {
                records.push(event.bytes);
            }
        }
    }
    Ok(Page {
        records,
        more: next < head,
        next,
        position: head,
    })
}

/// How long an empty page may wait.
fn patience(shared: &Shared, headers: &HeaderMap, query: &Query) -> Result<Duration, Problem> {
    // Half a second before the request's own deadline, so that an empty page is answered.
    let most = shared.deadline().saturating_sub(Duration::from_millis(500));
    let asked = query.read("wait", "a time, such as 20s or 500ms", reading::duration)?;
    Ok(asked.or_else(|| prefer::wait(headers)).unwrap_or_default().min(most))
}

fn wants_batch(headers: &HeaderMap) -> bool {
    accept::ranges(headers, header::ACCEPT).any(|(name, _)| name == BATCH)
}

fn answer(shared: &Shared, query: &Query, page: &Page, batch: bool) -> Result<Response, Problem> {
    let mut response = if batch {
        let events: Result<Vec<Vec<u8>>, Problem> = page.records.iter().map(|bytes| cloud_event_of(bytes)).collect();
        let mut response = splice::json(list(events?.iter().map(Vec::as_slice)));
        let batch = HeaderValue::from_static(BATCH);
        response.headers_mut().insert(header::CONTENT_TYPE, batch);
        response
    } else {
        let mut body = b"{\"data\":".to_vec();
        body.extend(list(page.records.iter().map(AsRef::as_ref)));
        body.extend_from_slice(format!(",\"has_more\":{},\"next\":{}}}", page.more, page.next).as_bytes());
        splice::json(body)
    };
    reading::stamp(shared, page.position, &mut response);
    let link = format!(
        "</v1/events?{}>; rel=\"next\"",
        query.with("from", &page.next.to_string())
    );
    let headers = response.headers_mut();
    headers.insert(NEXT, HeaderValue::from(page.next));
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    if let Ok(link) = HeaderValue::from_str(&link) {
        headers.insert(header::LINK, link);
    }
    Ok(response)
}

fn list<'a>(items: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = vec![b'['];
    splice::write_list(items, &mut out);
    out.push(b']');
    out
}

/// One CloudEvent in JSON format; its data is the record as it was signed.
fn cloud_event_of(bytes: &[u8]) -> Result<Vec<u8>, Problem> {
    let record = Record::parse(bytes.to_vec()).map_err(Problem::from)?;
    let attributes = cloud_event::attributes(&record).into_iter();
    let mut members: Map<String, Value> = attributes
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    members.insert("datacontenttype".to_owned(), "application/json".into());
    let mut out = Value::Object(members).to_string().into_bytes();
    out.pop();
    out.extend_from_slice(b",\"data\":");
    out.extend_from_slice(bytes);
    out.push(b'}');
    Ok(out)
}

#[cfg(test)]
mod tests {
    use crate::trial::{Trial, event};
    use axum::body::Body;
    use axum::http::StatusCode;
    use serde_json::{Value, json};
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    const PATH: &str = "/v1/events";

    async fn filled(count: u64) -> Trial {
        let trial = Trial::new();
        let acme = json!({"tenant": "acme", "name": "Acme"});
        trial.post("/admin/tenants", &acme).await;
        for at in 0..count {
            let mut event = event(&format!("agent:{}", at % 3), "login", "success");
            if at % 4 == 0 {
                event["tenant"] = json!("acme");
            }
            trial.append(&event).await;
        }
        trial
    }

    /// Everything that pages from `from` on give, following `next`.
    async fn pull(trial: &Trial, query: &str, mut from: u64) -> (Vec<u64>, u64) {
        let mut offsets = Vec::new();
        loop {
            let answer = trial.get(&format!("{PATH}?{query}&from={from}")).await;
            assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
            let page = answer.json();
            let next = page["next"].as_u64().unwrap();
            assert_eq!(answer.header("sigil-next"), next.to_string());
            let data = page["data"].as_array().unwrap();
            offsets.extend(data.iter().map(|record| record["offset"].as_u64().unwrap()));
            if page["has_more"] == false {
                return (offsets, next);
            }
            assert!(next > from, "every page goes on");
            from = next;
        }
    }

    #[tokio::test]
    async fn pages_follow_one_another_without_gap_or_repetition() {
        let trial = filled(40).await;
        let of = |test: fn(&Value) -> bool| {
            let records = trial.memory.records().into_iter();
            let records = records.map(|record| serde_json::from_slice::<Value>(record.bytes()).unwrap());
            records
                .filter(test)
                .map(|record| record["offset"].as_u64().unwrap())
                .collect::<Vec<_>>()
        };
        let own = of(|record| record["tenant"] == "default");
        for limit in [1, 7, 500] {
            assert_eq!(
                pull(&trial, &format!("limit={limit}"), 0).await,
                (own.clone(), own.len() as u64)
            );
            let actor = of(|record| record["tenant"] == "default" && record["links"][0]["target"] == "agent:1");
            let (found, next) = pull(&trial, &format!("limit={limit}&actor=agent:1"), 0).await;
            assert_eq!(
                (found, next),
                (actor, own.len() as u64),
                "the end is the same whatever is filtered out"
            );
            let all = pull(&trial, &format!("limit={limit}&tenant=*"), 0).await;
            assert_eq!(all, ((0..43).collect::<Vec<_>>(), 43));
            let denied = pull(&trial, &format!("limit={limit}&tenant=*&outcome=denied"), 3).await;
            assert_eq!(denied, (vec![], 43));
        }
        let (rest, _) = pull(&trial, "limit=3", 5).await;
        assert_eq!(rest, own[5..]);
    }

    #[tokio::test]
    async fn a_page_says_how_far_it_is_and_where_to_go_on() {
        let trial = filled(3).await;
        let answer = trial.get(&format!("{PATH}?limit=1&actor=agent:1")).await;
        let bytes = trial.memory.records().pop().unwrap().bytes().to_vec();
        assert!(!answer.body.windows(bytes.len()).any(|window| window == bytes));
        assert_eq!(
            answer.header("link"),
            "</v1/events?limit=1&actor=agent:1&from=3>; rel=\"next\""
        );
        assert_eq!(
            (answer.header("sigil-position"), answer.header("sigil-head")),
            ("6", "6")
        );
        let end = trial.get(&format!("{PATH}?from=3")).await;
        assert_eq!(end.json(), json!({"data": [], "has_more": false, "next": 3}));
    }

    #[tokio::test]
    async fn a_batch_of_events_has_the_attributes_of_the_messages_on_the_bus() {
        let trial = Trial::new();
        let mut login = event("agent:1", "login", "success");
        login["links"] = json!([{"label": "subject", "target": "user:\"u\u{e9}"}]);
        let record = trial.append(&login).await;
        let accept = [("accept", "application/json;q=0.5, application/cloudevents-batch+json")];
        let answer = trial
            .ask("GET", &format!("{PATH}?from=1"), &accept, Body::empty())
            .await;
        assert_eq!(answer.header("content-type"), "application/cloudevents-batch+json");
        assert_eq!((answer.header("sigil-next"), answer.header("vary")), ("2", "accept"));
        let expected = json!([{
            "specversion": "1.0", "id": record["id"], "source": "//example.com/audit/default",
            "type": "sigil.audit.event.v1", "subject": "user:\"u\u{e9}", "time": record["ts"],
            "dataschema": "sigil:kind/audit.event/1", "datacontenttype": "application/json",
            "sequence": "00000000000000000002", "recordhash": record["hash"], "data": record,
        }]);
        assert_eq!(answer.json(), expected);
        let bytes = trial.memory.records().pop().unwrap().bytes().to_vec();
        assert!(
            answer.body.windows(bytes.len()).any(|window| window == bytes),
            "the data is byte for byte"
        );
    }

    #[tokio::test]
    async fn a_position_that_cannot_be_is_refused() {
        let trial = filled(3).await;
        for (query, code) in [
            ("from=-1", "POSITION_INVALID"),
            ("from=x", "POSITION_INVALID"),
            ("from=9007199254740992", "POSITION_INVALID"),
            ("from=4", "POSITION_AHEAD"),
            ("tenant=nobody&from=1", "POSITION_AHEAD"),
            ("tenant=*&from=7", "POSITION_AHEAD"),
            ("limit=501", "PARAMETER_INVALID"),
            ("wait=5", "PARAMETER_INVALID"),
            ("to=2026-11-20", "PARAMETER_UNKNOWN"),
        ] {
            let answer = trial.get(&format!("{PATH}?{query}")).await;
            assert_eq!((answer.code().as_str(), answer.status.as_u16()), (code, 400), "{query}");
        }
        for end in ["from=3", "tenant=*&from=6", "tenant=nobody"] {
            assert_eq!(
                trial.get(&format!("{PATH}?{end}")).await.status,
                StatusCode::OK,
                "{end}"
            );
        }
    }

    #[tokio::test]
    async fn an_empty_page_waits_for_a_record() {
        for (query, headers) in [
            ("from=3&wait=20s", vec![]),
            ("tenant=*&from=6", vec![("prefer", "wait=20")]),
        ] {
            let trial = filled(3).await;
            let path = format!("{PATH}?{query}");
            let waiting = trial.ask("GET", &path, &headers, Body::empty());
            let (answer, ()) = tokio::join!(waiting, async {
                tokio::task::yield_now().await;
                trial.memory.lag.store(1, Ordering::Relaxed);
                trial.append(&event("agent:1", "login", "success")).await;
                tokio::task::yield_now().await;
                trial.memory.lag.store(0, Ordering::Relaxed);
            });
            assert_eq!(answer.json()["data"].as_array().map(Vec::len), Some(1), "{query}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_before_the_deadline_of_the_request() {
        let trial = filled(3).await;
        let began = tokio::time::Instant::now();
        let answer = trial.get(&format!("{PATH}?from=3&wait=3600s")).await;
        assert_eq!(answer.json(), json!({"data": [], "has_more": false, "next": 3}));
        assert_eq!(began.elapsed(), Duration::from_millis(29_500));
    }
}

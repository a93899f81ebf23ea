//! `GET /v1/audit/timeline`: one page of records that match a filter, each byte for byte as it was signed.

use super::record::tenant;
use crate::Shared;
use crate::edge::Context;
use crate::error::Problem;
use crate::proof::{self, Completeness};
use crate::query::Query;
use crate::reading::{self, PARKED};
use crate::timeline::{PARAMETERS, mint, question_tag, read, redeem, wants_proof};
use crate::{schema, splice};
use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use projector::query::{Page, Place, TimelineRequest};
use std::sync::Arc;
use std::time::Duration;

/// Whether the page is proven complete, where that was asked for.
const COMPLETENESS: HeaderName = HeaderName::from_static("sigil-completeness");

/// One page of a timeline.
///
/// `from` and `to` mean when it happened (`occurred_at`, else `ts`), `recorded_from` and `recorded_to` mean `ts`. `from` is
/// inclusive and `to` exclusive, except that a plain date means that whole day. `q` is a phrase of qualifiers
/// (`actor:agent:a1 -kind:trust.* outcome:denied created:2026-11-01..2026-11-20`).
///
/// `Sigil-Parked`, and `parked` where it is not 0, is the number of the tenant's records whose payload this read model
/// cannot read, because it is older than their kind: they are in their timelines, but filters by action, outcome and
/// time of happening may have missed them.
///
/// With `proof=true` the answer says whether it is proven complete (`completeness`, and `Sigil-Completeness`). One
/// timeline in the order of the log can be proven: one of `actor`, `subject`, `resource`, `session`, `proposal` and
/// `kind`, exactly, or none of them, with or without `recorded_from` and `recorded_to`, on any page. Several of them at
/// once are proven by the records of one of them (`superset`): `others` are those that are not asked for, and whoever
/// verifies finds the rows among all of them himself. Everything else is `not_provable`, and `reason` says why.
/// `unproven` lists rows that are too new for the checkpoint of the proof.
/// `sigil verify` takes the saved answer.
#[utoipa::path(
    get, path = "/v1/audit/timeline", tag = "audit",
    params(
        ("tenant" = Option<String>, Query, description = "The tenant; `Sigil-Tenant` does the same."),
        ("actor" = Option<String>, Query, description = "Target of an `actor` link, exactly."),
        ("subject" = Option<String>, Query, description = "Target of a `subject` link, exactly."),
        ("session" = Option<String>, Query, description = "Target of a `session` link, exactly."),
        ("proposal" = Option<String>, Query, description = "Target of a `proposal` link, exactly."),
        ("resource" = Option<String>, Query, description = "Target of a `resource` link, exactly."),
        ("kind" = Option<String>, Query, description = "Kind, or `audit.*`."),
        ("action" = Option<String>, Query, description = "Action of an audit event, exactly."),
        ("outcome" = Option<String>, Query, description = "success, failure, denied or unknown."),
        ("from" = Option<String>, Query, description = "RFC 3339 time or date, inclusive."),
        ("to" = Option<String>, Query, description = "RFC 3339 time, exclusive, or date, inclusive."),
        ("recorded_from" = Option<String>, Query, description = "As `from`, for `ts`."),
        ("recorded_to" = Option<String>, Query, description = "As `to`, for `ts`."),
        ("q" = Option<String>, Query, description = "Qualifiers; `-` negates, `*` ends a prefix, quotes keep spaces."),
        ("order" = Option<String>, Query, description = "desc (default), asc, occurred_desc (default with from or to), occurred_asc."),
        ("limit" = Option<u16>, Query, description = "1 to 500, 50 by default."),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before; the rest stays the same."),
        ("proof" = Option<bool>, Query, description = "`true` adds what proves the page: that its records are authentic, side by side, and that nothing is left out."),
        ("min_position" = Option<u64>, Query, description = "Records that the read model must have applied."),
        ("timeout" = Option<String>, Query, description = "How long to wait for that, `2s` by default."),
    ),
    responses(
        (status = 200, description = "The page.", body = schema::TimelinePage),
        (status = 304, description = "Nothing was recorded since `ETag`."),
        (status = "4XX", description = "Refused.", body = schema::Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = schema::Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn timeline(
    State(shared): State<Arc<Shared>>,
    Extension(context): Extension<Context>,
    request: Request,
) -> Result<Response, Problem> {
    let headers = request.headers();
    let query = Query::parse(request.uri().query(), &PARAMETERS)?;
    let tenant = tenant(context.caller()?, headers, &query)?;
    let mut asked = read(&query, &shared.config)?.about(tenant);
    if let Some(cursor) = query.value("cursor") {
        asked.after = Some(redeem(&shared.cursor_key, &asked, cursor)?);
    }
    let position = reading::await_position(&shared, headers, &query).await?;
    let wants_proof = wants_proof(&query)?;
    let question = question_tag(&asked);
    if headers.contains_key(header::IF_NONE_MATCH) {
        let parked = shared.queries.parked_count(asked.tenant.clone()).await?;
        let tag = if wants_proof {
            newest_tag(&shared, &asked).await
        } else {
            Some(String::new())
        };
        let known = tag.is_some_and(|tag| reading::is_known(headers, &etag(question, position, parked, &tag)));
        if known {
            let mut unchanged = Response::default();
            *unchanged.status_mut() = StatusCode::NOT_MODIFIED;
            reading::stamp(&shared, position, &mut unchanged);
            unchanged.headers_mut().insert(PARKED, HeaderValue::from(parked));
            return Ok(unchanged);
        }
    }
    let (page, completeness) = if wants_proof {
        let (page, outside) = proof::read(&shared, &asked).await?;
        let completeness = proof::prove(&shared, &asked, &page, outside).await?;
        (page, Some(completeness))
    } else {
        (shared.queries.timeline(asked.clone()).await?, None)
    };
    let next = page.rows.last().filter(|_| page.more).map(|row| {
        let place = Place {
            at: row.at,
            offset: row.offset,
        };
        mint(&shared.cursor_key, &asked, &place)
    });
    let body = body(
        &page,
        next.as_deref(),
        completeness.as_ref().map(|proven| (proven, &asked)),
    )?;
    let mut response = splice::json(body);
    reading::stamp(&shared, page.position, &mut response);
    let headers = response.headers_mut();
    headers.insert(PARKED, HeaderValue::from(page.parked));
    let tag = completeness.as_ref().map_or(Some(String::new()), Completeness::tag);
    let etag = tag.map(|tag| HeaderValue::from_str(&etag(question, page.position, page.parked, &tag)));
    if let Some(Ok(etag)) = etag {
        headers.insert(header::ETAG, etag);
    }
    if let Some(completeness) = &completeness {
        headers.insert(COMPLETENESS, HeaderValue::from_static(completeness.as_str()));
    }
    if let Some(next) = next {
        let link = format!("</v1/audit/timeline?{}>; rel=\"next\"", query.with("cursor", &next));
        if let Ok(link) = HeaderValue::from_str(&link) {
            headers.insert(header::LINK, link);
        }
    }
    Ok(response)
}

/// The answer changes only when the read model moves on or projects what was parked, and its proof with the checkpoint:
/// question, position, number of parked records and checkpoint name it.
fn etag(question: u64, position: u64, parked: u64, proof: &str) -> String {
    let dash = if proof.is_empty() { "" } else { "-" };
    format!("W/\"{question:016x}-{position}-{parked}{dash}{proof}\"")
}

/// What a proof made now would be named by; `None` when that cannot be told.
async fn newest_tag(shared: &Shared, asked: &TimelineRequest) -> Option<String> {
    if proof::Name::all(asked).is_err() {
        return Some(String::new());
    }
    let newest = proof::newest(shared, 0, false, Duration::ZERO).await.ok()??;
    Some(proof::note_tag(&newest.note))
}

fn body(page: &Page, next: Option<&str>, proof: Option<(&Completeness, &TimelineRequest)>) -> Result<Vec<u8>, Problem> {
    let records: usize = page.rows.iter().map(|row| row.bytes.len() + 1).sum();
    let mut out = Vec::with_capacity(records + 128);
    out.extend_from_slice(b"{\"data\":[");
    splice::write_list(page.rows.iter().map(|row| row.bytes.as_slice()), &mut out);
    let more = next.is_some();
    // A cursor is base64url: nothing in it needs an escape.
    let next = next.map_or_else(|| "null".to_owned(), |next| format!("\"{next}\""));
    out.extend_from_slice(format!("],\"has_more\":{more},\"next_cursor\":{next}").as_bytes());
    if page.parked > 0 {
        out.extend_from_slice(format!(",\"parked\":{}", page.parked).as_bytes());
    }
    if let Some((completeness, asked)) = proof {
        completeness.write(asked, page, &mut out)?;
    }
    out.push(b'}');
    Ok(out)
}

#[cfg(test)]
mod tests {
    use crate::trial::{Answer, Trial, event};
    use axum::body::Body;
    use axum::http::StatusCode;
    use serde_json::{Value, json};

    const PATH: &str = "/v1/audit/timeline";

    async fn filled() -> Trial {
        let trial = Trial::new();
        for (at, (actor, action, outcome)) in [
            ("agent:a1", "tool.call", "success"),
            ("agent:a2", "tool.call", "denied"),
            ("agent:a1", "login", "failure"),
            ("user:u1", "login", "success"),
            ("agent:a1", "tool.call", "denied"),
        ]
        .into_iter()
        .enumerate()
        {
            let mut event = event(actor, action, outcome);
            // They happened in the reverse of the order they were recorded in.
            event["payload"]["occurred_at"] = json!(format!("2026-11-{:02}T08:00:00.000000Z", 10 - at));
            trial.append(&event).await;
        }
        trial
    }

    async fn offsets(trial: &Trial, query: &str) -> Vec<u64> {
        let answer = trial.get(&format!("{PATH}?{query}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        let page = answer.json();
        page["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|record| record["offset"].as_u64().unwrap())
            .collect()
    }

    #[tokio::test]
    async fn filters_and_orders() {
        let trial = filled().await;
        for (query, expected) in [
            ("", vec![6, 5, 4, 3, 2, 1]),
            ("order=asc", vec![1, 2, 3, 4, 5, 6]),
            ("actor=agent:a1", vec![6, 4, 2]),
            ("actor=agent:a1&outcome=denied", vec![6]),
            ("kind=audit.*&action=login", vec![5, 4]),
            ("q=actor:agent:*%20-outcome:denied", vec![4, 2]),
            ("q=outcome:denied&order=occurred_desc", vec![3, 6]),
            ("from=2026-11-07&to=2026-11-09", vec![3, 4, 5]),
            ("from=2026-11-07&to=2026-11-09&order=occurred_asc", vec![5, 4, 3]),
            ("from=2026-11-07T08:00:00Z&to=2026-11-09T08:00:00Z", vec![4, 5]),
            ("q=created:2026-11-06", vec![6]),
            ("recorded_from=2026-11-20T12:00:05Z", vec![6, 5]),
            ("recorded_to=2026-11-20T14:00:02%2B02:00", vec![1]),
            ("kind=tenant.created", vec![1]),
            ("tenant=sigil-ledger", vec![0]),
            ("tenant=nobody", vec![]),
        ] {
            assert_eq!(offsets(&trial, query).await, expected, "{query}");
        }
    }

    #[tokio::test]
    async fn a_page_holds_the_records_byte_for_byte() {
        let trial = filled().await;
        let answer = trial.get(&format!("{PATH}?limit=2&order=asc&actor=agent:a1")).await;
        let records = trial.memory.records();
        let bytes = |at: usize| std::str::from_utf8(records[at].bytes()).unwrap();
        let cursor = answer.json()["next_cursor"].as_str().unwrap().to_owned();
        let expected = format!(
            "{{\"data\":[{},{}],\"has_more\":true,\"next_cursor\":\"{cursor}\"}}",
            bytes(2),
            bytes(4)
        );
        assert_eq!(answer.body, expected);
        assert_eq!(
            (answer.header("sigil-position"), answer.header("sigil-head")),
            ("7", "7")
        );
        let link = format!("<{PATH}?limit=2&order=asc&actor=agent:a1&cursor={cursor}>; rel=\"next\"");
        assert_eq!(answer.header("link"), link);
    }

    #[tokio::test]
    async fn pages_join_without_gap_or_overlap() {
        let trial = filled().await;
        for order in ["asc", "desc", "occurred_asc", "occurred_desc"] {
            let whole = offsets(&trial, &format!("order={order}")).await;
            let mut path = format!("{PATH}?order={order}&limit=2");
            let mut seen: Vec<Value> = Vec::new();
            loop {
                let answer = trial.get(&path).await;
                seen.extend(
                    answer.json()["data"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|record| record["offset"].clone()),
                );
                let Some((next, _)) = answer.header("link").split_once('>') else {
                    break;
                };
                path = next.trim_start_matches('<').to_owned();
            }
            assert_eq!(json!(seen), json!(whole), "{order}");
        }
    }

    #[tokio::test]
    async fn a_cursor_serves_its_own_question_only() {
        let trial = filled().await;
        let cursor = |answer: &Answer| answer.json()["next_cursor"].as_str().unwrap().to_owned();
        let cursor = cursor(&trial.get(&format!("{PATH}?limit=1&actor=agent:a1")).await);
        assert_eq!(
            offsets(&trial, &format!("limit=9&actor=agent:a1&cursor={cursor}")).await,
            [4, 2]
        );
        for query in [
            "",
            "actor=agent:a2&",
            "actor=agent:a1&tenant=acme&",
            "actor=agent:a1&order=asc&",
        ] {
            let answer = trial.get(&format!("{PATH}?{query}cursor={cursor}")).await;
            assert_eq!(
                (answer.code().as_str(), answer.status.as_u16()),
                ("CURSOR_INVALID", 400),
                "{query}"
            );
        }
        let longer = format!("{PATH}?actor=agent:a1&cursor={cursor}A");
        assert_eq!(trial.get(&longer).await.code(), "CURSOR_INVALID");
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_named() {
        let trial = Trial::new();
        for (query, code, word) in [
            ("aktor=x", "PARAMETER_UNKNOWN", "aktor"),
            ("actor=a:1&actor=a:2", "PARAMETER_REPEATED", "actor"),
            ("actor=", "PARAMETER_INVALID", "actor"),
            ("actor=%zz", "PARAMETER_INVALID", "actor"),
            ("limit=501", "PARAMETER_INVALID", "limit"),
            ("from=2026-02-30", "PARAMETER_INVALID", "from"),
            ("to=tomorrow", "PARAMETER_INVALID", "to"),
            ("outcome=maybe", "PARAMETER_INVALID", "outcome"),
            ("kind=Audit", "PARAMETER_INVALID", "kind"),
            ("order=up", "PARAMETER_INVALID", "order"),
            ("q=free+text", "QUERY_INVALID", "character 1"),
            ("q=actor:a:1+wer:x", "QUERY_INVALID", "character 11"),
        ] {
            let answer = trial.get(&format!("{PATH}?{query}")).await;
            assert_eq!((answer.code().as_str(), answer.status.as_u16()), (code, 400), "{query}");
            assert!(
                answer.json()["detail"].as_str().unwrap().contains(word),
                "{query}: {}",
                answer.json()["detail"]
            );
        }
    }

    #[tokio::test]
    async fn a_poll_without_news_is_not_modified() {
        let trial = filled().await;
        let path = format!("{PATH}?actor=agent:a1");
        let first = trial.get(&path).await;
        let known = [("if-none-match", first.header("etag"))];
        let again = trial.ask("GET", &path, &known, Body::empty()).await;
        assert_eq!(
            (again.status, again.header("sigil-position")),
            (StatusCode::NOT_MODIFIED, "7")
        );
        let other = trial
            .ask("GET", &format!("{PATH}?actor=agent:a2"), &known, Body::empty())
            .await;
        assert_eq!(other.status, StatusCode::OK);
        trial.append(&event("agent:a1", "x", "success")).await;
        let news = trial.ask("GET", &path, &known, Body::empty()).await;
        assert_eq!(
            (news.status, news.json()["data"].as_array().map(Vec::len)),
            (StatusCode::OK, Some(4))
        );
    }

    #[tokio::test]
    async fn an_answer_says_what_is_parked_and_changes_when_it_no_longer_is() {
        let trial = filled().await;
        let path = format!("{PATH}?outcome=denied");
        let whole = trial.get(&path).await;
        assert_eq!(
            (whole.header("sigil-parked"), whole.json().get("parked").cloned()),
            ("0", None)
        );
        trial.memory.parked.store(3, std::sync::atomic::Ordering::Relaxed);
        let lacking = trial.get(&path).await;
        assert_eq!(
            (lacking.header("sigil-parked"), &lacking.json()["parked"]),
            ("3", &json!(3))
        );
        let known = [("if-none-match", lacking.header("etag"))];
        let again = trial.ask("GET", &path, &known, Body::empty()).await;
        assert_eq!(
            (again.status, again.header("sigil-parked")),
            (StatusCode::NOT_MODIFIED, "3")
        );
        trial.memory.parked.store(0, std::sync::atomic::Ordering::Relaxed);
        let healed = trial.ask("GET", &path, &known, Body::empty()).await;
        assert_eq!((healed.status, healed.body.clone()), (StatusCode::OK, whole.body));
    }
}

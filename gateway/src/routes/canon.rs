//! `POST /canon/user/write`: a value under a key of the tenant's user canon, in the form existing clients send.
//!
//! The answer is the union of their shape (`success`, `error`) and ours; so is a problem on this path.

use super::append;
use crate::Shared;
use crate::body;
use crate::caller::Caller;
use crate::edge::Context;
use crate::error::{Code, Problem};
use crate::proof::{self, UNTIL, Until, reach};
use crate::query::Query;
use crate::schema;
use crate::{id, splice, tenancy};
use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use record::link::is_target;
use record::{Author, Code as RecordCode, Fault, Kind, Link, NewRecord, RecordId, Space, Tenant, json, link};
use serde_json::{Map, Value, json as value};
use std::sync::Arc;

/// The route.
pub(crate) const PATH: &str = "/canon/user/write";
const MEMBERS: [&str; 7] = ["id", "key", "min_loa", "session_id", "space", "tenant", "value"];

/// Writes a value under a key of the user canon.
#[utoipa::path(
    post, path = "/canon/user/write", tag = "canon",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a retry without an id safe for 24 hours; quoted or not."),
        ("until" = Option<String>, Query, description = "What to wait for before answering: `committed` (default), `included` or `witnessed`."),
        ("Prefer" = Option<String>, Header, description = "`wait=N`: how many seconds `until` may take, 10 by default."),
        ("Sigil-Tenant" = Option<String>, Header, description = "The tenant, when the body does not name it."),
    ),
    request_body = schema::CanonWrite,
    responses(
        (status = 201, description = "Committed.", body = schema::CanonWritten),
        (status = 200, description = "Committed before.", body = schema::CanonWritten),
        (status = "4XX", description = "Refused.", body = schema::Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = schema::Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn write(
    State(shared): State<Arc<Shared>>,
    Extension(context): Extension<Context>,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let query = Query::parse(head.uri.query(), &[UNTIL])?;
    let until = Until::read(&shared, &head.headers, &query, proof::State::Committed)?.while_served(&head.extensions);
    body::expect_json(&head.headers)?;
    let bytes = body::read(body, shared.config.record_bytes, shared.deadline()).await?;
    let Value::Object(members) = json::parse(&bytes)? else {
        return Err(wrong("", "the body is a JSON object").into());
    };
    let own_id = members.contains_key("id");
    let record = read(members, context.caller()?, tenancy::named(&head.headers)?)?;
    let receipt = append::write(&shared, &context, &head.headers, record, own_id).await?;
    let offset = receipt.committed.offset;
    let state = reach(&shared, offset + 1, &until).await.state(offset);
    let mut out = b"{\"success\":true,\"error\":null,".to_vec();
    splice::write_full(&receipt, state, &mut out);
    out.push(b'}');
    let mut response = splice::json(out);
    until.note(response.headers_mut());
    append::mark(&receipt, &mut response);
    Ok(response)
}

fn wrong(pointer: &str, detail: &str) -> Fault {
    Fault::new(RecordCode::EnvelopeInvalid, pointer, detail)
}

/// The record that the members ask for. Links to the actor, the key and the session make it part of their timelines.
fn read(mut members: Map<String, Value>, caller: &Caller, header: Option<Tenant>) -> Result<NewRecord, Problem> {
    if let Some(name) = members.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
        let detail = format!("unknown member: a write has {}", MEMBERS.join(", "));
        return Err(wrong("", &detail).under(name).into());
    }
    if members.get("space").is_some_and(|space| space != "user") {
        return Err(Problem::new(
            Code::SystemSpaceProtected,
            "this route writes to user space only",
        ));
    }
    let text = |name: &str, form: &str| match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(wrong(&format!("/{name}"), &format!("`{name}` is {form}"))),
    };
    let key = text("key", "a text")?.ok_or_else(|| wrong("/key", "this member is required"))?;
    let session = text("session_id", "a text")?;
    let tenant = named(text("tenant", "a text")?, "/tenant", Tenant::parse)?;
    let id = named(text("id", "a text")?, "/id", RecordId::parse)?;
    let min_loa = members.remove("min_loa").unwrap_or(value!(0));
    let written = members
        .remove("value")
        .ok_or_else(|| wrong("/value", "this member is required"))?;
    Ok(NewRecord {
        tenant: tenancy::resolve(caller, tenant, header, tenancy::Intent::Write)?,
        kind: Kind::parse("canon.user.write").expect("the kind follows the grammar"),
        schema_version: 1,
        id: id.map_or_else(id::record_id, Ok)?,
        space: Space::User,
        author: Author::new(caller.id.clone(), caller.auth),
        links: links(&caller.id, &key, session.as_deref())?,
        payload: value!({"key": key, "value": written, "min_loa": min_loa}),
        disclosures: Vec::new(),
    })
}

fn named<T>(text: Option<String>, pointer: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Fault> {
    let read = |text: String| parse(&text).ok_or_else(|| wrong(pointer, "this member has another form"));
    text.map(read).transpose()
}

/// Links to what can be the target of one; a key or caller that cannot is still in the record.
fn links(caller: &str, key: &str, session: Option<&str>) -> Result<Vec<Link>, Fault> {
    let session = session.map(|session| {
        if is_target(session) {
            session.to_owned()
        } else {
            format!("session:{session}")
        }
    });
    let targets = [
        ("actor", Some(caller.to_owned())),
        ("resource", Some(format!("canon:{key}"))),
        ("session", session),
    ];
    let fitting = targets
        .into_iter()
        .filter_map(|(label, target)| Some((label, target.filter(|target| is_target(target))?)));
    link::normalize(
        fitting
            .map(|(label, target)| Link::new(label, target))
            .collect::<Result<_, _>>()?,
    )
}

#[cfg(test)]
mod tests {
    use super::PATH;
    use crate::trial::Trial;
    use axum::http::StatusCode;
    use serde_json::json;

    #[tokio::test]
    async fn existing_clients_find_their_members_beside_ours() {
        let trial = Trial::new();
        let sent = json!({"key": "greeting", "value": {"text": "hello"}, "min_loa": 2, "session_id": "s1"});
        let answer = trial.post(PATH, &sent).await;
        assert_eq!(answer.status, StatusCode::CREATED);
        let body = answer.json();
        assert_eq!(
            (body["success"].clone(), body["error"].clone()),
            (json!(true), json!(null))
        );
        assert_eq!(
            (body["offset"].clone(), body["state"].clone()),
            (json!(2), json!("committed"))
        );
        assert_eq!(body["record"]["kind"], "canon.user.write");
        assert_eq!(
            body["record"]["payload"],
            json!({"key": "greeting", "value": {"text": "hello"}, "min_loa": 2})
        );
        let links = json!([
            {"label": "actor", "target": "local:operator"},
            {"label": "resource", "target": "canon:greeting"},
            {"label": "session", "target": "session:s1"},
        ]);
        assert_eq!(body["record"]["links"], links);
    }

    #[tokio::test]
    async fn a_refusal_says_success_false() {
        let trial = Trial::new();
        for (sent, code) in [
            (json!([]), "ENVELOPE_INVALID"),
            (json!({"value": 1}), "ENVELOPE_INVALID"),
            (json!({"key": "k"}), "ENVELOPE_INVALID"),
            (json!({"key": 1, "value": 1}), "ENVELOPE_INVALID"),
            (json!({"key": "k", "value": 1, "id": "x"}), "ENVELOPE_INVALID"),
            (json!({"key": "k", "value": 1, "other": 1}), "ENVELOPE_INVALID"),
            (
                json!({"key": "k", "value": 1, "space": "system"}),
                "SYSTEM_SPACE_PROTECTED",
            ),
            (json!({"key": "k", "value": 1, "min_loa": 9}), "SCHEMA_INVALID"),
            (json!({"key": "", "value": 1}), "SCHEMA_INVALID"),
        ] {
            let answer = trial.post(PATH, &sent).await;
            assert_eq!(answer.code(), code, "{sent}");
            assert_eq!(answer.json()["success"], false);
        }
        let lines = [("content-type", "application/x-ndjson")];
        assert_eq!(
            trial.ask("POST", PATH, &lines, "{}").await.code(),
            "UNSUPPORTED_MEDIA_TYPE"
        );
        assert_eq!(trial.memory.size(), 2);
    }

    #[tokio::test]
    async fn a_key_that_is_no_link_target_is_still_written() {
        let trial = Trial::new();
        let answer = trial.post(PATH, &json!({"key": "x".repeat(510), "value": null})).await;
        assert_eq!(answer.status, StatusCode::CREATED);
        assert_eq!(answer.json()["record"]["links"].as_array().map(Vec::len), Some(1));
        assert_eq!(answer.json()["record"]["payload"]["min_loa"], 0);
    }
}

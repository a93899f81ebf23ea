//! `/admin/projections` through the router: what is shown, what is started, and who gets in.

use crate::Config;
use crate::projections::{Ended, Halt, LogSource, NotStarted, ProjectionAdmin, ProjectionStatus, Work, WorkKind};
use crate::testing::Memory;
use crate::trial::{Answer, Trial, app};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use projector::query::Pending;
use projector::{Error, Parked, ParkedRow, Retried, Stage};
use record::{Kind, Tenant};
use serde_json::json;
use std::sync::{Arc, Mutex};

const PATH: &str = "/admin/projections";

/// A projector of which only the words are there.
#[derive(Default)]
struct Desk {
    started: Mutex<Vec<(WorkKind, LogSource)>>,
    refusal: Mutex<Option<NotStarted>>,
    halt: Mutex<Option<Halt>>,
}

impl ProjectionAdmin for Desk {
    fn status(&self) -> Pending<'_, ProjectionStatus> {
        let work = self.started.lock().unwrap().last().map(|(kind, from)| Work {
            kind: *kind,
            from: *from,
            stage: Some(Stage::Loading),
            position: 50,
            head: 200,
            records_per_second: 10,
            eta_seconds: Some(15),
        });
        let status = ProjectionStatus {
            projection: "timeline",
            engine: "sqlite",
            version: 1,
            position: 7,
            head: Some(9),
            parked: 1,
            halt: self.halt.lock().unwrap().clone(),
            work,
            last: Some(Ended {
                kind: WorkKind::Rebuild,
                failure: Some("the source failed: gone".to_owned()),
                cancelled: false,
                verification: None,
                reported: None,
            }),
        };
        Box::pin(async move { Ok(status) })
    }

    fn parked(&self, from: u64, limit: u16) -> Pending<'_, Parked> {
        let row = |offset| ParkedRow {
            offset,
            tenant: Tenant::parse("acme").unwrap(),
            kind: Kind::parse("future.kind").unwrap(),
            schema_version: 2,
            code: "KIND_UNKNOWN".to_owned(),
            detail: "/kind: not known here".to_owned(),
            version: 1,
        };
        let rows = [3, 5, 8]
            .into_iter()
            .filter(|offset| *offset >= from)
            .take(usize::from(limit));
        let parked = Parked {
            rows: rows.map(row).collect(),
            total: 3,
        };
        Box::pin(async move { Ok(parked) })
    }

    fn retry(&self) -> Pending<'_, Retried> {
        Box::pin(async { Ok(Retried { projected: 2, left: 1 }) })
    }

    fn start(&self, work: WorkKind, from: LogSource) -> Result<(), NotStarted> {
        if let Some(refusal) = *self.refusal.lock().unwrap() {
            return Err(refusal);
        }
        self.started.lock().unwrap().push((work, from));
        Ok(())
    }

    fn cancel(&self) -> bool {
        self.started.lock().unwrap().pop().is_some()
    }
}

fn trial() -> (Trial, Arc<Desk>) {
    let (memory, desk) = (Memory::new(), Arc::new(Desk::default()));
    let router = app(&memory, Config::default(), true).router_with(Arc::clone(&desk) as _);
    (Trial { memory, router }, desk)
}

async fn post(trial: &Trial, path: &str) -> Answer {
    trial.ask("POST", path, &[], Body::empty()).await
}

#[tokio::test]
async fn the_list_says_how_a_projection_is() {
    let (trial, desk) = trial();
    let answer = trial.get(PATH).await;
    let entry = &answer.json()["data"][0];
    assert_eq!(
        (
            &entry["state"],
            &entry["position"],
            &entry["head"],
            &entry["lag"],
            &entry["parked"]
        ),
        (&json!("live"), &json!(7), &json!(9), &json!(2), &json!(1))
    );
    assert_eq!(entry["last"]["outcome"], "failed");
    assert_eq!(entry["work"], json!(null));
    let gap = Error::Gap { expected: 7, found: 9 };
    *desk.halt.lock().unwrap() = Some(Halt::of(&gap));
    let entry = trial.get(PATH).await.json()["data"][0].clone();
    assert_eq!(
        (&entry["state"], &entry["halt"]["offset"]),
        (&json!("halted"), &json!(7))
    );
    assert!(entry["halt"]["reason"].as_str().unwrap().contains("offset 9"));
}

#[tokio::test]
async fn work_is_started_with_its_source_and_shown_with_numbers() {
    let (trial, desk) = trial();
    for (path, work, from) in [
        ("rebuild", WorkKind::Rebuild, LogSource::Ledger),
        ("rebuild?from=stream", WorkKind::Rebuild, LogSource::Stream),
        ("verify?from=ledger", WorkKind::Verify, LogSource::Ledger),
    ] {
        let answer = post(&trial, &format!("{PATH}/{path}")).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{path}");
        assert_eq!(desk.started.lock().unwrap().last(), Some(&(work, from)), "{path}");
        let shown = answer.json()["data"][0]["work"].clone();
        assert_eq!(
            (&shown["what"], &shown["from"]),
            (&json!(work.as_str()), &json!(from.as_str()))
        );
        assert_eq!(
            (&shown["stage"], &shown["records_per_second"], &shown["eta_seconds"]),
            (&json!("loading"), &json!(10), &json!(15))
        );
    }
    for left in (0..3).rev() {
        assert_eq!(
            post(&trial, &format!("{PATH}/cancel")).await.status,
            StatusCode::ACCEPTED
        );
        assert_eq!(desk.started.lock().unwrap().len(), left);
    }
    assert_eq!(post(&trial, &format!("{PATH}/cancel")).await.code(), "NOT_FOUND");
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let (trial, desk) = trial();
    for (refusal, code, status) in [
        (NotStarted::Busy(WorkKind::Verify), "PROJECTION_BUSY", 409),
        (NotStarted::NoStream, "PARAMETER_INVALID", 400),
        (NotStarted::Closing, "NOT_READY", 503),
    ] {
        *desk.refusal.lock().unwrap() = Some(refusal);
        let answer = post(&trial, &format!("{PATH}/rebuild")).await;
        assert_eq!((answer.code().as_str(), answer.status.as_u16()), (code, status));
    }
    for (path, code) in [
        ("rebuild?from=tape", "PARAMETER_INVALID"),
        ("verify?to=9", "PARAMETER_UNKNOWN"),
        ("cancel?all=1", "PARAMETER_UNKNOWN"),
    ] {
        assert_eq!(post(&trial, &format!("{PATH}/{path}")).await.code(), code, "{path}");
    }
    assert!(desk.started.lock().unwrap().is_empty());
}

#[tokio::test]
async fn parked_records_are_listed_page_by_page_and_retried() {
    let (trial, _) = trial();
    let page = trial.get(&format!("{PATH}/parked?limit=2")).await.json();
    assert_eq!((&page["total"], &page["next_from"]), (&json!(3), &json!(6)));
    assert_eq!(
        (&page["data"][1]["offset"], &page["data"][1]["code"]),
        (&json!(5), &json!("KIND_UNKNOWN"))
    );
    let rest = trial.get(&format!("{PATH}/parked?limit=2&from=6")).await.json();
    assert_eq!(
        (rest["data"].as_array().map(Vec::len), &rest["next_from"]),
        (Some(1), &json!(null))
    );
    for wrong in ["limit=0", "limit=501", "from=-1"] {
        assert_eq!(
            trial.get(&format!("{PATH}/parked?{wrong}")).await.code(),
            "PARAMETER_INVALID",
            "{wrong}"
        );
    }
    let retried = post(&trial, &format!("{PATH}/parked/retry")).await;
    assert_eq!(retried.json(), json!({"projected": 2, "left": 1}));
}

#[tokio::test]
async fn only_an_operator_gets_in() {
    let (trial, desk) = trial();
    let routes = [
        ("GET", ""),
        ("GET", "/parked"),
        ("POST", "/parked/retry"),
        ("POST", "/rebuild"),
        ("POST", "/verify"),
        ("POST", "/cancel"),
    ];
    for (method, path) in routes {
        // With open reads the page may read without a token, and this is not for the page.
        let request = Request::builder()
            .method(method)
            .uri(format!("{PATH}{path}"))
            .header("host", "localhost");
        let answer = trial.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.code(), "ADMIN_ACCESS_FORBIDDEN", "{method} {path}");
    }
    assert!(desk.started.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_gateway_without_a_projector_says_where_to_ask() {
    let trial = Trial::new();
    let answer = trial.get(PATH).await;
    assert_eq!(answer.code(), "NOT_FOUND");
    assert!(
        answer.json()["detail"]
            .as_str()
            .unwrap()
            .contains("projector's own port")
    );
}

#[tokio::test]
async fn a_projector_serves_these_routes_and_no_others() {
    let memory = Memory::new();
    let router = app(&memory, Config::default(), false).projection_router(Arc::new(Desk::default()));
    let trial = Trial { memory, router };
    assert_eq!(trial.get(PATH).await.status, StatusCode::OK);
    assert_eq!(trial.get("/v1/head").await.code(), "ROUTE_NOT_FOUND");
    let request = Request::get(PATH).body(Body::empty()).unwrap();
    assert_eq!(trial.send(request).await.code(), "AUTH_REQUIRED");
}

//! The change stream through the router and over sockets: what is shown, to whom, from where on, and how it ends. The
//! property at the end is the promise: every record once, whatever happens in between.

use super::scope;
use crate::Config;
use crate::auth::LocalAuth;
use crate::caller::{Caller, CallerKind, Role};
use crate::query::Query;
use crate::serve::serve;
use crate::tail::Scope;
use crate::trial::{Block, TOKEN, Trial, app, event};
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use proptest::prelude::*;
use record::{Auth, Tenant};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const PATH: &str = "/v1/stream";

fn small(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::default();
    change(&mut config);
    config
}

async fn with_tenant(trial: &Trial, tenant: &str) {
    let created = trial
        .post("/admin/tenants", &json!({"tenant": tenant, "name": tenant}))
        .await;
    assert_eq!(created.status, StatusCode::CREATED);
}

fn of(tenant: &str, actor: &str) -> Value {
    let mut event = event(actor, "login", "success");
    event["tenant"] = json!(tenant);
    event
}

fn numbers(records: &[(u64, Value)]) -> Vec<u64> {
    records.iter().map(|(id, _)| *id).collect()
}

async fn metric(trial: &Trial, name: &str) -> u64 {
    let answer = trial.get("/metrics").await;
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    let line = text.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_record_is_shown_as_it_was_signed_and_numbered_by_seq() {
    let trial = Trial::new();
    trial.append(&event("agent:a1", "login", "success")).await;
    let mut stream = trial.tune(PATH, &[]).await;
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-store"),
        ("x-accel-buffering", "no"),
        ("sigil-head", "3"),
    ] {
        assert_eq!(stream.headers[name], value, "{name}");
    }
    // The tenant's chain has `tenant.created` and one event: the stream goes on after number 1.
    let opening = stream.block().await.unwrap();
    assert_eq!((opening.retry, opening.id, opening.event), (Some(3_000), Some(1), None));
    let record = trial.append(&event("agent:a2", "tool.call", "denied")).await;
    let block = stream.block().await.unwrap();
    assert_eq!((block.event.as_deref(), block.id), (Some("record"), Some(2)));
    let bytes = trial.memory.records().pop().unwrap().bytes().to_vec();
    assert_eq!(block.data.unwrap().as_bytes(), bytes);
    assert_eq!((record["seq"].as_u64(), record["offset"].as_u64()), (Some(2), Some(3)));
}

#[tokio::test]
async fn a_stream_goes_on_behind_the_number_that_was_read_last() {
    let trial = Trial::new();
    for at in 0..5 {
        trial.append(&event(&format!("agent:a{at}"), "login", "success")).await;
    }
    for (path, header, first) in [
        ("?after=2", None, 3),
        ("", Some("3"), 4),
        ("?after=1", Some("4"), 5),
        ("?after=start", None, 0),
    ] {
        let headers: Vec<(&str, &str)> = header.map(|id| ("last-event-id", id)).into_iter().collect();
        let mut stream = trial.tune(&format!("{PATH}{path}"), &headers).await;
        // The tenant has all records but the first of the log.
        let expected: Vec<u64> = (first..trial.memory.size() - 1).collect();
        assert_eq!(
            numbers(&stream.records(expected.len()).await),
            expected,
            "{path} {header:?}"
        );
        let last = trial.memory.size();
        trial.append(&event("agent:live", "login", "success")).await;
        let live = stream.records(1).await;
        assert_eq!(live[0].1["offset"].as_u64(), Some(last), "nothing comes twice");
    }
}

#[tokio::test]
async fn history_and_live_records_pass_the_same_filters() {
    let trial = Trial::new();
    let both = [
        event("agent:a1", "tool.call", "denied"),
        event("agent:a2", "tool.call", "denied"),
        event("agent:a1", "login", "success"),
        event("agent:a1", "tool.call", "success"),
    ];
    for event in &both {
        trial.append(event).await;
    }
    let mut streams = Vec::new();
    for (query, count) in [
        ("actor=agent:a1", 3),
        ("action=tool.call&outcome=denied", 2),
        ("q=actor:agent:a*%20-outcome:denied", 2),
        ("kind=tenant.created", 1),
        ("kind=audit.*&to=2026-11-20T12:00:04Z", 2),
    ] {
        let mut stream = trial.tune(&format!("{PATH}?after=start&{query}"), &[]).await;
        assert_eq!(stream.records(count).await.len(), count, "{query}");
        streams.push((query, stream));
    }
    for event in &both {
        trial.append(event).await;
    }
    // Every other block would be a record that does not belong here.
    trial.append(&event("agent:a1", "tool.call", "denied")).await;
    for ((query, stream), expected) in streams.iter_mut().zip([vec![5, 7, 8, 9], vec![5, 6, 9], vec![7, 8]]) {
        assert_eq!(numbers(&stream.records(expected.len()).await), expected, "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn silence_is_broken_and_moves_the_position() {
    let trial = Trial::new();
    let mut stream = trial.tune(&format!("{PATH}?actor=agent:nobody"), &[]).await;
    stream.block().await.unwrap();
    let started = tokio::time::Instant::now();
    let quiet = stream.block().await.unwrap();
    assert_eq!(
        quiet,
        Block {
            comment: Some("hb".to_owned()),
            ..Block::default()
        }
    );
    assert_eq!(started.elapsed().as_secs(), 15);
    trial.append(&event("agent:a1", "login", "success")).await;
    let moved = stream.block().await.unwrap();
    assert_eq!(
        (moved.comment.as_deref(), moved.id, moved.event),
        (Some("hb"), Some(1), None)
    );
    // The deadline of a request is for its answer to begin: this stream is older.
    assert!(started.elapsed() >= Duration::from_secs(30));
    let last = stream.block().await.unwrap();
    assert_eq!((last.id, started.elapsed().as_secs()), (None, 45));
}

#[tokio::test]
async fn a_position_that_cannot_be_is_refused_before_the_stream_begins() {
    let trial = Trial::with(small(|config| config.min_position_timeout_ms = 50), false);
    for wrong in [
        "-1",
        "x",
        "1.5",
        "+1",
        "0x1",
        "99999999999999999999",
        "9007199254740992",
        "START",
    ] {
        let answer = trial.get(&format!("{PATH}?after={}", wrong.replace('+', "%2B"))).await;
        assert_eq!(
            (answer.code().as_str(), answer.status.as_u16()),
            ("POSITION_INVALID", 400),
            "{wrong}"
        );
        let header = trial.ask("GET", PATH, &[("last-event-id", wrong)], Body::empty()).await;
        assert_eq!(header.code(), "POSITION_INVALID", "{wrong}");
    }
    let twice = [("last-event-id", "0"), ("last-event-id", "0")];
    assert_eq!(
        trial.ask("GET", PATH, &twice, Body::empty()).await.code(),
        "POSITION_INVALID"
    );
    for query in [
        "after=1",
        "after=9007199254740991",
        "tenant=*&after=2",
        "tenant=nobody&after=0",
    ] {
        let answer = trial.get(&format!("{PATH}?{query}")).await;
        assert_eq!(
            (answer.code().as_str(), answer.status.as_u16()),
            ("POSITION_AHEAD", 400),
            "{query}"
        );
    }
    let detail = trial.get(&format!("{PATH}?after=1")).await.json()["detail"].to_string();
    assert!(detail.contains("the last record is 0"), "{detail}");
    // What the read model has not seen may still exist.
    trial.append(&event("agent:a1", "login", "success")).await;
    trial.memory.lag.store(1, Ordering::Relaxed);
    assert_eq!(trial.get(&format!("{PATH}?after=1")).await.code(), "PROJECTION_LAGGING");
    assert_eq!(trial.get(&format!("{PATH}?cursor=x")).await.code(), "PARAMETER_UNKNOWN");
}

#[tokio::test]
async fn nobody_sees_another_tenant() {
    let trial = Trial::new();
    with_tenant(&trial, "acme").await;
    let mut own = trial.tune(&format!("{PATH}?tenant=acme&after=start"), &[]).await;
    let mut other = trial.tune(PATH, &[("sigil-tenant", "default")]).await;
    for at in 0..20 {
        trial.append(&of("acme", &format!("agent:{at}"))).await;
        trial.append(&of("default", &format!("agent:{at}"))).await;
    }
    let (own, other) = (own.records(21).await, other.records(20).await);
    assert!(own.iter().all(|(_, record)| record["tenant"] == "acme"));
    assert!(other.iter().all(|(_, record)| record["tenant"] == "default"));
    assert_eq!(numbers(&own), (0..21).collect::<Vec<_>>());
    assert_eq!(numbers(&other), (1..21).collect::<Vec<_>>());
}

#[tokio::test]
async fn all_tenants_are_numbered_by_offset() {
    let trial = Trial::new();
    with_tenant(&trial, "acme").await;
    let mut stream = trial.tune(&format!("{PATH}?tenant=*&after=0"), &[]).await;
    trial.append(&of("acme", "agent:1")).await;
    trial.append(&of("default", "agent:2")).await;
    let records = stream.records(4).await;
    assert_eq!(numbers(&records), [1, 2, 3, 4]);
    assert!(
        records
            .iter()
            .all(|(id, record)| record["offset"].as_u64() == Some(*id))
    );
}

#[tokio::test]
async fn all_tenants_are_for_an_administrator_who_is_bound_to_none() {
    let caller = |tenant: Option<&str>, loa: u8, roles: &'static [Role]| Caller {
        tenant: tenant.map(|tenant| Tenant::parse(tenant).unwrap()),
        id: "key:1".to_owned(),
        kind: CallerKind::Operator,
        loa,
        roles,
        auth: Auth::Local,
        key_id: None,
    };
    let ask = |caller: &Caller, text: &str| {
        let query = Query::parse(Some(text), &super::PARAMETERS).unwrap();
        scope(caller, &HeaderMap::new(), &query).map_err(|problem| problem.code())
    };
    let all: &[Role] = &[Role::Reader, Role::Admin];
    assert_eq!(ask(&caller(None, 3, all), "tenant=*"), Ok(Scope::All));
    for (caller, code) in [
        (caller(Some("acme"), 5, all), "ADMIN_ACCESS_FORBIDDEN"),
        (caller(None, 5, &[Role::Reader]), "ADMIN_ACCESS_FORBIDDEN"),
        (caller(None, 2, all), "LOA_INSUFFICIENT"),
    ] {
        assert_eq!(ask(&caller, "tenant=*"), Err(code));
    }
    assert_eq!(ask(&caller(Some("acme"), 5, all), "tenant=other"), Err("NOT_FOUND"));
    let acme = Scope::Tenant(Tenant::parse("acme").unwrap());
    assert_eq!(ask(&caller(Some("acme"), 1, &[Role::Reader]), ""), Ok(acme));

    let open = Trial::with(Config::default(), true);
    let request = Request::get(format!("{PATH}?tenant=*")).header("host", "localhost");
    let page = open.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(page.code(), "ADMIN_ACCESS_FORBIDDEN");
    let named = [("sigil-tenant", "acme")];
    let answer = open
        .ask("GET", &format!("{PATH}?tenant=*"), &named, Body::empty())
        .await;
    assert_eq!(answer.code(), "TENANT_MISMATCH");
}

#[tokio::test]
async fn streams_beyond_the_limit_are_refused_until_one_ends() {
    let trial = Trial::with(small(|config| config.streams = 2), false);
    let first = trial.tune(PATH, &[]).await;
    let second = trial.tune(PATH, &[]).await;
    assert_eq!(metric(&trial, "stream_subscribers").await, 2);
    let refused = trial.get(PATH).await;
    assert_eq!(
        (refused.code().as_str(), refused.status.as_u16()),
        ("TOO_MANY_STREAMS", 503)
    );
    drop(first);
    let mut third = trial.tune(PATH, &[]).await;
    trial.append(&event("agent:a1", "login", "success")).await;
    assert_eq!(numbers(&third.records(1).await), [1]);
    drop((second, third));
    assert_eq!(metric(&trial, "stream_subscribers").await, 0);
    assert_eq!(metric(&trial, "stream_lag_drops_total").await, 0);
}

#[tokio::test]
async fn a_slow_reader_is_cut_off_and_goes_on_without_loss() {
    // About forty small records fit.
    let trial = Trial::with(small(|config| config.stream_buffer_bytes = 40_000), false);
    let mut slow = trial.tune(&format!("{PATH}?actor=agent:slow"), &[]).await;
    let mut quick = trial.tune(PATH, &[]).await;
    trial.append(&event("agent:slow", "login", "success")).await;
    assert_eq!(numbers(&slow.records(1).await), [1]);
    for at in 2..=200 {
        trial.append(&event("agent:slow", "login", "success")).await;
        if at == 2 {
            assert_eq!(numbers(&quick.records(1).await), [1]);
        }
        // A reader that reads is not affected.
        assert_eq!(numbers(&quick.records(1).await), [at]);
    }
    let end = slow.end().await;
    assert_eq!(end["code"], "STREAM_LAGGED");
    assert_eq!(end["resume_after"].as_u64(), slow.position);
    assert_eq!(slow.position, Some(1));
    drop(slow);
    assert_eq!(metric(&trial, "stream_lag_drops_total").await, 1);
    let after = format!("{PATH}?actor=agent:slow&after=1");
    let mut again = trial.tune(&after, &[]).await;
    assert_eq!(numbers(&again.records(199).await), (2..=200).collect::<Vec<_>>());
    drop((again, quick));
    assert_eq!(metric(&trial, "stream_lag_drops_total").await, 1);
}

#[tokio::test]
async fn a_failure_of_the_read_model_ends_the_stream_with_its_place() {
    let trial = Trial::new();
    for _ in 0..40 {
        trial.append(&event("agent:a1", "login", "success")).await;
    }
    let mut stream = trial.tune(&format!("{PATH}?after=3"), &[]).await;
    assert_eq!(numbers(&stream.records(1).await), [4]);
    let fault = projector::Error::Source("a planted fault with a value".to_owned());
    trial.memory.query_failures.lock().unwrap().push_back(fault);
    let end = stream.end().await;
    assert_eq!(
        (end["code"].as_str(), end["resume_after"].as_u64()),
        (Some("READ_MODEL_UNAVAILABLE"), stream.position)
    );
    assert!(!end.to_string().contains("planted"));
    let last = stream.position.unwrap();
    let mut again = trial.tune(&format!("{PATH}?after={last}"), &[]).await;
    assert_eq!(numbers(&again.records(1).await), [last + 1]);
}

#[tokio::test]
async fn a_lagging_read_model_delays_nobody() {
    let trial = Trial::new();
    for at in 0..30 {
        trial
            .append(&event(&format!("agent:{}", at % 2), "login", "success"))
            .await;
    }
    trial.memory.lag.store(25, Ordering::Relaxed);
    let mut stream = trial.tune(&format!("{PATH}?after=start&actor=agent:1"), &[]).await;
    let expected: Vec<u64> = (1..=30).filter(|seq| seq % 2 == 0).collect();
    assert_eq!(numbers(&stream.records(15).await), expected);
}

struct Running {
    peer: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<bool>,
    trial: Trial,
}

async fn start(config: Config) -> Running {
    let memory = crate::testing::Memory::new();
    let router = app(&memory, config.clone(), false).router();
    let trial = Trial {
        memory,
        router: router.clone(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let ended = tokio::spawn(async move {
        serve(listener, router, &config, async {
            let _ = stopped.await;
        })
        .await
    });
    Running {
        peer,
        stop,
        ended,
        trial,
    }
}

async fn send_request(stream: &mut TcpStream) {
    let request = format!("GET {PATH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {TOKEN}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
}

async fn read_until(stream: &mut TcpStream, text: &mut String, wanted: &str) {
    let mut piece = [0; 8_192];
    while !text.contains(wanted) {
        let count = tokio::time::timeout(Duration::from_secs(60), stream.read(&mut piece)).await;
        let count = count.expect("in time").unwrap();
        assert!(count > 0, "the connection ended before {wanted}: {text}");
        text.push_str(std::str::from_utf8(&piece[..count]).unwrap());
    }
}

#[tokio::test]
async fn a_stop_ends_streams_in_order_and_says_where_to_go_on() {
    let running = start(Config::default()).await;
    let mut stream = TcpStream::connect(running.peer).await.unwrap();
    let mut text = String::new();
    send_request(&mut stream).await;
    read_until(&mut stream, &mut text, "retry: 3000").await;
    running.trial.append(&event("agent:a1", "login", "success")).await;
    read_until(&mut stream, &mut text, "id: 1\nevent: record\n").await;
    running.stop.send(()).unwrap();
    let end = "event: end\ndata: {\"code\":\"DRAINING\",\"detail\":\"the server is stopping\",\"resume_after\":1}\n\n";
    read_until(&mut stream, &mut text, end).await;
    // The last chunk of a whole answer.
    read_until(&mut stream, &mut text, "\r\n0\r\n\r\n").await;
    assert!(running.ended.await.unwrap(), "nothing was cut off");
}

#[tokio::test]
async fn a_reader_that_is_stuck_is_closed_and_holds_nothing_back() {
    let config = small(|config| {
        config.write_timeout_ms = 3_000;
        config.stream_buffer_bytes = 500_000;
    });
    let running = start(config).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut stuck = socket.connect(running.peer).await.unwrap();
    send_request(&mut stuck).await;
    read_until(&mut stuck, &mut String::new(), "retry: 3000").await;
    let mut quick = running.trial.tune(PATH, &[]).await;
    let mut large = event("agent:a1", "login", "success");
    large["payload"]["data"] = json!({"text": "x".repeat(200_000)});
    let mut sent = 0;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    // The kernel takes some megabytes before the reader is stuck.
    while metric(&running.trial, "stream_subscribers").await > 1 {
        assert!(
            tokio::time::Instant::now() < deadline,
            "the stuck reader is still there"
        );
        running.trial.append(&large).await;
        sent += 1;
        assert_eq!(numbers(&quick.records(1).await), [sent]);
    }
    assert_eq!(metric(&running.trial, "stream_lag_drops_total").await, 1);
    drop(stuck);
    running.stop.send(()).unwrap();
    assert!(running.ended.await.unwrap());
}

/// What happens to a stream and its log.
#[derive(Debug, Clone)]
enum Step {
    /// So many records are appended, each by one of three actors and in one of two tenants.
    Append(Vec<(u8, bool)>),
    /// The reader reads so many events.
    Read(usize),
    /// The reader connects again.
    Reconnect,
    /// The read model falls behind by so many records.
    Lag(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => prop::collection::vec((0..3_u8, any::<bool>()), 1..30).prop_map(Step::Append),
        3 => (1..20_usize).prop_map(Step::Read),
        2 => Just(Step::Reconnect),
        1 => (0..40_u64).prop_map(Step::Lag),
    ];
    prop::collection::vec(step, 1..20)
}

/// Follows a stream through `steps` and returns the ids of the records it gave, and those it should have given.
async fn follow(steps: Vec<Step>, all: bool) -> (Vec<String>, Vec<String>) {
    // About ten records fit, so that a reader often falls behind.
    let trial = Trial::with(small(|config| config.stream_buffer_bytes = 10_000), false);
    with_tenant(&trial, "acme").await;
    let path = format!("{PATH}?tenant={}&actor=agent:1", if all { "*" } else { "acme" });
    let mut stream = trial.tune(&format!("{path}&after=start"), &[]).await;
    let (mut given, mut expected, mut position) = (Vec::new(), Vec::new(), None);
    let connect = async |position: Option<u64>| {
        let lag = trial.memory.lag.swap(0, Ordering::Relaxed);
        let after = position.map_or_else(|| "start".to_owned(), |position| position.to_string());
        let stream = trial.tune(&format!("{path}&after={after}"), &[]).await;
        trial.memory.lag.store(lag, Ordering::Relaxed);
        stream
    };
    for step in steps.into_iter().chain([Step::Read(usize::MAX)]) {
        match step {
            Step::Append(records) => {
                for (actor, own) in records {
                    let tenant = if own { "acme" } else { "default" };
                    let record = trial.append(&of(tenant, &format!("agent:{actor}"))).await;
                    if actor == 1 && (own || all) {
                        expected.push(record["id"].as_str().unwrap().to_owned());
                    }
                }
            }
            Step::Read(count) => {
                for _ in 0..count.min(expected.len() - given.len()) {
                    let (name, _, data) = stream.event().await.expect("a stream says why it ends");
                    position = stream.position.or(position);
                    if name == "end" {
                        assert_eq!(data["code"], "STREAM_LAGGED");
                        stream = connect(position).await;
                        continue;
                    }
                    given.push(data["id"].as_str().unwrap().to_owned());
                }
            }
            Step::Reconnect => stream = connect(position).await,
            Step::Lag(lag) => trial.memory.lag.store(lag, Ordering::Relaxed),
        }
    }
    while given.len() < expected.len() {
        let (name, _, data) = stream.event().await.expect("a stream says why it ends");
        position = stream.position.or(position);
        if name == "end" {
            stream = connect(position).await;
        } else {
            given.push(data["id"].as_str().unwrap().to_owned());
        }
    }
    (given, expected)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn every_record_is_given_exactly_once_whatever_happens(steps in steps(), all in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (given, expected) = runtime.block_on(follow(steps, all));
        prop_assert_eq!(given, expected);
    }
}

#[test]
fn the_token_is_asked_for() {
    // `nothing_but_open_routes_answers_without_a_credential` asks every route of the table; this one is in it.
    let rows: Vec<_> = crate::policy::TABLE.iter().filter(|rule| rule.route == PATH).collect();
    assert!(matches!(rows.as_slice(), [rule] if rule.role == Some(Role::Reader)));
    let auth = LocalAuth::new("secret-token", false);
    assert!(
        auth.authenticate(Some([127, 0, 0, 1].into()), &HeaderMap::new())
            .is_err()
    );
}

//! Requests and replies that somebody forged, changed, repeated or held back.

use crate::log::{Log, event, plain, private, tenant};
use crate::stand::{PATIENCE, Serving, Stand, connect, pin, settled, until_it_appends};
use async_nats::{HeaderMap, Message};
use bytes::Bytes;
use domain::payload::GatewayRole;
use futures_util::StreamExt as _;
use ledger::{Clock as _, SystemClock, rpc};
use ledger_client::wire::{
    Frame, GatewayKey, OpenedReply, PART_BYTES, Part, Request, RequestId, Status, Verb, body, chunk, command_message,
    read_error, subject,
};
use ledger_client::{Append, Error, LedgerClient as _, Refusal};
use record::{Origin, Timestamp};
use serde_json::json;
use std::time::Duration;

/// A request by hand.
struct Forge {
    key: GatewayKey,
    name: String,
    log: Origin,
    /// Of the signed document; the header has its own.
    id: RequestId,
    issued_s: i64,
    expires_s: i64,
    verb: Verb,
    body: Vec<u8>,
}

impl Forge {
    fn new(stand: &Stand, verb: Verb, body: Vec<u8>) -> Self {
        Self {
            key: stand.key.clone(),
            name: "gw-1".to_owned(),
            log: stand.pin.log.clone(),
            id: fresh(),
            issued_s: 0,
            expires_s: 30,
            verb,
            body,
        }
    }

    fn append(stand: &Stand, action: &str) -> Self {
        let mut item = Vec::new();
        body::write_item(&plain(event(action)), &mut item);
        Self::new(stand, Verb::Append, body::append([item.as_slice()].into_iter()))
    }

    fn document(&self) -> Bytes {
        let now = SystemClock.read().wall.micros();
        let at = |seconds: i64| Timestamp::from_micros(now + seconds * 1_000_000).expect("in range");
        let request = Request {
            log: &self.log,
            gateway: &self.name,
            id: self.id,
            issued_at: at(self.issued_s),
            expires_at: at(self.expires_s),
            caller: "local:test",
            verb: self.verb,
            body: &self.body,
        };
        request.document().into()
    }

    fn frame(&self, document: &Bytes) -> Frame {
        Frame {
            request_id: self.id,
            gateway: self.name.clone(),
            signature: self.key.sign(&command_message(document)),
            part: Part::whole(document.len()),
        }
    }

    fn sign(&self) -> (Frame, Bytes) {
        let document = self.document();
        (self.frame(&document), document)
    }
}

fn fresh() -> RequestId {
    let id = crate::log::fresh_id();
    RequestId::new(*id.as_bytes())
}

/// Sends messages to the service and reads what it answers.
struct Prober {
    nats: async_nats::Client,
    stand_log: Origin,
}

impl Prober {
    async fn new(stand: &Stand) -> Self {
        Self {
            nats: connect(&stand.nats.url()).await,
            stand_log: stand.pin.log.clone(),
        }
    }

    async fn send(&self, to: &str, messages: Vec<(HeaderMap, Bytes)>) -> async_nats::Subscriber {
        let inbox = self.nats.new_inbox();
        let replies = self.nats.subscribe(inbox.clone()).await.expect("subscribes");
        for (headers, bytes) in messages {
            let sent = self
                .nats
                .publish_with_reply_and_headers(to.to_owned(), inbox.clone(), headers, bytes);
            sent.await.expect("publishes");
        }
        replies
    }

    /// What comes of a document in whole parts.
    async fn ask(&self, verb: Verb, frame: &Frame, document: &Bytes) -> Result<Bytes, Error> {
        let messages = chunk::split(document)
            .map(|(part, bytes)| (frame.headers(part), bytes))
            .collect();
        self.ask_raw(&format!("sigil.rpc.audit.{verb}"), frame, messages).await
    }

    async fn ask_raw(&self, to: &str, frame: &Frame, messages: Vec<(HeaderMap, Bytes)>) -> Result<Bytes, Error> {
        let mut replies = self.send(to, messages).await;
        let reply = tokio::time::timeout(PATIENCE, replies.next())
            .await
            .expect("an answer")
            .expect("a message");
        self.read(frame, &reply)
    }

    fn read(&self, frame: &Frame, reply: &Message) -> Result<Bytes, Error> {
        let reply =
            OpenedReply::read(&reply.payload, &self.stand_log, &frame.gateway, frame.request_id).expect("a reply");
        match reply.status {
            Status::Ok => Ok(reply.body),
            Status::Error => Err(read_error(&reply.body)),
        }
    }

    async fn of(&self, forge: &Forge) -> Result<Bytes, Error> {
        let (frame, document) = forge.sign();
        self.ask(forge.verb, &frame, &document).await
    }
}

fn refused<T: std::fmt::Debug>(result: &Result<T, Error>) -> Option<Refusal> {
    match result {
        Err(Error::CommandRefused(refusal)) => Some(*refusal),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_enrolled_are_heard_within_their_role_their_log_and_their_time() {
    let stand = Stand::new().await;
    let reader = GatewayKey::from_seed("reader", &[12; 32]).expect("a key");
    let gone = GatewayKey::from_seed("gone", &[13; 32]).expect("a key");
    let stranger = GatewayKey::from_seed("stranger", &[14; 32]).expect("a key");
    let handle = &stand.handle;
    handle
        .enroll_gateway("reader", &reader.public(), GatewayRole::Reader)
        .await
        .expect("enrols");
    handle
        .enroll_gateway("gone", &gone.public(), GatewayRole::Gateway)
        .await
        .expect("enrols");
    handle.revoke_gateway("gone").await.expect("revokes");
    let prober = Prober::new(&stand).await;
    let before = handle.head().await.expect("a head").size;
    let forge = |key: &GatewayKey, change: fn(&mut Forge)| {
        let mut forge = Forge::append(&stand, "hostile");
        (forge.key, forge.name) = (key.clone(), key.name().to_owned());
        change(&mut forge);
        forge
    };
    let other_log: fn(&mut Forge) = |forge| forge.log = Origin::parse("example.com/other").expect("an origin");
    let long: fn(&mut Forge) = |forge| forge.expires_s = 3_600;
    let array: fn(&mut Forge) = |forge| forge.body = b"[]".to_vec();
    let cases = [
        (forge(&stranger, |_| {}), Refusal::GatewayUnknown),
        (forge(&gone, |_| {}), Refusal::GatewayRevoked),
        (forge(&reader, |_| {}), Refusal::VerbDenied),
        (
            forge(&stand.key, |forge| forge.name = "reader".to_owned()),
            Refusal::SignatureInvalid,
        ),
        (forge(&stand.key, other_log), Refusal::WrongLog),
        (
            forge(&stand.key, |forge| (forge.issued_s, forge.expires_s) = (-120, -60)),
            Refusal::Expired,
        ),
        (
            forge(&stand.key, |forge| (forge.issued_s, forge.expires_s) = (120, 180)),
            Refusal::NotYetValid,
        ),
        (forge(&stand.key, long), Refusal::LifetimeTooLong),
        (
            forge(&stand.key, |forge| (forge.issued_s, forge.expires_s) = (20, 10)),
            Refusal::LifetimeTooLong,
        ),
        (
            forge(&stand.key, |forge| forge.body = b"{\"items\":[{}]}".to_vec()),
            Refusal::Malformed,
        ),
        (
            forge(&stand.key, |forge| forge.body = b"{\"items\":[],\"more\":1}".to_vec()),
            Refusal::Malformed,
        ),
        (forge(&stand.key, array), Refusal::Malformed),
    ];
    for (forge, refusal) in &cases {
        let answer = prober.of(forge).await;
        assert_eq!(refused(&answer), Some(*refusal), "{answer:?}");
    }
    assert_eq!(handle.head().await.expect("a head").size, before, "nothing was written");
    let counted = stand.serving.counters.read();
    let expected = |refusal| cases.iter().filter(|(_, expected)| *expected == refusal).count() as u64;
    assert!(
        counted
            .refused
            .iter()
            .all(|(refusal, number)| *number >= expected(*refusal))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_reads_and_does_nothing_else() {
    let stand = Stand::new().await;
    let reader = GatewayKey::from_seed("reader", &[12; 32]).expect("a key");
    let enrolled = stand
        .handle
        .enroll_gateway("reader", &reader.public(), GatewayRole::Reader)
        .await;
    let before = enrolled.expect("enrols").committed.offset + 1;
    let prober = Prober::new(&stand).await;
    for verb in Verb::ALL {
        let mut forge = Forge::new(&stand, verb, b"{}".to_vec());
        (forge.key, forge.name) = (reader.clone(), "reader".to_owned());
        let denied = refused(&prober.of(&forge).await) == Some(Refusal::VerbDenied);
        assert_eq!(
            denied,
            matches!(verb, Verb::Append | Verb::Tenant | Verb::Open),
            "{verb}"
        );
    }
    let client = stand.client(reader, |_| {}).await;
    assert_eq!(client.head().await.expect("a head").size, before);
    let denied = client.append(plain(event("no"))).await;
    assert_eq!(denied, Err(Error::CommandRefused(Refusal::VerbDenied)));
    let denied = client.open_sealed(tenant("default"), event("x").id).await;
    assert_eq!(denied, Err(Error::CommandRefused(Refusal::VerbDenied)));
    // What was anchored, only the process with the log says.
    let failed = domain::payload::CheckpointAnchorFailed {
        size: 1,
        anchor: domain::payload::AnchorKind::Dir,
        place: "dir".to_owned(),
        error_class: domain::payload::AnchorError::Storage,
    };
    let denied = client
        .report(ledger_client::Report::CheckpointAnchorFailed(failed))
        .await;
    assert_eq!(denied, Err(Error::CommandRefused(Refusal::VerbDenied)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_of_another_logs_gateway_opens_nothing_here() {
    let stand = Stand::new().await;
    let other = Log::create().await;
    let other = other.open();
    let key = GatewayKey::from_seed("gw-1", &[21; 32]).expect("a key");
    other
        .enroll_gateway("gw-1", &key.public(), GatewayRole::Gateway)
        .await
        .expect("enrols");
    let client = stand.client(key, |_| {}).await;
    let answer = client.append(plain(event("foreign"))).await;
    assert_eq!(answer, Err(Error::CommandRefused(Refusal::SignatureInvalid)));
    // And a client that pins another log believes nothing that this ledger says.
    let foreign = pin(&other).await;
    let client = stand
        .client(stand.key.clone(), |config| {
            (config.pin, config.timeout_ms) = (foreign, 500)
        })
        .await;
    assert!(matches!(client.head().await, Err(Error::Unavailable { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_byte_anywhere_is_refused() {
    let stand = Stand::new().await;
    let prober = Prober::new(&stand).await;
    let forge = Forge::append(&stand, "tampered");
    let (frame, document) = forge.sign();
    let before = stand.handle.head().await.expect("a head").size;
    for at in (0..document.len()).step_by(7) {
        let mut changed = document.to_vec();
        changed[at] ^= 1 << (at % 8);
        let answer = prober.ask(Verb::Append, &frame, &changed.into()).await;
        assert_eq!(refused(&answer), Some(Refusal::SignatureInvalid), "byte {at}");
    }
    for at in 0..64 {
        let mut frame = frame.clone();
        frame.signature[at] ^= 1;
        assert_eq!(
            refused(&prober.ask(Verb::Append, &frame, &document).await),
            Some(Refusal::SignatureInvalid)
        );
    }
    let renamed = Frame {
        request_id: fresh(),
        ..frame.clone()
    };
    assert_eq!(
        refused(&prober.ask(Verb::Append, &renamed, &document).await),
        Some(Refusal::Malformed)
    );
    assert_eq!(
        refused(&prober.ask(Verb::Head, &frame, &document).await),
        Some(Refusal::Malformed)
    );
    let unknown = vec![(frame.headers(frame.part), document.clone())];
    let unknown = prober.ask_raw("sigil.rpc.audit.destroy", &frame, unknown).await;
    assert_eq!(refused(&unknown), Some(Refusal::VerbUnknown));
    assert_eq!(stand.handle.head().await.expect("a head").size, before);
    assert!(
        prober.ask(Verb::Append, &frame, &document).await.is_ok(),
        "as it was signed, it is taken"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_carried_out_once_also_behind_a_restart() {
    let stand = Stand::new().await;
    let record = private("opened", json!({"card": "4111"}));
    stand.client.append(plain(record.clone())).await.expect("appends");
    let prober = Prober::new(&stand).await;
    let append = Forge::append(&stand, "once");
    let nobody = {
        let mut record = event("denied");
        record.tenant = tenant("later");
        let mut item = Vec::new();
        body::write_item(&plain(record), &mut item);
        Forge::new(&stand, Verb::Append, body::append([item.as_slice()].into_iter()))
    };
    let begins = Forge::new(&stand, Verb::Tenant, body::tenant(&tenant("t2"), "T", event("x").id));
    let opens = Forge::new(&stand, Verb::Open, body::one_record(&tenant("default"), &record.id));
    let forges: Vec<(Verb, (Frame, Bytes))> = [append, nobody, begins, opens]
        .iter()
        .map(|forge| (forge.verb, forge.sign()))
        .collect();
    for (verb, (frame, document)) in &forges {
        assert!(prober.ask(*verb, frame, document).await.is_ok());
    }
    // What was denied must not come true later, by a copy of the request.
    stand
        .client
        .create_tenant(tenant("later"), "Later".to_owned())
        .await
        .expect("begins");
    let before = stand.handle.head().await.expect("a head").size;
    for (verb, (frame, document)) in &forges {
        let again = prober.ask(*verb, frame, document).await;
        assert!(is_repeated(*verb, &again), "{verb}: {again:?}");
    }
    let stand = stand.restart().await;
    for (verb, (frame, document)) in &forges {
        let again = prober.ask(*verb, frame, document).await;
        assert!(is_repeated(*verb, &again), "{verb} behind a restart: {again:?}");
    }
    assert_eq!(
        stand.handle.head().await.expect("a head").size,
        before,
        "no effect twice"
    );
    let read = Forge::new(&stand, Verb::Head, b"{}".to_vec()).sign();
    for _ in 0..2 {
        assert!(
            prober.ask(Verb::Head, &read.0, &read.1).await.is_ok(),
            "what changes nothing may be repeated"
        );
    }
}

/// Whether every result of the answer is the refusal to do it again.
fn is_repeated(verb: Verb, answer: &Result<Bytes, Error>) -> bool {
    match answer {
        Ok(answer) if verb != Verb::Open => {
            let results = body::read_results(answer).expect("results");
            !results.is_empty() && results.iter().all(|result| refused(result) == Some(Refusal::Repeated))
        }
        answer => refused(answer) == Some(Refusal::Repeated),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_that_are_missing_doubled_or_too_many_make_no_request() {
    let stand = Stand::with(
        |config| (config.partial_requests, config.partial_wait_ms) = (2, 1_000),
        |_| {},
    )
    .await;
    let prober = Prober::new(&stand).await;
    let mut record = event("parts");
    record.payload["data"] = json!({"text": "x".repeat(700_000), "more": "y".repeat(80_000)});
    let mut large = private("parts", json!("z".repeat(700_000)));
    large.payload["data"] = record.payload["data"].clone();
    let mut item = Vec::new();
    body::write_item(&plain(large), &mut item);
    let forge = Forge::new(&stand, Verb::Append, body::append([item.as_slice()].into_iter()));
    let (frame, document) = forge.sign();
    assert!(document.len() > PART_BYTES);
    let parts: Vec<_> = chunk::split(&document)
        .map(|(part, bytes)| (frame.headers(part), bytes))
        .collect();
    let doubled = vec![parts[0].clone(), parts[0].clone(), parts[1].clone()];
    let to = subject(&stand.slug, Some(Verb::Append));
    assert_eq!(
        refused(&prober.ask_raw(&to, &frame, doubled).await),
        Some(Refusal::Malformed)
    );
    let oversized = Part {
        index: 0,
        count: 1,
        total: document.len(),
    };
    let short = document.slice(..PART_BYTES);
    let answer = prober
        .ask_raw(&to, &frame, vec![(frame.headers(oversized), short)])
        .await;
    assert_eq!(refused(&answer), Some(Refusal::Malformed));
    let beyond = Part {
        index: 0,
        count: 10,
        total: 9 * 1_024 * 1_024,
    };
    let answer = prober
        .ask_raw(&to, &frame, vec![(frame.headers(beyond), parts[0].1.clone())])
        .await;
    assert_eq!(refused(&answer), Some(Refusal::TooLarge));
    // Half-sent requests take places until they are given up.
    let first = prober.send(&to, vec![parts[0].clone()]).await;
    let second = prober.send(&to, vec![parts[0].clone()]).await;
    let ask = || prober.ask_raw(&to, &frame, vec![parts[0].clone(), parts[1].clone()]);
    assert_eq!(ask().await, Err(Error::Overloaded));
    let answer = crate::stand::until("room", ask, |answer| answer != &Err(Error::Overloaded)).await;
    assert!(answer.is_ok(), "whole, it is carried out: {answer:?}");
    drop((first, second));
    let mut headless = HeaderMap::new();
    headless.insert("Sigil-Request", "no");
    drop(prober.send(&to, vec![(headless, Bytes::from_static(b"{}"))]).await);
    prober
        .nats
        .publish(to.clone(), Bytes::from_static(b"no reply subject"))
        .await
        .expect("publishes");
    let counted = || async { stand.serving.counters.read().dropped };
    crate::stand::until("two dropped messages", counted, |dropped| *dropped == 2).await;
}

/// Hears every request and answers in the ledger's place.
async fn impostor(
    stand: &Stand,
    answer: impl Fn(&Message, usize) -> Vec<(HeaderMap, Bytes)> + Send + 'static,
) -> tokio::task::JoinHandle<()> {
    let nats = connect(&stand.nats.url()).await;
    let mut requests = nats.subscribe("sigil.rpc.audit.append").await.expect("subscribes");
    settled(&nats).await;
    tokio::spawn(async move {
        let mut seen = 0;
        while let Some(request) = requests.next().await {
            let reply = request.reply.clone().expect("a reply subject");
            for (headers, bytes) in answer(&request, seen) {
                nats.publish_with_headers(reply.clone(), headers, bytes)
                    .await
                    .expect("publishes");
            }
            nats.flush().await.expect("flushes");
            seen += 1;
        }
    })
}

/// A reply to `request` that says what an impostor wants, signed by him.
fn forged(log: &Origin, request: &Message) -> (HeaderMap, Bytes) {
    let frame = Frame::read(request.headers.as_ref()).expect("a frame");
    let reply = ledger_client::wire::Reply {
        log,
        gateway: &frame.gateway,
        id: frame.request_id,
        status: Status::Ok,
        body: &body::results(&[Err(Error::Overloaded)]),
    };
    let document = Bytes::from(reply.document());
    let thief = GatewayKey::from_seed("thief", &[66; 32]).expect("a key");
    let frame = Frame {
        signature: thief.sign(&ledger_client::wire::reply_message(&document)),
        ..frame
    };
    (frame.headers(Part::whole(document.len())), document)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_reply_is_as_good_as_none() {
    let stand = Stand::with(|_| {}, |config| config.timeout_ms = 1_500).await;
    until_it_appends(&stand.client).await;
    let log = stand.pin.log.clone();
    let thief = impostor(&stand, move |request, _| vec![forged(&log, request); 2]).await;
    // The true answer comes behind the forged one, and counts.
    until_it_appends(&stand.client).await;
    let size = stand.handle.head().await.expect("a head").size;
    // Alone, the forged one is no answer.
    assert_eq!(stand.serving.counters.read().overloaded, 0);
    stand.serving.kill();
    let record = event("unheard");
    let answer = stand.client.append(plain(record.clone())).await;
    assert!(
        matches!(answer, Err(Error::CommitUnknown { id, .. }) if id == record.id),
        "{answer:?}"
    );
    assert_eq!(stand.handle.head().await.expect("a head").size, size);
    thief.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_to_another_request_is_none() {
    let stand = Stand::with(|_| {}, |config| config.timeout_ms = 1_500).await;
    // What the ledger truly said to an earlier request, caught on the bus.
    let tap = connect(&stand.nats.url()).await;
    let mut replies = tap.subscribe("_INBOX.>").await.expect("subscribes");
    settled(&tap).await;
    until_it_appends(&stand.client).await;
    let caught = loop {
        let reply = replies.next().await.expect("a reply");
        if reply.payload.starts_with(b"{\"body\":{\"results\"") {
            break reply;
        }
    };
    stand.serving.kill();
    let replay = impostor(&stand, move |request, _| {
        let asked = Frame::read(request.headers.as_ref()).expect("a frame");
        let mut renamed = Frame::read(caught.headers.as_ref()).expect("a frame");
        renamed.request_id = asked.request_id;
        vec![(renamed.headers(renamed.part), caught.payload.clone())]
    });
    let replay = replay.await;
    let answer = stand.client.append(plain(event("unheard"))).await;
    assert!(matches!(answer, Err(Error::CommitUnknown { .. })), "{answer:?}");
    replay.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_do_not_cross_an_open_bus() {
    let stand = Stand::with(|config| config.protected = false, |config| config.protected = false).await;
    let tap = connect(&stand.nats.url()).await;
    let mut all = tap.subscribe(">").await.expect("subscribes");
    settled(&tap).await;
    let unprotected = Error::CommandRefused(Refusal::Unprotected);
    let sealed = private("sealed", json!({"card": "4111-1111"}));
    assert_eq!(
        stand.client.append(plain(sealed.clone())).await,
        Err(unprotected.clone())
    );
    assert_eq!(
        stand.client.append_many(vec![sealed.clone()]).await,
        Ok(vec![Err(unprotected.clone())])
    );
    let mut proven = event("proven");
    proven.author.evidence = Some(json!({"sig": "4111-1111"}));
    assert_eq!(stand.client.append(plain(proven)).await, Err(unprotected.clone()));
    assert_eq!(
        stand.client.open_sealed(tenant("default"), sealed.id).await,
        Err(unprotected.clone())
    );
    // What is clear in the log may be clear on the bus.
    let clear = stand.client.append(plain(event("clear"))).await.expect("appends");
    // A gateway that asks all the same is not answered.
    stand.handle.append(plain(sealed.clone())).await.expect("appends");
    let careless = stand.client(stand.key.clone(), |_| {}).await;
    assert_eq!(
        careless.open_sealed(tenant("default"), sealed.id).await,
        Err(unprotected)
    );
    let last = loop {
        let message = all.next().await.expect("a message");
        assert!(
            !String::from_utf8_lossy(&message.payload).contains("4111-1111"),
            "{}",
            message.subject
        );
        if message.payload.windows(11).any(|bytes| bytes == b"unprotected") {
            break message;
        }
    };
    assert!(last.subject.starts_with("_INBOX."));
    assert!(clear.committed.offset > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_counts_from_its_commit_on() {
    let stand = Stand::new().await;
    until_it_appends(&stand.client).await;
    stand.handle.revoke_gateway("gw-1").await.expect("revokes");
    let answer = stand.client.append(plain(event("late"))).await;
    assert_eq!(answer, Err(Error::CommandRefused(Refusal::GatewayRevoked)));
    let stand = stand.restart().await;
    let answer = stand.client.append(plain(event("late"))).await;
    assert_eq!(answer, Err(Error::CommandRefused(Refusal::GatewayRevoked)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_small_messages_is_refused_at_the_start() {
    let options = testbed::NatsOptions {
        max_payload: Some(512 * 1_024),
        ..testbed::NatsOptions::default()
    };
    let nats = testbed::Nats::with(options).await;
    let log = Log::create().await;
    let handle = log.open();
    let service = rpc::Service::start(handle.clone(), connect(&nats.url()).await, rpc::Config::new(true)).await;
    assert!(matches!(service, Err(rpc::StartError::MaxPayload { found }) if found == 512 * 1_024));
    let key = GatewayKey::from_seed("gw-1", &[11; 32]).expect("a key");
    let slug = record::Slug::parse("audit").expect("a slug");
    let config = ledger_client::nats::Config::new(key, pin(&handle).await, slug, true);
    let client = ledger_client::nats::NatsClient::new(connect(&nats.url()).await, config).await;
    assert!(matches!(
        client.err(),
        Some(ledger_client::nats::ConnectError::MaxPayload { .. })
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_many_callers_share_a_signature_and_keep_their_keys_apart() {
    let stand = Stand::with(|_| {}, |config| config.in_flight = 1).await;
    until_it_appends(&stand.client).await;
    let taken = stand.serving.counters.read().taken;
    let appends = (0..200).map(|n| {
        let guard = ledger_client::Guard {
            caller: format!("local:{}", n % 10),
            key: format!("key-{}", n % 20),
            own_id: false,
        };
        let mut record = event(&format!("shared.{}", n % 20));
        record.author.id = guard.caller.clone();
        stand.client.append(Append {
            record,
            guard: Some(guard),
        })
    });
    let receipts = futures_util::future::join_all(appends).await;
    let receipts: Vec<_> = receipts.into_iter().map(|receipt| receipt.expect("appends")).collect();
    let fresh = receipts.iter().filter(|receipt| !receipt.replayed).count();
    assert_eq!(fresh, 20, "ten callers with two keys each");
    let requests = stand.serving.counters.read().taken - taken;
    assert!(requests < 50, "{requests} requests for 200 appends");
    tokio::time::timeout(Duration::from_secs(60), stand.serving.stop())
        .await
        .expect("drains");
}

/// Two services never answer for one log; what is not this log's is refused by the other one and ignored by the client.
#[tokio::test(flavor = "multi_thread")]
async fn another_ledger_on_the_same_subject_does_not_get_in_the_way() {
    let stand = Stand::new().await;
    let other = Log::create().await;
    let other = other.open();
    let foreign = Serving::start(&other, connect(&stand.nats.url()).await, rpc::Config::new(true)).await;
    for _ in 0..5 {
        until_it_appends(&stand.client).await;
    }
    let counted = foreign.counters.read();
    assert_eq!(counted.taken, 0);
    assert!(
        counted
            .refused
            .iter()
            .any(|(refusal, number)| *refusal == Refusal::GatewayUnknown && *number >= 5)
    );
    foreign.stop().await;
}

//! Brokers and ledgers that go away in the middle of a request.

use crate::log::{all, event, plain};
use crate::stand::{PATIENCE, Serving, Stand, connect, open, settled, until, until_it_appends};
use futures_util::StreamExt as _;
use ledger::rpc;
use ledger_client::{Error, LedgerClient as _};
use record::RecordId;
use std::collections::HashMap;
use std::time::Instant;

#[tokio::test(flavor = "multi_thread")]
async fn without_a_ledger_the_answer_is_quick() {
    let stand = Stand::with(|_| {}, |config| config.timeout_ms = 120_000).await;
    until_it_appends(&stand.client).await;
    stand.serving.stop().await;
    let since = Instant::now();
    let answer = stand.client.append(plain(event("nobody"))).await;
    assert!(
        matches!(&answer, Err(Error::Unavailable { reason }) if reason.contains("no ledger listens")),
        "{answer:?}"
    );
    assert!(matches!(stand.client.head().await, Err(Error::Unavailable { .. })));
    assert!(since.elapsed() < PATIENCE, "the timeout was not waited for");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_with_the_connection_leaves_the_outcome_unknown_and_a_retry_finds_it() {
    let mut stand = Stand::with(|_| {}, |config| config.timeout_ms = 3_000).await;
    until_it_appends(&stand.client).await;
    let before = stand.handle.head().await.expect("a head").size;
    stand.serving.stop().await;
    // Somebody receives the request, and nobody carries it out before the connection is gone.
    let bus = connect(&stand.nats.url()).await;
    let mut requests = bus.subscribe("sigil.rpc.audit.append").await.expect("subscribes");
    settled(&bus).await;
    let record = event("cut");
    let (client, asked) = (stand.client.clone(), record.clone());
    let asking = tokio::spawn(async move { client.append(plain(asked)).await });
    let request = requests.next().await.expect("a request");
    stand.proxy.refuse().await;
    stand.proxy.cut().await;
    drop(requests);
    settled(&bus).await;
    // The ledger gets it now, and its answer has nowhere to go.
    stand.serving = Serving::start(&stand.handle, connect(&stand.nats.url()).await, rpc::Config::new(true)).await;
    let (reply, headers) = (
        request.reply.expect("a reply subject"),
        request.headers.expect("headers"),
    );
    bus.publish_with_reply_and_headers(request.subject, reply, headers, request.payload)
        .await
        .expect("publishes");
    let answer = asking.await.expect("no panic");
    assert!(
        matches!(&answer, Err(Error::CommitUnknown { id, .. }) if *id == record.id),
        "{answer:?}"
    );
    let mut committed = stand.handle.committed();
    tokio::time::timeout(PATIENCE, committed.wait_for(|size| *size > before))
        .await
        .expect("in time")
        .expect("open");
    let while_cut = stand.client.append(plain(event("while.cut"))).await;
    assert!(
        matches!(&while_cut, Err(Error::Unavailable { reason }) if reason.contains("not connected")),
        "{while_cut:?}"
    );
    stand.proxy.heal().await;
    let ask = || stand.client.append(plain(record.clone()));
    let receipt = until("the bus", ask, |answer| {
        !matches!(answer, Err(Error::Unavailable { .. }))
    })
    .await;
    let receipt = receipt.expect("the first receipt");
    assert!(receipt.replayed);
    assert_eq!(receipt.committed.offset, before);
    assert_eq!(
        stand.handle.head().await.expect("a head").size,
        before + 1,
        "no effect twice"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_arrives_after_its_time_is_not_carried_out() {
    let mut stand = Stand::with(|_| {}, |config| config.timeout_ms = 500).await;
    until_it_appends(&stand.client).await;
    stand.serving.stop().await;
    let bus = connect(&stand.nats.url()).await;
    let mut requests = bus.subscribe("sigil.rpc.audit.append").await.expect("subscribes");
    settled(&bus).await;
    let answer = stand.client.append(plain(event("held"))).await;
    assert!(matches!(answer, Err(Error::CommitUnknown { .. })), "{answer:?}");
    let request = requests.next().await.expect("a request");
    drop(requests);
    settled(&bus).await;
    let before = stand.handle.head().await.expect("a head").size;
    let config = rpc::Config {
        clock_tolerance_s: 0,
        ..rpc::Config::new(true)
    };
    stand.serving = Serving::start(&stand.handle, connect(&stand.nats.url()).await, config).await;
    let headers = request.headers.expect("headers");
    let publish = bus.publish_with_reply_and_headers(request.subject, bus.new_inbox(), headers, request.payload);
    publish.await.expect("publishes");
    let expired = || async {
        let refused = stand.serving.counters.read().refused;
        refused
            .into_iter()
            .any(|(refusal, number)| refusal == ledger_client::Refusal::Expired && number == 1)
    };
    until("a refusal", expired, |refused| *refused).await;
    assert_eq!(stand.handle.head().await.expect("a head").size, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_dies_is_waited_for_and_everybody_goes_on() {
    let mut stand = Stand::with(|_| {}, |config| config.timeout_ms = 2_000).await;
    let first = until_it_appends(&stand.client).await;
    stand.nats.kill().await;
    let ask = || stand.client.append(plain(event("no.broker")));
    let refused = |answer: &Result<_, Error>| matches!(answer, Err(Error::Unavailable { reason }) if reason.contains("not connected"));
    let noticed = until("the loss of the connection to be noticed", ask, refused).await;
    assert!(noticed.is_err());
    assert!(!stand.client.is_connected());
    stand.nats.restart().await;
    let receipt = until_it_appends(&stand.client).await;
    assert!(receipt.committed.offset > first.committed.offset);
    let mut committed = stand.client.committed();
    let own = stand.handle.append(plain(event("beside"))).await.expect("appends");
    let reached = committed.wait_for(|size| *size > own.committed.offset);
    tokio::time::timeout(PATIENCE, reached)
        .await
        .expect("in time")
        .expect("is followed again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_stalls_leaves_the_outcome_unknown() {
    let stand = Stand::with(|_| {}, |config| config.timeout_ms = 1_000).await;
    until_it_appends(&stand.client).await;
    stand.proxy.stall();
    let record = event("stalled");
    let answer = stand.client.append(plain(record.clone())).await;
    assert!(
        matches!(&answer, Err(Error::CommitUnknown { id, .. }) if *id == record.id),
        "{answer:?}"
    );
    stand.proxy.heal().await;
    let ask = || stand.client.append(plain(record.clone()));
    let receipt = until("the broker", ask, Result::is_ok).await.expect("is ok");
    let stored = all(&stand.handle).await;
    assert_eq!(stored.iter().filter(|stored| stored.id == record.id).count(), 1);
    assert_eq!(receipt.id, record.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_when_the_ledger_restarts_under_load() {
    let mut stand = Stand::with(|_| {}, |config| (config.timeout_ms, config.in_flight) = (2_000, 3)).await;
    let mut acknowledged: HashMap<RecordId, u64> = HashMap::new();
    for round in 0..3 {
        let client = stand.client.clone();
        let load = tokio::spawn(async move {
            let appends = (0..200).map(|n| {
                let (client, record) = (client.clone(), event(&format!("load.{round}.{n}")));
                async move {
                    let ask = || client.append(plain(record.clone()));
                    let receipt = until("the ledger", ask, Result::is_ok).await.expect("is ok");
                    (record.id, receipt.committed.offset)
                }
            });
            futures_util::stream::iter(appends)
                .buffer_unordered(32)
                .collect::<Vec<_>>()
                .await
        });
        let mut committed = stand.handle.committed();
        let some = *committed.borrow() + 20;
        tokio::time::timeout(PATIENCE, committed.wait_for(|size| *size > some))
            .await
            .expect("in time")
            .expect("open");
        if round == 1 {
            // As a crash would: requests in work lose their ledger.
            let Stand { serving, handle, .. } = stand;
            serving.kill();
            handle.close();
            drop(handle);
            let log = stand.log;
            let handle = open(&log).await;
            let serving = Serving::start(&handle, connect(&stand.nats.url()).await, rpc::Config::new(true)).await;
            stand = Stand {
                serving,
                handle,
                log,
                ..stand
            };
        } else {
            stand = stand.restart().await;
        }
        acknowledged.extend(load.await.expect("no panic"));
    }
    let stored = all(&stand.handle).await;
    let mut offsets: HashMap<RecordId, Vec<u64>> = HashMap::new();
    for record in stored {
        offsets.entry(record.id).or_default().push(record.offset);
    }
    assert_eq!(acknowledged.len(), 600);
    for (id, offset) in acknowledged {
        assert_eq!(
            offsets.get(&id),
            Some(&vec![offset]),
            "{id} is there once, where the receipt says"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_service_finishes_what_it_took() {
    let stand = Stand::with(|_| {}, |config| config.in_flight = 4).await;
    until_it_appends(&stand.client).await;
    let appends = (0..400).map(|n| {
        let client = stand.client.clone();
        tokio::spawn(async move { client.append(plain(event(&format!("drain.{n}")))).await })
    });
    let appends: Vec<_> = appends.collect();
    stand.serving.stop().await;
    let mut done = 0;
    for append in appends {
        match append.await.expect("no panic") {
            Ok(_) => done += 1,
            Err(Error::Unavailable { .. }) => {}
            Err(other) => panic!("neither done nor refused: {other}"),
        }
    }
    let actions = all(&stand.handle).await;
    let stored = actions.iter().filter(|record| {
        record.payload["action"]
            .as_str()
            .is_some_and(|action| action.starts_with("drain."))
    });
    assert_eq!(stored.count(), done);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_without_room_says_so() {
    let stand = Stand::with(|config| config.requests = 0, |_| {}).await;
    assert_eq!(stand.client.append(plain(event("full"))).await, Err(Error::Overloaded));
    assert_eq!(stand.client.head().await, Err(Error::Overloaded));
    assert!(stand.serving.counters.read().overloaded >= 2);
    // A client without room says so itself, and sends nothing.
    let narrow = stand
        .client(stand.key.clone(), |config| {
            (config.queue_bytes, config.queue_wait_ms) = (0, 50)
        })
        .await;
    assert_eq!(narrow.append(plain(event("full"))).await, Err(Error::Overloaded));
}

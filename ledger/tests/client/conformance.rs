//! What every implementation of the trait has in common: one suite, run on both.

use crate::log::{Log, append as append_to, event, fresh_id, plain, private, tenant};
use crate::stand::{PATIENCE, Stand, open};
use ledger_client::proof::{Answer, Question, Unprovable};
use ledger_client::{Append, Error, Guard, LedgerClient, Receipt, Refusal, Report};
use record::{Code, Kind, Record};
use serde_json::json;

fn guarded(action: &str, caller: &str, key: &str) -> Append {
    Append {
        record: event(action),
        guard: Some(Guard {
            caller: caller.to_owned(),
            key: key.to_owned(),
            own_id: false,
        }),
    }
}

async fn append(client: &dyn LedgerClient, append: Append) -> Receipt {
    client.append(append).await.expect("appends")
}

/// Appends and reads; nothing is restarted.
async fn suite(client: &dyn LedgerClient) {
    appends_and_retries(client).await;
    many_stand_alone_and_keep_their_order(client).await;
    idempotency_keys_are_a_callers_own(client).await;
    refusals_say_what_is_wrong(client).await;
    tenants_begin_once(client).await;
    reports_are_the_ledgers_own_words(client).await;
    sealed_values_are_opened(client).await;
    large_records_go_both_ways(client).await;
    the_end_is_followed(client).await;
    nothing_is_proven_without_checkpoints(client).await;
}

async fn appends_and_retries(client: &dyn LedgerClient) {
    let record = event("first");
    let first = append(client, plain(record.clone())).await;
    assert!(!first.replayed);
    assert_eq!(first.id, record.id);
    let stored = Record::parse(first.committed.bytes.to_vec()).expect("canonical");
    assert_eq!(
        (stored.hash, stored.offset, stored.id),
        (first.hash, first.committed.offset, record.id)
    );
    assert_eq!(stored.payload["action"], json!("first"));
    let again = append(client, plain(record.clone())).await;
    assert!(again.replayed);
    assert_eq!((&again.committed, again.hash), (&first.committed, first.hash));
    let found = client.find(tenant("default"), record.id).await.expect("finds");
    assert_eq!(found.as_ref(), Some(&first.committed));
    assert_eq!(client.find(tenant("default"), fresh_id()).await, Ok(None));
    assert_eq!(client.find(tenant("other"), record.id).await, Ok(None));
    let mut other = record.clone();
    other.payload["action"] = json!("other");
    let conflict = Error::IdConflict {
        id: record.id,
        offset: first.committed.offset,
    };
    assert_eq!(client.append(plain(other)).await, Err(conflict));
    let head = client.head().await.expect("a head");
    assert_eq!(head.size, first.committed.offset + 1);
    assert_eq!((head.hash, head.ts), (Some(first.hash), Some(stored.ts)));
    let read = client.read(first.committed.offset, 10).await.expect("reads");
    assert_eq!(read, [first.committed]);
    assert_eq!(client.read(head.size, 10).await, Ok(Vec::new()));
    assert_eq!(client.read(0, 2).await.expect("reads").len(), 2);
}

async fn many_stand_alone_and_keep_their_order(client: &dyn LedgerClient) {
    let mut records: Vec<_> = (0..300).map(|n| event(&format!("many.{n}"))).collect();
    let mut unknown = event("many.unknown");
    unknown.tenant = tenant("nobody");
    records.insert(100, unknown);
    let results = client.append_many(records.clone()).await.expect("answers each");
    assert_eq!(results.len(), records.len());
    assert_eq!(results[100], Err(Error::Denied(domain::Denial::TenantUnknown)));
    let offsets: Vec<u64> = results
        .iter()
        .flatten()
        .map(|receipt| receipt.committed.offset)
        .collect();
    assert_eq!(offsets.len(), 300);
    assert!(offsets.is_sorted(), "records of one call keep their order: {offsets:?}");
    let ids: Vec<_> = results.iter().flatten().map(|receipt| receipt.id).collect();
    let sent: Vec<_> = records
        .iter()
        .map(|record| record.id)
        .filter(|id| *id != records[100].id)
        .collect();
    assert_eq!(ids, sent);
    assert_eq!(client.append_many(Vec::new()).await, Ok(Vec::new()));
}

async fn idempotency_keys_are_a_callers_own(client: &dyn LedgerClient) {
    let first = append(client, guarded("guarded", "local:a", "key-1")).await;
    let again = append(client, guarded("guarded", "local:a", "key-1")).await;
    assert!(again.replayed);
    assert_eq!(again.committed, first.committed);
    let other = append(client, guarded("guarded", "local:b", "key-1")).await;
    assert_ne!(other.committed, first.committed);
    let offset = first.committed.offset;
    let conflict = client.append(guarded("else", "local:a", "key-1")).await;
    assert_eq!(conflict, Err(Error::IdempotencyConflict { offset }));
}

async fn refusals_say_what_is_wrong(client: &dyn LedgerClient) {
    let refused = |result: Result<Receipt, Error>| match result {
        Err(Error::Refused(faults)) => faults
            .into_iter()
            .map(|fault| (fault.code, fault.pointer))
            .collect::<Vec<_>>(),
        other => panic!("not refused: {other:?}"),
    };
    let mut record = event("wrong");
    record.payload = json!({"action": 1, "outcome": "maybe"});
    let faults = refused(client.append(plain(record)).await);
    let missing = (Code::SchemaInvalid, "/payload/source".to_owned());
    assert!(faults.len() > 1 && faults.contains(&missing), "{faults:?}");
    let mut record = event("wrong");
    record.kind = Kind::parse("no.such_kind").expect("a kind");
    assert_eq!(
        refused(client.append(plain(record)).await),
        [(Code::KindUnknown, "/kind".to_owned())]
    );
    let mut record = event("wrong");
    record.payload["data"] = json!({"n": u64::MAX});
    let out_of_range = (Code::NumberOutOfRange, "/payload/data/n".to_owned());
    assert_eq!(refused(client.append(plain(record)).await), [out_of_range]);
    let mut record = event("wrong");
    record.payload["data"] = json!({"t": "a\u{0}b"});
    assert_eq!(refused(client.append(plain(record)).await)[0].0, Code::NulCharacter);
    for depth in [64, 100, 120, 200] {
        let mut record = event("wrong");
        record.payload["data"] = (0..depth).fold(json!({}), |inner, _| json!({"in": inner}));
        assert_eq!(
            refused(client.append(plain(record)).await)[0].0,
            Code::TooDeep,
            "{depth}"
        );
    }
    let mut record = event("wrong");
    record.payload["data"] = json!({"$sealed": "00"});
    assert_eq!(refused(client.append(plain(record)).await)[0].0, Code::ReservedName);
    let mut record = event("wrong");
    record.author.id = String::new();
    assert_eq!(
        refused(client.append(plain(record)).await),
        [(Code::EnvelopeInvalid, "/author/id".to_owned())]
    );
    for size in [800_000, 3_000_000] {
        let mut record = event("wrong");
        record.payload["data"] = json!({"text": "x".repeat(size)});
        assert_eq!(
            refused(client.append(plain(record)).await)[0].0,
            Code::RecordTooLarge,
            "{size}"
        );
    }
    let mut record = event("wrong");
    record.tenant = record::Tenant::ledger();
    let denied = client.append(plain(record)).await;
    assert_eq!(denied, Err(Error::Denied(domain::Denial::SystemSpaceProtected)));
}

async fn tenants_begin_once(client: &dyn LedgerClient) {
    let begun = client
        .create_tenant(tenant("acme"), "Acme".to_owned())
        .await
        .expect("begins");
    let stored = Record::parse(begun.committed.bytes.to_vec()).expect("canonical");
    assert_eq!((stored.tenant, stored.seq), (tenant("acme"), 0));
    let again = client.create_tenant(tenant("acme"), "Acme".to_owned()).await;
    assert_eq!(again, Err(Error::Denied(domain::Denial::TenantExists)));
    let nameless = client.create_tenant(tenant("beta"), String::new()).await;
    assert!(matches!(nameless, Err(Error::Refused(_))), "{nameless:?}");
}

async fn reports_are_the_ledgers_own_words(client: &dyn LedgerClient) {
    let hash = record::Hash::of(b"digest").to_string();
    let verified = domain::payload::ProjectionVerified {
        projection: "timeline".to_owned(),
        version: 1,
        engine: "sqlite".to_owned(),
        position: 2,
        digest: hash.clone(),
        replayed_digest: hash,
        equal: true,
        differences: 0,
        parked: 0,
    };
    let report = |verified: &domain::payload::ProjectionVerified| Report::ProjectionVerified(verified.clone());
    let written = client.report(report(&verified)).await.expect("is written");
    let stored = Record::parse(written.committed.bytes.to_vec()).expect("canonical");
    assert!(stored.tenant.is_ledger() && stored.kind.as_str() == "projection.verified");
    assert_eq!(stored.payload["position"], 2);
    assert_eq!(
        stored.links.iter().map(record::Link::target).collect::<Vec<_>>(),
        ["projection:timeline"]
    );
    let lie = domain::payload::ProjectionVerified {
        differences: 7,
        ..verified
    };
    let refused = client.report(report(&lie)).await;
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
}

async fn sealed_values_are_opened(client: &dyn LedgerClient) {
    let secret = json!({"card": "4111", "note": ["grüß", 1.5, null]});
    let mut record = private("sealed", secret.clone());
    record.author.evidence = Some(json!({"base": "@method: POST"}));
    let receipt = append(client, plain(record.clone())).await;
    assert!(!String::from_utf8_lossy(&receipt.committed.bytes).contains("4111"));
    let openings = client
        .open_sealed(tenant("default"), record.id)
        .await
        .expect("opens")
        .expect("is there");
    let value = |pointer: &str| {
        let opening = openings.iter().find(|opening| opening.pointer == pointer);
        opening.map(|opening| opening.value.clone())
    };
    assert_eq!(value("/payload/private"), Some(secret));
    assert_eq!(value("/author/evidence"), Some(json!({"base": "@method: POST"})));
    let stored = Record::parse(receipt.committed.bytes.to_vec()).expect("canonical");
    let opening = openings
        .iter()
        .find(|opening| opening.pointer == "/payload/private")
        .expect("is there");
    let commitment = opening.commitment(&stored.log, &stored.tenant, &stored.id);
    assert_eq!(stored.payload["private"], json!({"$sealed": commitment.to_string()}));
    let again = append(client, plain(record)).await;
    assert!(again.replayed && !again.sealed_unchecked);
    assert_eq!(client.open_sealed(tenant("default"), fresh_id()).await, Ok(None));
}

async fn large_records_go_both_ways(client: &dyn LedgerClient) {
    let mut from = None;
    for n in 0..6 {
        let mut record = event(&format!("large.{n}"));
        record.payload["data"] = json!({"text": "é".repeat(380_000)});
        let receipt = append(client, plain(record.clone())).await;
        assert!(receipt.committed.bytes.len() > 760_000);
        from.get_or_insert(receipt.committed.offset);
        let found = client.find(tenant("default"), record.id).await.expect("finds");
        assert_eq!(found, Some(receipt.committed));
    }
    let from = from.expect("six records");
    let records = client.read(from, 100).await.expect("reads");
    assert!(records.len() > 3, "an answer of several messages: {}", records.len());
    for (record, offset) in records.iter().zip(from..) {
        let read = Record::parse(record.bytes.to_vec()).expect("canonical");
        assert_eq!((read.offset, record.offset), (offset, offset));
    }
    let mut sealed = private("large", json!("x".repeat(700_000)));
    sealed.payload["data"] = json!({"text": "y".repeat(700_000)});
    let receipt = append(client, plain(sealed.clone())).await;
    let openings = client
        .open_sealed(tenant("default"), sealed.id)
        .await
        .expect("opens")
        .expect("is there");
    assert_eq!(openings[0].value.as_str().map(str::len), Some(700_000));
    assert_eq!(receipt.id, sealed.id);
}

async fn the_end_is_followed(client: &dyn LedgerClient) {
    let mut committed = client.committed();
    let receipt = append(client, plain(event("followed"))).await;
    let reached = committed.wait_for(|size| *size > receipt.committed.offset);
    tokio::time::timeout(PATIENCE, reached)
        .await
        .expect("in time")
        .expect("is kept current");
}

async fn nothing_is_proven_without_checkpoints(client: &dyn LedgerClient) {
    let question = |offset| Question::Inclusion { offset, size: None };
    for offset in [0, 1, u64::MAX] {
        let answer = client.prove(question(offset)).await.expect("answers");
        assert!(matches!(answer, Answer::Unprovable(Unprovable::Disabled)), "{answer:?}");
    }
    let backwards = Question::Consistency { from: 2, to: 1 };
    let refused = client.prove(backwards).await.map(drop);
    assert_eq!(refused, Err(Error::CommandRefused(Refusal::Malformed)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_in_this_process_conforms() {
    let log = Log::create().await;
    let handle = log.open();
    suite(&handle).await;
    let kept = append_to(&handle, event("kept")).await;
    handle.close();
    drop(handle);
    behind_a_restart(&open(&log).await, &kept).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_behind_the_bus_conforms() {
    let stand = Stand::new().await;
    suite(&stand.client).await;
    let kept = append(&stand.client, plain(event("kept"))).await;
    let stand = stand.restart().await;
    behind_a_restart(&stand.client, &kept).await;
    let counted = stand.serving.counters.read();
    assert_eq!((counted.dropped, counted.overloaded), (0, 0));
    assert!(counted.taken > 0);
}

/// Idempotency keys, ids and sealed values outlive the ledger's process.
async fn behind_a_restart(client: &dyn LedgerClient, kept: &Receipt) {
    let again = append(client, guarded("guarded", "local:a", "key-1")).await;
    assert!(again.replayed);
    assert_eq!(
        client.find(tenant("default"), kept.id).await,
        Ok(Some(kept.committed.clone()))
    );
    let mut other = event("kept.other");
    other.id = kept.id;
    let conflict = client.append(plain(other)).await;
    assert_eq!(
        conflict,
        Err(Error::IdConflict {
            id: kept.id,
            offset: kept.committed.offset
        })
    );
    let mut committed = client.committed();
    let reached = committed.wait_for(|size| *size > kept.committed.offset);
    tokio::time::timeout(PATIENCE, reached)
        .await
        .expect("in time")
        .expect("is kept current");
}

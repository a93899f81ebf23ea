//! Appending: order, idempotency, sealed values, denials, rotation.

use crate::log::{Log, all, append, event, fresh_id, plain, private, tenant};
use domain::Denial;
use ledger_client::{Append, Error, Guard, LedgerClient as _};
use record::{Code, Record};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_appends_make_one_gapless_signed_chain() {
    let log = Log::create().await;
    let handle = log.open();
    let appends = (0..600).map(|n| {
        let handle = handle.clone();
        tokio::spawn(async move { append(&handle, event(&format!("act.{n}"))).await.committed.offset })
    });
    let mut offsets = Vec::new();
    for append in appends.collect::<Vec<_>>() {
        offsets.push(append.await.expect("a task"));
    }
    offsets.sort_unstable();
    assert_eq!(offsets, (2..602).collect::<Vec<u64>>());
    let records = all(&handle).await;
    let mut chain = None;
    for record in &records {
        record.verify_signature(&records[0].pub_key).expect("is signed");
    }
    for (seq, record) in records
        .iter()
        .filter(|record| record.tenant == tenant("default"))
        .enumerate()
    {
        assert_eq!((record.seq, record.prev), (seq as u64, chain));
        chain = Some(record.hash);
    }
    assert!(records.is_sorted_by_key(|record| record.ts));
}

#[tokio::test]
async fn the_same_record_again_gets_the_first_receipt_and_another_one_a_conflict() {
    let log = Log::create().await;
    let handle = log.open();
    let record = event("once");
    let first = append(&handle, record.clone()).await;
    let again = append(&handle, record.clone()).await;
    assert!(!first.replayed && again.replayed);
    assert_eq!((again.committed, again.hash), (first.committed.clone(), first.hash));
    let mut other = record;
    other.payload["action"] = json!("twice");
    let error = handle.append(plain(other)).await.expect_err("conflicts");
    assert!(
        matches!(error, Error::IdConflict { offset, .. } if offset == first.committed.offset),
        "{error}"
    );
    assert_eq!(all(&handle).await.len(), 3);
}

#[tokio::test]
async fn a_repeated_id_in_one_request_is_written_once() {
    let log = Log::create().await;
    let handle = log.open();
    let record = event("once");
    let results = handle
        .append_many(vec![record.clone(), event("other"), record])
        .await
        .expect("appends");
    let offsets: Vec<_> = results
        .iter()
        .map(|result| result.as_ref().expect("a receipt").committed.offset)
        .collect();
    assert_eq!(offsets, [2, 3, 2]);
}

#[tokio::test]
async fn an_idempotency_key_stands_for_its_first_record() {
    let log = Log::create().await;
    let handle = log.open();
    let guard = |key: &str| {
        Some(Guard {
            caller: "local:test".to_owned(),
            key: key.to_owned(),
            own_id: false,
        })
    };
    let mut record = event("pay");
    let first = handle
        .append(Append {
            record: record.clone(),
            guard: guard("k1"),
        })
        .await
        .expect("appends");
    record.id = fresh_id();
    let again = handle
        .append(Append {
            record: record.clone(),
            guard: guard("k1"),
        })
        .await
        .expect("appends");
    assert_eq!((again.id, again.replayed), (first.id, true));
    record.payload["action"] = json!("pay.more");
    let error = handle
        .append(Append {
            record,
            guard: guard("k1"),
        })
        .await
        .expect_err("conflicts");
    assert_eq!(
        error,
        Error::IdempotencyConflict {
            offset: first.committed.offset
        }
    );
    let elsewhere = handle
        .append(Append {
            record: event("pay"),
            guard: guard("k2"),
        })
        .await
        .expect("appends");
    assert!(!elsewhere.replayed);
}

#[tokio::test]
async fn sealed_values_stay_out_of_the_record_and_open_for_the_ledger() {
    let log = Log::create().await;
    let handle = log.open();
    let secret = json!({"prompt": "zebra-42"});
    let request = private("ask", secret.clone());
    let receipt = append(&handle, request.clone()).await;
    let text = String::from_utf8(receipt.committed.bytes.to_vec()).expect("text");
    assert!(!text.contains("zebra-42") && text.contains("$sealed"));
    let openings = handle
        .open_sealed(tenant("default"), receipt.id)
        .await
        .expect("opens")
        .expect("is there");
    assert_eq!(openings.len(), 1);
    assert_eq!(
        (openings[0].pointer.as_str(), &openings[0].value),
        ("/payload/private", &secret)
    );
    let record = Record::parse(receipt.committed.bytes.to_vec()).expect("a record");
    let commitment = openings[0].commitment(&record.log, &record.tenant, &record.id);
    assert_eq!(record.payload["private"]["$sealed"], json!(commitment.to_string()));
    assert!(
        append(&handle, request.clone()).await.replayed,
        "the same sealed value compares equal"
    );
    let mut other = request;
    other.payload["private"] = json!({"prompt": "zebra-43"});
    assert!(matches!(
        handle.append(plain(other)).await,
        Err(Error::IdConflict { .. })
    ));
}

#[tokio::test]
async fn what_is_not_allowed_is_refused_with_its_reason() {
    let log = Log::create().await;
    let handle = log.open();
    let mut unknown = event("x");
    unknown.tenant = tenant("nobody");
    assert_eq!(
        handle.append(plain(unknown)).await,
        Err(Error::Denied(Denial::TenantUnknown))
    );
    let mut own = event("x");
    own.tenant = tenant("sigil-ledger");
    assert_eq!(
        handle.append(plain(own)).await,
        Err(Error::Denied(Denial::SystemSpaceProtected))
    );
    let mut wrong = event("x");
    wrong.payload["outcome"] = json!("perhaps");
    let Err(Error::Refused(faults)) = handle.append(plain(wrong)).await else {
        panic!("must be refused")
    };
    assert_eq!(
        (faults[0].code, faults[0].pointer.as_str()),
        (Code::SchemaInvalid, "/payload/outcome")
    );
    let again = handle.create_tenant(tenant("default"), "again".to_owned()).await;
    assert_eq!(
        again.map(|receipt| receipt.id),
        Err(Error::Denied(Denial::TenantExists))
    );
    handle
        .create_tenant(tenant("acme"), "Acme".to_owned())
        .await
        .expect("creates");
    let mut event = event("x");
    event.tenant = tenant("acme");
    assert_eq!(
        Record::parse(append(&handle, event).await.committed.bytes.to_vec()).map(|record| record.seq),
        Ok(1)
    );
}

#[tokio::test]
async fn a_rotated_key_signs_from_the_next_offset_on_and_after_a_restart() {
    let log = Log::create().await;
    let handle = log.open();
    let root = ledger::read_root_key(&log.dir.path().join("root")).expect("the root key");
    let before = append(&handle, event("before")).await;
    let rotation = handle.rotate_record_key(&root).await.expect("rotates");
    let after = append(&handle, event("after")).await;
    let key = |receipt: &ledger_client::Receipt| {
        Record::parse(receipt.committed.bytes.to_vec())
            .expect("a record")
            .pub_key
    };
    assert_eq!(key(&before), key(&rotation));
    assert_ne!(key(&rotation), key(&after));
    let thief = ed25519_dalek::SigningKey::from_bytes(&[9; 32]);
    let denied = handle.rotate_record_key(&thief).await.map(|receipt| receipt.id);
    assert_eq!(denied, Err(Error::Denied(Denial::RotationUnproven)));
    handle.close();
    drop(handle);
    let handle = log.open();
    let later = append(&handle, event("later")).await;
    assert_eq!(key(&later), key(&after));
    let second = handle.rotate_record_key(&root).await.expect("rotates again");
    assert_eq!(key(&second), key(&after));
}

#[tokio::test]
async fn a_full_queue_refuses_and_stores_nothing() {
    let log = Log::create().await;
    let config = ledger::Config {
        queue_bytes: 2_048,
        queue_wait_ms: 20,
        ..log.config()
    };
    let handle = ledger::Handle::open(config).expect("opens");
    let appends = (0..300).map(|n| {
        let handle = handle.clone();
        tokio::spawn(async move { handle.append(plain(event(&format!("act.{n}")))).await })
    });
    let mut stored = 0;
    for append in appends.collect::<Vec<_>>() {
        match append.await.expect("a task") {
            Ok(_) => stored += 1,
            Err(error) => assert_eq!(error, Error::Overloaded),
        }
    }
    assert_eq!(all(&handle).await.len(), 2 + stored);
}

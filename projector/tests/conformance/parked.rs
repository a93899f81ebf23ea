//! A projector older than a kind: what it cannot read is parked, counted, listed, and projected by a build that can.

use super::{Log, Model, Place, filled, run_to, tenant};
use domain::Catalogue;
use projector::query::{Field, Order, Pattern, Queries as _, Span, Term, TimelineRequest};
use projector::{Cancel, Error, ReadModel as _, Retried};
use record::Tenant;
use serde_json::json;
use std::sync::Arc;

/// Opens a read model as a build without these kinds would.
async fn open_older(place: &Place, log: &Log, unknown: &[&str]) -> Model {
    let older = unknown
        .iter()
        .fold(Catalogue::builtin(), |known, kind| known.without(kind));
    place.open_with(&log.origin, Arc::new(older)).await
}

/// A log of some 100 records and the number of those with one of `kinds`.
fn counted(kinds: &[&str]) -> (Log, usize) {
    let log = Log::sample(100);
    let parse = |bytes: &super::Bytes| record::Record::parse(bytes.to_vec()).unwrap();
    let unknown = log
        .records
        .iter()
        .map(parse)
        .filter(|record| kinds.contains(&record.kind.as_str()));
    let count = unknown.count();
    (log, count)
}

fn all_of(name: &str, terms: Vec<Term>) -> TimelineRequest {
    TimelineRequest {
        tenant: tenant(name),
        terms,
        happened: Span::default(),
        recorded: Span::default(),
        order: Order::RecordedAscending,
        after: None,
        limit: 500,
    }
}

#[tokio::test]
async fn a_projector_older_than_a_kind_goes_on_and_says_what_it_could_not_read() {
    let (log, unknown) = counted(&["audit.event"]);
    let place = Place::new().await;
    let older = open_older(&place, &log, &["audit.event"]).await;
    run_to(&older, &mut log.source(16), log.records.len()).await;
    assert_eq!(older.position().await.unwrap(), log.records.len() as u64);

    let listed = older.parked(0, 500).await.unwrap();
    assert_eq!((listed.rows.len(), listed.total), (unknown, unknown as u64));
    assert!(listed.rows.is_sorted_by_key(|row| row.offset));
    assert!(
        listed
            .rows
            .iter()
            .all(|row| row.code == "KIND_UNKNOWN" && row.kind.as_str() == "audit.event")
    );
    let second = older.parked(listed.rows[1].offset, 3).await.unwrap();
    assert_eq!(second.rows, listed.rows[1..4]);
    assert_eq!(older.parked(u64::MAX, 3).await.unwrap().rows, []);

    // Every record is there, in its timelines; only what its payload says is not.
    let (acme, globex) = (
        older.timeline(all_of("acme", vec![])),
        older.timeline(all_of("globex", vec![])),
    );
    let (acme, globex) = (acme.await.unwrap(), globex.await.unwrap());
    assert_eq!(
        acme.rows.len() + globex.rows.len() + 2,
        log.records.len(),
        "genesis and a rotation are the ledger's own"
    );
    assert_eq!(acme.parked + globex.parked, unknown as u64);
    assert_eq!(acme.parked, older.parked_count(tenant("acme")).await.unwrap());
    assert_eq!(older.parked_count(Tenant::ledger()).await.unwrap(), 0);
    let term = |field, text: &str| Term {
        field,
        pattern: Pattern::Exact(text.to_owned()),
        negated: false,
    };
    let of_actor = older
        .timeline(all_of("acme", vec![term(Field::Actor, "agent:a1")]))
        .await
        .unwrap();
    let by_action = older
        .timeline(all_of("acme", vec![term(Field::Action, "tool.call1")]))
        .await
        .unwrap();
    assert!(!of_actor.rows.is_empty() && by_action.rows.is_empty() && by_action.parked > 0);
}

#[tokio::test]
async fn a_newer_build_projects_what_was_parked_and_equals_one_that_always_knew() {
    for kinds in [
        &["audit.event"][..],
        &["canon.user.write"],
        &["audit.event", "canon.user.write", "tenant.created"],
    ] {
        let (log, unknown) = counted(kinds);
        let (_other, whole) = filled(&log).await;
        let place = Place::new().await;
        let older = open_older(&place, &log, kinds).await;
        run_to(&older, &mut log.source(16), log.records.len()).await;
        assert_ne!(
            older.digest().await.unwrap(),
            whole.digest().await.unwrap(),
            "{kinds:?}"
        );
        assert_eq!(
            older.retry_parked().await.unwrap(),
            Retried {
                projected: 0,
                left: unknown as u64
            },
            "the same build knows no more"
        );
        older.close().await;
        drop(older);
        let newer = place.open(&log.origin).await;
        let expected = Retried {
            projected: unknown as u64,
            left: 0,
        };
        assert_eq!(newer.retry_parked().await.unwrap(), expected, "{kinds:?}");
        assert_eq!(
            newer.digest().await.unwrap(),
            whole.digest().await.unwrap(),
            "{kinds:?}"
        );
        assert_eq!(newer.retry_parked().await.unwrap(), Retried::default());
    }
}

#[tokio::test]
async fn a_canon_write_that_was_parked_does_not_replace_a_newer_one() {
    let mut log = Log::sample(20);
    let write = |value: u64| json!({"key": "k", "value": value, "min_loa": 0});
    log.append("acme", "canon.user.write", write(1), &[]);
    let place = Place::new().await;
    let older = open_older(&place, &log, &["canon.user.write"]).await;
    run_to(&older, &mut log.source(16), log.records.len()).await;
    older.close().await;
    drop(older);
    log.append("acme", "canon.user.write", write(2), &[]);
    let newer = place.open(&log.origin).await;
    // The projector tries again by itself when it starts; here the newer write comes first all the same.
    place
        .tamper("INSERT INTO canon_entries VALUES ('acme', 'k', CAST('2' AS BLOB), 0, 21)")
        .await;
    newer.retry_parked().await.unwrap();
    let entry = newer
        .canon_entry(tenant("acme"), "k".to_owned())
        .await
        .unwrap()
        .unwrap();
    assert_eq!((entry.value.as_slice(), entry.offset), (&b"2"[..], 21));
}

#[tokio::test]
async fn the_live_loop_and_a_rebuild_leave_nothing_parked_that_this_build_can_read() {
    let (log, unknown) = counted(&["audit.event"]);
    let (_other, whole) = filled(&log).await;
    for rebuild in [false, true] {
        let place = Place::new().await;
        let older = open_older(&place, &log, &["audit.event"]).await;
        older
            .rebuild(&mut log.source(50), &mut |_| {}, &Cancel::never())
            .await
            .unwrap();
        assert_eq!(
            older.parked(0, 1).await.unwrap().total,
            unknown as u64,
            "a rebuild parks as the live loop does"
        );
        older.close().await;
        drop(older);
        let newer = place.open(&log.origin).await;
        if rebuild {
            newer
                .rebuild(&mut log.source(50), &mut |_| {}, &Cancel::never())
                .await
                .unwrap();
        } else {
            let mut longer = Log::sample(100);
            longer.event("acme", 101, &[]);
            run_to(&newer, &mut longer.source(50), longer.records.len()).await;
            let (_other, whole) = filled(&longer).await;
            assert_eq!(newer.digest().await.unwrap(), whole.digest().await.unwrap());
            continue;
        }
        assert_eq!(newer.digest().await.unwrap(), whole.digest().await.unwrap());
    }
}

#[tokio::test]
async fn a_parked_row_that_is_deleted_or_changed_by_hand_is_named() {
    for (sql, table) in [
        ("DELETE FROM parked", "parked"),
        ("UPDATE parked SET code = 'SCHEMA_INVALID'", "parked"),
        ("UPDATE timeline SET outcome = 'success' WHERE offset = 10", "timeline"),
    ] {
        let (log, _) = counted(&["audit.event"]);
        let place = Place::new().await;
        let older = open_older(&place, &log, &["audit.event"]).await;
        run_to(&older, &mut log.source(16), log.records.len()).await;
        let (_, before) = older.digest().await.unwrap();
        place
            .tamper("UPDATE parked SET detail = 'in other words', version = 9")
            .await;
        assert_eq!(older.digest().await.unwrap().1, before, "words for people do not count");
        place.tamper(sql).await;
        let differences = older.digest().await.unwrap().1.differences(&before);
        assert!(
            !differences.is_empty() && differences.iter().all(|one| one.table == table),
            "{sql}: {differences:?}"
        );
    }
}

#[tokio::test]
async fn a_parked_record_whose_bytes_were_changed_by_hand_is_damage() {
    let (log, _) = counted(&["audit.event"]);
    let place = Place::new().await;
    let older = open_older(&place, &log, &["audit.event"]).await;
    run_to(&older, &mut log.source(16), log.records.len()).await;
    let before = older.parked(0, 500).await.unwrap();
    place
        .tamper("UPDATE records SET bytes = x'7b7d' WHERE offset = (SELECT max(offset) FROM parked)")
        .await;
    older.close().await;
    drop(older);
    let newer = place.open(&log.origin).await;
    assert!(matches!(newer.retry_parked().await, Err(Error::Damaged(_))));
    assert_eq!(
        newer.parked(0, 500).await.unwrap(),
        before,
        "the records tried with it were rolled back"
    );
}

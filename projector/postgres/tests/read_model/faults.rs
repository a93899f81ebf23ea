//! A server that is down, killed, cut off or slow, and schemas that are not what they should be.

use crate::conformance::{filled, run_to};
use crate::log::{Log, Memory};
use crate::place::{Model, Place};
use projector::query::Queries as _;
use projector::{Cancel, Error, ReadModel as _, Stage, Trigger};
use projector_postgres::Config;
use std::time::Duration;
use testbed::{Postgres, Proxy};
use tokio::sync::watch;

#[tokio::test]
async fn a_server_that_is_down_at_the_start_is_waited_for() {
    let (place, log) = (Place::new().await, Log::sample(40));
    let proxy = Proxy::before(place.0.address()).await;
    proxy.refuse().await;
    let config = Config::new(proxy.url(&place.0.url()), "test");
    let opening = Model::open(config, log.origin.clone());
    let healing = async {
        // Long enough for some attempts to fail; the order does not matter for the outcome.
        tokio::task::yield_now().await;
        proxy.heal().await;
    };
    let (model, ()) = tokio::join!(opening, healing);
    let model = model.unwrap();
    run_to(&model, &mut log.source(16), log.records.len()).await;
}

#[tokio::test]
async fn a_wrong_password_is_not_waited_for() {
    let url = "postgres://nobody_at_all:wrong@127.0.0.1:1/audit";
    let opening = Model::open(Config::new(url, "test"), Log::empty().origin);
    // Nothing listens there: this one waits.
    assert!(tokio::time::timeout(Duration::from_millis(400), opening).await.is_err());
    let place = Place::new().await;
    let missing = place.0.url() + "_missing";
    let refused = Model::open(Config::new(missing, "test"), Log::empty().origin)
        .await
        .map(drop);
    assert!(matches!(refused, Err(Error::Database(_))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_in_the_middle_is_gone_on_with() {
    let mut cluster = Postgres::cluster().await;
    let log = Log::sample(900);
    let config = Config::new(cluster.url(), "test");
    let model = Model::open(config, log.origin.clone()).await.unwrap();
    let (trigger, cancel) = Trigger::new();
    let (running, mut source) = (model.clone(), log.source(5));
    let task = tokio::spawn(async move { running.run(&mut source, &cancel).await });
    let mut positions = model.positions();
    for part in [100, 300, 500] {
        positions.wait_for(|position| *position >= part).await.unwrap();
        cluster.kill().await;
        cluster.restart().await;
    }
    let whole = log.records.len() as u64;
    positions.wait_for(|position| *position == whole).await.unwrap();
    trigger.cancel();
    task.await.unwrap().unwrap();
    let (_other, sound) = filled(&log).await;
    assert_eq!(model.digest().await.unwrap(), sound.digest().await.unwrap());
}

/// The connection breaks after every number of bytes that one batch takes, the commit and its answer included.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_cut_anywhere_in_a_batch_neither_loses_nor_repeats_it() {
    let log = Log::sample(160);
    let place = Place::new().await;
    let proxy = Proxy::before(place.0.address()).await;
    let config = Config::new(proxy.url(&place.0.url()), "test");
    let model = Model::open(config, log.origin.clone()).await.unwrap();
    let (grow, receiver) = watch::channel(log.records[..4].to_vec());
    let (trigger, cancel) = Trigger::new();
    let running = model.clone();
    let task = tokio::spawn(async move {
        let mut source = Memory {
            log: receiver,
            limit: 20,
        };
        running.run(&mut source, &cancel).await
    });
    let mut positions = model.positions();
    positions.wait_for(|position| *position >= 4).await.unwrap();
    // What a warm batch of two records takes.
    let before = proxy.passed();
    grow.send_replace(log.records[..6].to_vec());
    positions.wait_for(|position| *position >= 6).await.unwrap();
    let batch = proxy.passed() - before;
    let steps = (log.records.len() - 6) / 2;
    let mut cuts = 0;
    for step in 0..steps {
        let size = 8 + step * 2;
        let accepted = proxy.accepted();
        proxy.cut_after(batch * step as u64 / (steps as u64 - 1));
        grow.send_replace(log.records[..size].to_vec());
        positions.wait_for(|position| *position >= size as u64).await.unwrap();
        proxy.heal().await;
        cuts += u64::from(proxy.accepted() > accepted);
    }
    assert!(cuts > steps as u64 / 2, "{cuts} of {steps} batches were cut");
    grow.send_replace(log.records.clone());
    let whole = log.records.len() as u64;
    positions.wait_for(|position| *position == whole).await.unwrap();
    trigger.cancel();
    task.await.unwrap().unwrap();
    let (_other, sound) = filled(&log).await;
    assert_eq!(model.digest().await.unwrap(), sound.digest().await.unwrap());
}

#[tokio::test]
async fn a_slow_server_is_only_slow() {
    let (place, log) = (Place::new().await, Log::sample(60));
    let proxy = Proxy::before(place.0.address()).await;
    proxy.delay(Duration::from_millis(10));
    let config = Config::new(proxy.url(&place.0.url()), "test");
    let model = Model::open(config, log.origin.clone()).await.unwrap();
    run_to(&model, &mut log.source(30), log.records.len()).await;
    proxy.heal().await;
    let (_other, sound) = filled(&log).await;
    assert_eq!(model.digest().await.unwrap(), sound.digest().await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_in_a_batch_is_given_up_and_the_batch_applied_once() {
    let (place, log) = (Place::new().await, Log::sample(80));
    let proxy = Proxy::before(place.0.address()).await;
    let config = Config {
        apply_timeout: Duration::from_millis(400),
        lease_timeout: Duration::from_millis(400),
        ..Config::new(proxy.url(&place.0.url()), "test")
    };
    let model = Model::open(config, log.origin.clone()).await.unwrap();
    let (trigger, cancel) = Trigger::new();
    let (grow, receiver) = watch::channel(log.records[..40].to_vec());
    let running = model.clone();
    let task = tokio::spawn(async move {
        let mut source = Memory {
            log: receiver,
            limit: 20,
        };
        running.run(&mut source, &cancel).await
    });
    let mut positions = model.positions();
    positions.wait_for(|position| *position >= 40).await.unwrap();
    proxy.stall();
    grow.send_replace(log.records.clone());
    let mut standing = model.standing();
    standing
        .wait_for(|now| *now == projector_postgres::Standing::Unconnected)
        .await
        .unwrap();
    proxy.heal().await;
    let whole = log.records.len() as u64;
    positions.wait_for(|position| *position == whole).await.unwrap();
    trigger.cancel();
    task.await.unwrap().unwrap();
    let (_other, sound) = filled(&log).await;
    assert_eq!(model.digest().await.unwrap(), sound.digest().await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_that_is_cut_off_at_any_stage_leaves_the_old_tables() {
    let log = Log::sample(120);
    let place = Place::new().await;
    let proxy = Proxy::before(place.0.address()).await;
    let config = Config::new(proxy.url(&place.0.url()), "test");
    let model = Model::open(config, log.origin.clone()).await.unwrap();
    run_to(&model, &mut log.source(40), log.records.len()).await;
    let (before, old) = (model.digest().await.unwrap(), place.current().await);
    for stage in [Stage::Loading, Stage::Indexing] {
        let mut progress = |one: projector::Progress| {
            if one.stage == stage {
                proxy.cut_after(0);
            }
        };
        let outcome = model
            .rebuild(&mut log.source(20), &mut progress, &Cancel::never())
            .await;
        assert!(matches!(outcome, Err(Error::Database(_))), "{stage:?}: {outcome:?}");
        proxy.heal().await;
        assert_eq!(place.current().await, old);
        assert_eq!(model.digest().await.unwrap(), before);
    }
    // What could not be removed at once is removed by whoever opens next.
    let again = place.open(&log.origin).await;
    assert_eq!(place.generations().await, [old]);
    assert_eq!(again.digest().await.unwrap(), before);
}

#[tokio::test]
async fn what_a_crash_leaves_is_removed_at_the_next_open() {
    let log = Log::sample(30);
    let (place, model) = filled(&log).await;
    let before = model.digest().await.unwrap();
    drop(model);
    place
        .0
        .psql("create schema sigil_test_g9; create table sigil_test_g9.records (x int); create schema sigil_test_gx")
        .await;
    let model = place.open(&log.origin).await;
    assert_eq!(model.digest().await.unwrap(), before);
    assert_eq!(
        place.generations().await,
        ["sigil_test_g1", "sigil_test_gx"],
        "only what is ours"
    );
}

#[tokio::test]
async fn damaged_schemas_ask_for_a_rebuild_and_can_be_reset() {
    let log = Log::sample(30);
    let (_other, sound) = filled(&log).await;
    let sound = sound.digest().await.unwrap();
    for damage in [
        "drop schema sigil_test_g1 cascade",
        "drop table sigil_test_g1.projection_state",
        "drop table sigil_test_g1.timeline",
        "truncate sigil_test_g1.records",
        "alter table sigil_test_g1.links drop column \"offset\"",
        "update sigil_test.pointer set generation = 77",
    ] {
        let (place, model) = filled(&log).await;
        drop(model);
        place.0.psql(damage).await;
        let refused = place.try_open(&log.origin).await.map(drop);
        let Err(Error::Damaged(advice)) = refused else {
            panic!("{damage}: {refused:?}")
        };
        assert!(advice.contains("rebuild"), "{advice}");
        let model = Model::reset(place.config(), log.origin.clone()).await.unwrap();
        run_to(&model, &mut log.source(100), log.records.len()).await;
        assert_eq!(model.digest().await.unwrap(), sound, "{damage}");
        assert_eq!(place.generations().await.len(), 1);
    }
}

#[tokio::test]
async fn dropped_schemas_are_made_again_and_answer_as_before() {
    let log = Log::sample(90);
    let (place, model) = filled(&log).await;
    let before = model.digest().await.unwrap();
    model.close().await;
    place
        .0
        .psql("drop schema sigil_test cascade; drop schema sigil_test_g1 cascade")
        .await;
    let model = place.open(&log.origin).await;
    assert_eq!(model.position().await.unwrap(), 0);
    run_to(&model, &mut log.source(7), log.records.len()).await;
    assert_eq!(model.digest().await.unwrap(), before);
}

#[tokio::test]
async fn a_database_of_another_encoding_is_refused() {
    let cluster = Postgres::cluster().await;
    cluster
        .psql("create database latin encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0")
        .await;
    let url = cluster.url();
    let (server, _) = url.rsplit_once('/').unwrap();
    let config = Config::new(format!("{server}/latin"), "test");
    let refused = Model::open(config, Log::empty().origin).await.map(drop);
    assert!(
        matches!(&refused, Err(Error::Configuration(detail)) if detail.contains("UTF8")),
        "{refused:?}"
    );
}

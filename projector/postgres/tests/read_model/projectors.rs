//! Several projectors over the same tables: one applies, the others stand by and take over.

use crate::conformance::filled;
use crate::log::{Log, Memory};
use crate::place::{Model, Place};
use domain::Catalogue;
use projector::query::Queries as _;
use projector::{Cancel, ReadModel as _, Trigger};
use projector_postgres::{Config, Standing};
use std::sync::Arc;
use std::time::Duration;
use testbed::Proxy;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A test that waits longer has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A projector that runs in a task of its own.
struct Projector {
    model: Model,
    trigger: Trigger,
    task: JoinHandle<Result<(), projector::Error>>,
}

fn start(model: Model, mut source: Memory) -> Projector {
    let (trigger, cancel) = Trigger::new();
    let running = model.clone();
    let task = tokio::spawn(async move { running.run(&mut source, &cancel).await });
    Projector { model, trigger, task }
}

impl Projector {
    async fn is(&self, standing: Standing) {
        let mut standings = self.model.standing();
        let seen = tokio::time::timeout(PATIENCE, standings.wait_for(|now| *now == standing)).await;
        seen.unwrap().unwrap();
    }

    async fn reaches(&self, position: usize) {
        let mut positions = self.model.positions();
        let reached = tokio::time::timeout(PATIENCE, positions.wait_for(|now| *now >= position as u64)).await;
        reached.unwrap().unwrap();
    }

    async fn stop(self) {
        self.trigger.cancel();
        self.task.await.unwrap().unwrap();
    }
}

fn source(receiver: &watch::Receiver<Vec<crate::log::Bytes>>) -> Memory {
    Memory {
        log: receiver.clone(),
        limit: 20,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_applies_and_the_next_takes_over_when_it_ends() {
    let log = Log::sample(300);
    let place = Place::new().await;
    let (grow, receiver) = watch::channel(log.records[..50].to_vec());
    let first = start(place.open(&log.origin).await, source(&receiver));
    first.is(Standing::Applying).await;
    let second = start(place.open(&log.origin).await, source(&receiver));
    second.is(Standing::Standby).await;
    for size in (60..200).step_by(20) {
        grow.send_replace(log.records[..size].to_vec());
        first.reaches(size).await;
        // Who stands by sees how far the other one is.
        second.reaches(size).await;
    }
    assert_eq!(*second.model.standing().borrow(), Standing::Standby);
    first.stop().await;
    second.is(Standing::Applying).await;
    grow.send_replace(log.records.clone());
    second.reaches(log.records.len()).await;
    let (_other, whole) = filled(&log).await;
    assert_eq!(second.model.digest().await.unwrap(), whole.digest().await.unwrap());
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_opens_while_another_applies_sees_position_and_tables_of_one_moment() {
    let log = Log::sample(2_000);
    let place = Place::new().await;
    let (grow, receiver) = watch::channel(log.records[..1].to_vec());
    let first = start(place.open(&log.origin).await, source(&receiver));
    let catalogue = Arc::new(Catalogue::builtin());
    let proxy = Proxy::before(place.0.address()).await;
    // So there is always a batch between two statements of the one that opens.
    proxy.delay(Duration::from_millis(10));
    let config = Config::new(proxy.url(&place.0.url()), "test");
    let growing = async {
        for size in 1..=log.records.len() {
            grow.send_replace(log.records[..size].to_vec());
            first.reaches(size).await;
        }
    };
    let opening = async {
        for _ in 0..3 {
            let other = Model::open_with(config.clone(), log.origin.clone(), Arc::clone(&catalogue)).await;
            other.unwrap().close().await;
        }
        *first.model.positions().borrow()
    };
    let (_, seen) = tokio::join!(growing, opening);
    assert!(
        seen < log.records.len() as u64,
        "records were applied until the end: {seen}"
    );
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_that_lose_their_connections_again_and_again_apply_everything_once() {
    let log = Log::sample(400);
    let place = Place::new().await;
    let (grow, receiver) = watch::channel(log.records[..1].to_vec());
    let mut projectors = Vec::new();
    for _ in 0..3 {
        let proxy = Proxy::before(place.0.address()).await;
        let config = Config::new(proxy.url(&place.0.url()), "test");
        let model = Model::open(config, log.origin.clone()).await.unwrap();
        projectors.push((proxy, start(model, source(&receiver))));
    }
    for (at, size) in (10..=log.records.len()).step_by(10).enumerate() {
        grow.send_replace(log.records[..size].to_vec());
        let (proxy, projector) = &projectors[at % projectors.len()];
        proxy.cut().await;
        projector.reaches(size).await;
    }
    grow.send_replace(log.records.clone());
    for (_, projector) in &projectors {
        projector.reaches(log.records.len()).await;
    }
    let (_other, whole) = filled(&log).await;
    for (_, projector) in projectors {
        assert_eq!(projector.model.digest().await.unwrap(), whole.digest().await.unwrap());
        projector.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_hangs_loses_the_lease_and_applies_nothing_when_it_wakes() {
    let log = Log::sample(200);
    let place = Place::new().await;
    let (grow, receiver) = watch::channel(log.records[..50].to_vec());
    let proxy = Proxy::before(place.0.address()).await;
    let config = Config {
        lease_timeout: Duration::from_secs(2),
        ..Config::new(proxy.url(&place.0.url()), "test")
    };
    let hanging = start(
        Model::open(config, log.origin.clone()).await.unwrap(),
        source(&receiver),
    );
    hanging.reaches(50).await;
    let second = start(place.open(&log.origin).await, source(&receiver));
    second.is(Standing::Standby).await;
    // Its connection stays open, and nothing goes through it any more.
    proxy.stall();
    second.is(Standing::Applying).await;
    grow.send_replace(log.records.clone());
    second.reaches(log.records.len()).await;
    let before = second.model.digest().await.unwrap();
    proxy.heal().await;
    hanging.is(Standing::Standby).await;
    hanging.reaches(log.records.len()).await;
    assert_eq!(second.model.digest().await.unwrap(), before);
    let (_other, whole) = filled(&log).await;
    assert_eq!(before, whole.digest().await.unwrap());
    second.stop().await;
    hanging.is(Standing::Applying).await;
    hanging.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_by_another_process_is_followed_by_who_applies() {
    let log = Log::sample(300);
    let place = Place::new().await;
    let (grow, receiver) = watch::channel(log.records[..100].to_vec());
    let live = start(place.open(&log.origin).await, source(&receiver));
    live.reaches(100).await;
    let other = place.open(&log.origin).await;
    let old = place.current().await;
    let mut size = 100;
    let mut again = source(&receiver);
    let mut progress = |_: projector::Progress| {
        size = (size + 13).min(log.records.len() - 20);
        grow.send_replace(log.records[..size].to_vec());
    };
    other
        .rebuild(&mut again, &mut progress, &Cancel::never())
        .await
        .unwrap();
    assert_ne!(place.current().await, old);
    // These come when the tables that it has applied to are gone.
    grow.send_replace(log.records.clone());
    live.reaches(log.records.len()).await;
    assert_eq!(other.position().await.unwrap(), log.records.len() as u64);
    let (_other, whole) = filled(&log).await;
    assert_eq!(other.digest().await.unwrap(), whole.digest().await.unwrap());
    live.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_rebuilds_run_one_after_the_other() {
    let log = Log::sample(80);
    let (place, first) = filled(&log).await;
    let second = place.open(&log.origin).await;
    let (mut one, mut two) = (log.source(10), log.source(10));
    let never = Cancel::never();
    let (mut nothing, mut nothing_either) = (|_| {}, |_| {});
    let rebuilds = (
        first.rebuild(&mut one, &mut nothing, &never),
        second.rebuild(&mut two, &mut nothing_either, &never),
    );
    let (one, two) = tokio::join!(rebuilds.0, rebuilds.1);
    one.unwrap();
    two.unwrap();
    assert_eq!(place.generations().await, ["sigil_test_g3"]);
    let (_other, whole) = filled(&log).await;
    assert_eq!(second.digest().await.unwrap(), whole.digest().await.unwrap());
}

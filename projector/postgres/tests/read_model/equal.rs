//! Both databases, beside each other, on the same log: the same rows, and the same page for every question.

use crate::conformance::filters::{request, world_log};
use crate::conformance::run_to;
use crate::log::{Log, key};
use crate::place::{Model, Place};
use projector::query::{Place as Cursor, Queries};
use projector::{Cancel, ReadModel, Trigger};
use proptest::prelude::*;
use std::sync::LazyLock;
use tokio::runtime::Runtime;

/// Applies all of `log` to a SQLite read model.
async fn sqlite(log: &Log) -> (tempfile::TempDir, projector_sqlite::ReadModel) {
    let dir = tempfile::tempdir().unwrap();
    let model = projector_sqlite::ReadModel::open(dir.path(), log.origin.clone())
        .await
        .unwrap();
    let (trigger, cancel) = Trigger::new();
    let (mut positions, until) = (model.positions(), log.records.len() as u64);
    let watch = async {
        positions.wait_for(|position| *position >= until).await.unwrap();
        trigger.cancel();
        Ok(())
    };
    let mut source = log.source(37);
    tokio::try_join!(model.run(&mut source, &cancel), watch).unwrap();
    (dir, model)
}

struct World {
    runtime: Runtime,
    sqlite: projector_sqlite::ReadModel,
    postgres: Model,
    _kept: (tempfile::TempDir, Place),
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let log = world_log();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let (dir, sqlite, place, postgres) = runtime.block_on(async {
        let (dir, sqlite) = sqlite(&log).await;
        let place = Place::new().await;
        let postgres = place.open(&log.origin).await;
        run_to(&postgres, &mut log.source(100), log.records.len()).await;
        (dir, sqlite, place, postgres)
    });
    World {
        runtime,
        sqlite,
        postgres,
        _kept: (dir, place),
    }
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn every_page_is_the_same(request in request()) {
        let world = &*WORLD;
        let mut request = request;
        world.runtime.block_on(async {
            loop {
                let (ours, theirs) = (world.postgres.timeline(request.clone()), world.sqlite.timeline(request.clone()));
                let (ours, theirs) = (ours.await.unwrap(), theirs.await.unwrap());
                prop_assert_eq!(&ours, &theirs, "{:?}", request);
                let Some(last) = ours.rows.last().filter(|_| ours.more) else { return Ok(()) };
                request.after = Some(Cursor { at: last.at, offset: last.offset });
            }
        })?;
    }
}

#[tokio::test]
async fn the_same_log_has_the_same_digest_live_and_rebuilt() {
    let mut log = Log::sample(260);
    log.rotate(key(90));
    let awkward = ["agent:\u{10ffff}", "agent:a'b\"c\\d%_", "agent:ä", "agent:z z"];
    for (at, target) in awkward.into_iter().enumerate() {
        log.event("acme", at, &[("actor", target)]);
    }
    let (_dir, sqlite) = sqlite(&log).await;
    let place = Place::new().await;
    let postgres = place.open(&log.origin).await;
    run_to(&postgres, &mut log.source(19), log.records.len()).await;
    let expected = sqlite.digest().await.unwrap();
    assert_eq!(postgres.digest().await.unwrap(), expected);
    postgres
        .rebuild(&mut log.source(64), &mut |_| {}, &Cancel::never())
        .await
        .unwrap();
    assert_eq!(postgres.digest().await.unwrap(), expected);
    sqlite
        .rebuild(&mut log.source(64), &mut |_| {}, &Cancel::never())
        .await
        .unwrap();
    assert_eq!(sqlite.digest().await.unwrap(), expected);
}

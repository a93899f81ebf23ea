//! What is SQLite's own: files that are damaged, left over, or open twice.

use crate::conformance::{filled, run_to};
use crate::log::Log;
use crate::place::{Model, Place};
use projector::query::Queries as _;
use projector::{Cancel, Error, ReadModel as _};

#[tokio::test]
async fn a_directory_is_open_once() {
    let log = Log::new();
    let place = Place::new().await;
    let model = place.open(&log.origin).await;
    let second = place.try_open(&log.origin).await.map(drop);
    assert!(matches!(second, Err(Error::Locked(_))), "{second:?}");
    drop(model);
    assert_eq!(place.open(&log.origin).await.position().await.unwrap(), 0);
}

#[tokio::test]
async fn a_damaged_file_asks_for_a_rebuild_and_can_be_reset() {
    let log = Log::sample(30);
    type Damage = fn(&std::path::Path);
    let damages: [Damage; 5] = [
        |file| {
            std::fs::write(
                file,
                b"this is not a database, but long enough to have a header of its own....",
            )
            .unwrap()
        },
        |file| std::fs::write(file, b"").unwrap(),
        |file| std::fs::remove_file(file).unwrap(),
        |file| {
            let mut bytes = std::fs::read(file).unwrap();
            bytes[100..4_000].fill(0xa5);
            std::fs::write(file, bytes).unwrap();
        },
        |file| std::fs::write(file.parent().unwrap().join("CURRENT"), b"one").unwrap(),
    ];
    for damage in damages {
        let (place, model) = filled(&log).await;
        let whole = model.digest().await.unwrap();
        model.close().await;
        drop(model);
        damage(&place.database());
        let refused = place.try_open(&log.origin).await.map(drop);
        let Err(Error::Damaged(advice)) = refused else {
            panic!("{refused:?}")
        };
        assert!(advice.contains("rebuild"), "{advice}");
        let model = Model::reset(place.dir(), log.origin.clone()).await.unwrap();
        run_to(&model, &mut log.source(100), log.records.len()).await;
        assert_eq!(model.digest().await.unwrap(), whole);
    }
}

#[tokio::test]
async fn what_a_crash_leaves_is_removed_at_the_next_open() {
    let log = Log::sample(50);
    let (place, model) = filled(&log).await;
    let before = model.digest().await.unwrap();
    model.close().await;
    drop(model);
    // A rebuild that was killed: a generation that CURRENT does not name, half written, and the file of a switch.
    let half = std::fs::read(place.database()).unwrap();
    std::fs::write(place.dir().join("00000009.sqlite"), &half[..half.len() / 2]).unwrap();
    std::fs::write(place.dir().join("00000009.sqlite-journal"), b"x").unwrap();
    std::fs::write(place.dir().join("CURRENT.new"), b"9").unwrap();
    let model = place.open(&log.origin).await;
    assert_eq!(model.digest().await.unwrap(), before);
    assert_eq!(place.generations().await, ["00000001.sqlite"]);
    model
        .rebuild(&mut log.source(10), &mut |_| {}, &Cancel::never())
        .await
        .unwrap();
    drop(model);
    assert_eq!(place.open(&log.origin).await.digest().await.unwrap(), before);
}

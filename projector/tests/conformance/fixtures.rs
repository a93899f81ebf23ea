//! The frozen logs below `replay-fixtures/`: each gives, in every engine and by every way, the rows that it must.

use super::{Log, Memory, Model, Place, run_to};
use projector::digest::Row;
use projector::{Cancel, ReadModel as _};
use record::Origin;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use tokio::sync::watch;

struct Fixture {
    name: String,
    origin: Origin,
    records: Vec<super::Bytes>,
    rows: Vec<String>,
    digest: Value,
}

fn folder() -> PathBuf {
    // The suite is included by the read models' crates, which lie one below this one.
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../replay-fixtures/v1")
}

fn fixtures() -> Vec<Fixture> {
    let cases = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> = cases.filter(|path| path.is_dir()).collect();
    cases.sort();
    assert!(cases.len() >= 3, "{cases:?}");
    cases.into_iter().map(|case| read(&case)).collect()
}

fn read(case: &Path) -> Fixture {
    let text = |name: &str| fs::read_to_string(case.join(name)).unwrap();
    let digest: Value = serde_json::from_str(&text("digest.json")).unwrap();
    let records = text("records.jsonl");
    Fixture {
        name: case.file_name().unwrap().to_str().unwrap().to_owned(),
        origin: Origin::parse(digest["origin"].as_str().unwrap()).unwrap(),
        records: records
            .split_terminator('\n')
            .map(|line| line.as_bytes().into())
            .collect(),
        rows: text("rows.jsonl").split_terminator('\n').map(str::to_owned).collect(),
        digest,
    }
}

/// That `model` holds exactly the rows of `fixture`, and their digest.
async fn assert_rows(model: &Model, fixture: &Fixture, way: &str) {
    let mut rows = Vec::new();
    let mut keep = |row: &Row<'_>| rows.push(String::from_utf8(row.to_json()).unwrap());
    let position = model.scan(&mut keep).await.unwrap();
    rows.sort_unstable();
    let name = &fixture.name;
    assert_eq!(position, fixture.records.len() as u64, "{name} {way}");
    for (found, expected) in rows.iter().zip(&fixture.rows) {
        assert_eq!(found, expected, "{name} {way}");
    }
    assert_eq!(rows.len(), fixture.rows.len(), "{name} {way}");
    let digest = model.digest().await.unwrap().1.value().to_string();
    assert_eq!(fixture.digest["digest"], digest, "{name} {way}");
    assert_eq!(fixture.digest["projection_version"], projector::PROJECTION_VERSION);
}

fn source(fixture: &Fixture, limit: usize) -> Memory {
    Memory {
        log: watch::Sender::new(fixture.records.clone()).subscribe(),
        limit,
    }
}

#[tokio::test]
async fn a_rebuild_of_a_frozen_log_gives_its_rows() {
    for fixture in fixtures() {
        let place = Place::new().await;
        let model = place.open(&fixture.origin).await;
        model
            .rebuild(&mut source(&fixture, 1_000), &mut |_| {}, &Cancel::never())
            .await
            .unwrap();
        assert_rows(&model, &fixture, "by rebuild").await;
        model.close().await;
    }
}

/// Where a batch ends, by a counter that looks like chance and is the same at every run.
struct Splits(u64);

impl Splits {
    fn next(&mut self) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        1 + (self.0 >> 33) as usize % 17
    }
}

#[tokio::test]
async fn a_live_run_in_batches_of_any_size_gives_the_rows_of_a_frozen_log() {
    for (seed, fixture) in (1..).zip(fixtures()) {
        let place = Place::new().await;
        let mut splits = Splits(seed);
        let (mut applied, mut reopen) = (0, 0);
        let mut model = place.open(&fixture.origin).await;
        while applied < fixture.records.len() {
            applied = (applied + splits.next()).min(fixture.records.len());
            let part = watch::Sender::new(fixture.records[..applied].to_vec());
            let mut source = Memory {
                log: part.subscribe(),
                limit: splits.next(),
            };
            run_to(&model, &mut source, applied).await;
            reopen += 1;
            if reopen % 5 == 0 {
                model.close().await;
                drop(model);
                model = place.open(&fixture.origin).await;
            }
        }
        assert_rows(&model, &fixture, "live").await;
        model.close().await;
    }
}

#[tokio::test]
async fn a_frozen_log_that_was_touched_gives_other_rows_or_none() {
    let fixture = fixtures().swap_remove(0);
    let place = Place::new().await;
    let model = place.open(&fixture.origin).await;
    run_to(&model, &mut source(&fixture, 20), fixture.records.len()).await;
    place
        .tamper("UPDATE timeline SET outcome = 'other' WHERE offset = 5")
        .await;
    let digest = model.digest().await.unwrap().1.value().to_string();
    assert_ne!(fixture.digest["digest"], digest);
    let other = Log::new();
    let foreign = model
        .rebuild(&mut other.source(10), &mut |_| {}, &Cancel::never())
        .await;
    assert!(foreign.is_err(), "{foreign:?}");
}

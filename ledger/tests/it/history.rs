//! Any history of appends, closes, crashes and reopens keeps every acknowledged record, once and in order.

use crate::check::look;
use crate::files::copy_dir;
use crate::log::{Log, all, event, private};
use ledger::{Config, Handle};
use ledger_client::LedgerClient as _;
use proptest::prelude::*;
use record::{Hash, NewRecord};
use serde_json::json;

#[derive(Debug, Clone)]
enum Step {
    /// So many records in one call, with or without sealed members.
    Append(u8, bool),
    /// The newest record again.
    Again,
    Close,
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1u8..12, any::<bool>()).prop_map(|(count, sealed)| Step::Append(count, sealed)),
        1 => Just(Step::Again),
        2 => Just(Step::Close),
        2 => Just(Step::Crash),
    ]
}

async fn append(handle: &Handle, records: Vec<NewRecord>, told: &mut Vec<Hash>) {
    for answer in handle.append_many(records).await.expect("answers each") {
        let receipt = answer.expect("appends");
        if receipt.replayed {
            assert!(told.contains(&receipt.hash));
        } else {
            assert_eq!(receipt.committed.offset, told.len() as u64);
            told.push(receipt.hash);
        }
    }
}

async fn replay(steps: Vec<Step>) {
    let log = Log::create().await;
    let mut config = log.config();
    let mut handle = log.open();
    let mut told: Vec<Hash> = all(&handle).await.iter().map(|record| record.hash).collect();
    let mut newest = event("first");
    for (number, step) in steps.into_iter().enumerate() {
        match step {
            Step::Append(count, sealed) => {
                let record = |n| match sealed {
                    true => private(&format!("act.{n}"), json!({"n": n})),
                    false => event(&format!("act.{n}")),
                };
                let records: Vec<NewRecord> = (0..count).map(record).collect();
                newest = records.last().expect("at least one").clone();
                append(&handle, records, &mut told).await;
            }
            Step::Again => append(&handle, vec![newest.clone()], &mut told).await,
            Step::Close => {
                handle.close();
                drop(handle);
                handle = Handle::open(config.clone()).expect("opens");
            }
            Step::Crash => {
                let dir = log.dir.path().join(format!("crash.{number}"));
                copy_dir(&config.data_dir, &dir);
                config = Config {
                    data_dir: dir,
                    ..config
                };
                handle = Handle::open(config.clone()).expect("opens");
            }
        }
        let found: Vec<Hash> = all(&handle).await.iter().map(|record| record.hash).collect();
        assert_eq!(found, told);
    }
    handle.close();
    drop(handle);
    assert_eq!(look(&config).expect("is whole").records.len(), told.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn keeps_what_was_acknowledged(steps in prop::collection::vec(step(), 1..14)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        runtime.block_on(replay(steps));
    }
}

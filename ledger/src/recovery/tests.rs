//! Stores that were tampered with from inside, which no flipped bit can do: keys, checksums and frames are right.

use crate::engine::Tip;
use crate::handle::{Config, Handle};
use crate::inspect::Inspection;
use crate::keyring::Keyring;
use crate::log::{Log, all, append, event, plain, tenant};
use crate::recovery::Decoder;
use crate::store::{Store, name};
use crate::{Error, cipher::Cipher};
use ledger_client::LedgerClient as _;
use record::json;

/// Changes the closed store of `config`.
fn tamper(config: &Config, change: impl FnOnce(&Store, &Cipher)) {
    let keyring = Keyring::open(&config.keyring_path(), &config.key).expect("opens");
    let store = Store::open(&config.store_path(), config.cache_bytes, None).expect("opens");
    change(&store, keyring.ciphers().last().expect("a data key"));
    store.flush().expect("flushes");
}

/// A closed log with snapshots, 32 records, each in a block of its own.
async fn closed() -> (Log, Vec<record::Record>) {
    let log = Log::create().await;
    let handle = log.open();
    handle
        .create_tenant(tenant("acme"), "Acme".to_owned())
        .await
        .expect("creates");
    for n in 0..29 {
        append(&handle, event(&format!("act.{n}"))).await;
    }
    let records = all(&handle).await;
    handle.close();
    (log, records)
}

fn refused(config: &Config) -> String {
    let error = Handle::open(config.clone()).err().expect("is refused");
    assert!(error.is_damage(), "{error}");
    error.to_string()
}

#[tokio::test]
async fn an_unusable_snapshot_is_folded_again_from_the_first_record() {
    let (log, records) = closed().await;
    let config = log.config();
    let version = |store: &Store, cipher: &Cipher| {
        let sealed = store.meta(name::SNAPSHOT).expect("reads").expect("is there");
        let clear = cipher
            .open("meta", name::SNAPSHOT.as_bytes(), &sealed)
            .expect("decrypts");
        let mut snapshot = json::parse(&clear).expect("JSON");
        assert!(snapshot["evolve_version"].as_u64().is_some(), "{snapshot}");
        snapshot["evolve_version"] = 999.into();
        cipher
            .seal("meta", name::SNAPSHOT.as_bytes(), snapshot.to_string().as_bytes())
            .expect("encrypts")
    };
    for round in 0..3 {
        tamper(&config, |store, cipher| match round {
            0 => store
                .meta
                .insert(name::SNAPSHOT, version(store, cipher))
                .expect("writes"),
            1 => store
                .meta
                .insert(name::SNAPSHOT, b"garbage".as_slice())
                .expect("writes"),
            _ => store.meta.remove(name::SNAPSHOT).expect("removes"),
        });
        let handle = log.open();
        assert_eq!(all(&handle).await.len(), records.len() + round, "round {round}");
        let again = handle.create_tenant(tenant("acme"), "Acme".to_owned()).await;
        assert_eq!(
            again.map(|receipt| receipt.id),
            Err(domain::Denial::TenantExists.into())
        );
        append(&handle, event("next")).await;
        handle.close();
        drop(handle);
        crate::check::look(&config).expect("is whole");
    }
}

#[tokio::test]
async fn a_store_of_a_newer_format_is_left_alone() {
    let (log, _) = closed().await;
    tamper(&log.config(), |store, _| {
        store.meta.insert(name::FORMAT, 2u64.to_be_bytes()).expect("writes");
    });
    let newer = |error: Error| assert!(matches!(error, Error::FormatTooNew { found: 2, known: 1 }), "{error}");
    newer(Handle::open(log.config()).err().expect("is refused"));
    newer(
        Inspection::open(&log.config(), &log.dir.path().join("shadow"))
            .err()
            .expect("is refused"),
    );
}

#[tokio::test]
async fn an_index_that_ends_before_the_log_is_refused() {
    for keyspace in ["ids", "heads"] {
        let (log, records) = closed().await;
        let config = log.config();
        let index = Keyring::open(&config.keyring_path(), &config.key)
            .expect("opens")
            .index();
        let newest = records.last().expect("records");
        tamper(&config, |store, _| match keyspace {
            "ids" => store.ids.remove(index.id(&newest.tenant, &newest.id)).expect("removes"),
            _ => store
                .heads
                .remove(index.timeline(&newest.tenant, "actor", "agent:a1"))
                .expect("removes"),
        });
        assert!(
            refused(&config).contains(&format!("keyspace {keyspace}")),
            "{}",
            refused(&config)
        );
    }
}

#[tokio::test]
async fn a_gap_in_the_log_is_an_error_and_never_a_shorter_answer() {
    let (log, _) = closed().await;
    // Opening reads what the tree's full tiles do not cover, so the gap lies below.
    let handle = log.open();
    let more = (0..260).map(|n| event(&format!("more.{n}"))).collect();
    handle.append_many(more).await.expect("answers each");
    let records = all(&handle).await;
    handle.close();
    drop(handle);
    tamper(&log.config(), |store, _| {
        store.log.remove(10u64.to_be_bytes()).expect("removes");
    });
    let handle = log.open();
    let corrupt = |answer: Result<Vec<ledger_client::Committed>, ledger_client::Error>| {
        assert!(matches!(answer, Err(ledger_client::Error::Corrupt(_))), "{answer:?}");
    };
    assert_eq!(handle.read(0, 10).await.expect("reads").len(), 10);
    corrupt(handle.read(0, 100).await);
    corrupt(handle.read(10, 1).await);
    assert_eq!(handle.read(11, 1_000).await.expect("reads").len(), records.len() - 11);
    corrupt(
        handle
            .find(records[10].tenant.clone(), records[10].id)
            .await
            .map(|_| Vec::new()),
    );
}

#[tokio::test]
async fn a_tip_of_another_tree_is_refused() {
    let (log, _) = closed().await;
    tamper(&log.config(), |store, _| {
        let tip = Tip::decode(&store.meta(name::TIP).expect("reads").expect("is there")).expect("is a tip");
        let other = Tip { root: [7; 32], ..tip };
        store.meta.insert(name::TIP, other.encode()).expect("writes");
    });
    assert!(refused(&log.config()).contains("tree"));
}

#[tokio::test]
async fn an_open_log_never_goes_back_behind_what_was_read() {
    let log = Log::create().await;
    let (config, old) = (log.config(), log.dir.path().join("old"));
    copy(&config.data_dir, &old);
    let broken = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let trap = std::sync::Arc::clone(&broken);
    let probe = crate::probe::Probe::failing(move |_| {
        let hit = trap.load(std::sync::atomic::Ordering::SeqCst);
        hit.then(|| std::io::Error::from(std::io::ErrorKind::StorageFull))
    });
    let handle = Handle::open_with(config.clone(), std::sync::Arc::new(crate::SystemClock), probe).expect("opens");
    append(&handle, event("read by somebody")).await;
    let committed = handle.committed();
    broken.store(true, std::sync::atomic::Ordering::SeqCst);
    handle
        .append(plain(event("fails")))
        .await
        .expect_err("the disk is broken");
    broken.store(false, std::sync::atomic::Ordering::SeqCst);
    // Somebody puts an older copy in place, HEAD and store in agreement.
    std::fs::remove_dir_all(config.store_path()).expect("removes");
    copy(&old.join("fjall"), &config.store_path());
    std::fs::copy(old.join("HEAD"), config.head_path()).expect("copies");
    let error = handle.append(plain(event("refused"))).await.expect_err("is refused");
    assert!(error.to_string().contains("LOG_BEHIND"), "{error}");
    assert_eq!(*committed.borrow(), 3);
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    crate::journal::shadow(from, to).expect("copies");
}

/// The store's own reader agrees with the handle, so that the tests above look at what they mean to.
#[tokio::test]
async fn every_block_of_the_fixture_has_one_record() {
    let (log, records) = closed().await;
    tamper(&log.config(), |store, cipher| {
        let decoder = Decoder {
            store,
            ciphers: std::slice::from_ref(cipher),
        };
        for record in &records {
            let (first, sealed) = store.block_at(record.offset).expect("reads").expect("is there");
            assert_eq!(
                (first, decoder.block(first, &sealed).expect("decrypts").len()),
                (record.offset, 1)
            );
        }
    });
}

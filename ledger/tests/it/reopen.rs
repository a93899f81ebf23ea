//! Opening again: what was acknowledged is there, what must not open does not.

use crate::log::{Log, all, append, event, plain, private, tenant};
use ledger::{Config, Error, Handle, KeySource};
use ledger_client::LedgerClient as _;
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

#[tokio::test]
async fn a_log_closed_in_order_opens_with_everything() {
    let log = Log::create().await;
    let handle = log.open();
    let record = private("first", json!("secret"));
    let receipt = append(&handle, record.clone()).await;
    for n in 0..700 {
        append(&handle, event(&format!("act.{n}"))).await;
    }
    let before = (all(&handle).await, handle.head().await.expect("a head"));
    handle.close();
    let error = handle.append(plain(event("late"))).await.expect_err("is closed");
    assert_eq!(error.kind(), ledger_client::Kind::Unavailable);
    drop(handle);
    let handle = log.open();
    assert_eq!((all(&handle).await, handle.head().await.expect("a head")), before);
    assert!(append(&handle, record).await.replayed);
    let openings = handle
        .open_sealed(tenant("default"), receipt.id)
        .await
        .expect("opens")
        .expect("is there");
    assert_eq!(openings[0].value, json!("secret"));
    assert_eq!(append(&handle, event("next")).await.committed.offset, before.1.size);
}

#[tokio::test]
async fn a_directory_has_one_process() {
    let log = Log::create().await;
    let _open = log.open();
    let error = Handle::open(log.config()).err().expect("is refused");
    assert!(
        matches!(error, Error::InUse { ref pid, .. } if *pid == std::process::id().to_string()),
        "{error}"
    );
}

#[tokio::test]
async fn keys_that_do_not_fit_are_refused() {
    let log = Log::create().await;
    let key = log.dir.path().join("key");
    let open = |config: Config| Handle::open(config).err().expect("is refused");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("sets the mode");
    assert!(matches!(open(log.config()), Error::Key { .. }));
    fs::remove_file(&key).expect("removes");
    assert!(matches!(open(log.config()), Error::Key { .. }));
    let other = KeySource::Hex("ab".repeat(32).into());
    assert!(matches!(
        open(Config {
            key: other,
            ..log.config()
        }),
        Error::WrongKey
    ));
    let passphrase = KeySource::Passphrase("correct horse".to_owned().into());
    assert!(matches!(
        open(Config {
            key: passphrase,
            ..log.config()
        }),
        Error::Key { .. }
    ));
    assert!(matches!(
        open(Config::new(log.dir.path().join("nothing"), log.config().key)),
        Error::Absent(_)
    ));
}

#[tokio::test]
async fn a_passphrase_opens_its_log() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = |text: &str| Config::new(dir.path().join("log"), KeySource::Passphrase(text.to_owned().into()));
    let init = ledger::Init {
        config: config("correct horse"),
        root_key_file: dir.path().join("root"),
        log: record::Origin::parse("example.com/audit").expect("an origin"),
        slug: record::Slug::parse("audit").expect("a slug"),
        tenants: Vec::new(),
    };
    ledger::create(init.clone()).await.expect("creates");
    assert!(matches!(Handle::open(config("battery staple")), Err(Error::WrongKey)));
    assert_eq!(
        Handle::open(config("correct horse"))
            .expect("opens")
            .head()
            .await
            .expect("a head")
            .size,
        1
    );
    assert!(matches!(ledger::create(init).await, Err(Error::Exists(_))));
}

#[tokio::test]
async fn a_worn_data_key_is_replaced_and_old_values_stay_readable() {
    let log = Log::create().await;
    let config = Config {
        data_key_values: 1,
        ..log.config()
    };
    for round in 0..3 {
        let handle = Handle::open(config.clone()).expect("opens");
        append(&handle, event(&format!("round.{round}"))).await;
        handle.close();
    }
    assert_eq!(all(&log.open()).await.len(), 5);
}

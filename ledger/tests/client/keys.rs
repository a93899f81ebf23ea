//! Rotation of the key that signs replies, while gateways go on.

use crate::log::{event, plain};
use crate::stand::{Stand, until_it_appends};
use ledger_client::{Error, LedgerClient as _};

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_is_followed_from_the_pinned_genesis() {
    let stand = Stand::new().await;
    until_it_appends(&stand.client).await;
    let root = ledger::read_root_key(&stand.log.dir.path().join("root")).expect("the root key");
    for _ in 0..3 {
        stand.handle.rotate_record_key(&root).await.expect("rotates");
        until_it_appends(&stand.client).await;
        stand.client.head().await.expect("a head");
    }
    // One who comes later learns all of them at once.
    let late = stand.client(stand.key.clone(), |_| {}).await;
    late.append(plain(event("late"))).await.expect("appends");
    let stand = stand.restart().await;
    until_it_appends(&stand.client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_is_not_the_pinned_one_is_not_believed() {
    let stand = Stand::new().await;
    let unavailable = |answer: Result<_, Error>| matches!(answer, Err(Error::Unavailable { .. }));
    let wrong_genesis = stand.client(stand.key.clone(), |config| {
        (config.pin.genesis, config.timeout_ms) = (record::Hash::of(b"another genesis"), 700);
    });
    assert!(unavailable(wrong_genesis.await.head().await));
    let wrong_root = stand.client(stand.key.clone(), |config| {
        (config.pin.root, config.timeout_ms) = (stand.key.public(), 700);
    });
    let record = event("unheard");
    let answer = wrong_root.await.append(plain(record.clone())).await;
    assert!(
        matches!(answer, Err(Error::CommitUnknown { id, .. }) if id == record.id),
        "{answer:?}"
    );
}

//! Intake: whatever a client sends, a record that passes sealing is stored, read back and verified.
#![no_main]

use ed25519_dalek::SigningKey;
use libfuzzer_sys::fuzz_target;
use record::{
    Auth, Author, Draft, Fault, Intake, NewRecord, Origin, Place, PublicKey, Record, RecordId, Tenant, Timestamp,
};
use std::sync::LazyLock;

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_bytes(&[1; 32]));

fuzz_target!(|bytes: &[u8]| {
    let Ok(intake) = Intake::parse(bytes) else { return };
    let log = Origin::parse("example.com/audit").expect("an origin");
    let mut author = Author::new("agent:a1", Auth::Local);
    if let Some(signed) = intake.author {
        (author.id, author.key_id, author.sig) = (signed.id, Some(signed.key_id), Some(signed.sig));
    }
    let record = NewRecord {
        tenant: intake.tenant.unwrap_or_else(Tenant::ledger),
        kind: intake.kind,
        schema_version: intake.schema_version,
        id: intake.id.unwrap_or_else(|| RecordId::new(1, [2; 10])),
        space: intake.space,
        author,
        payload: intake.payload,
        links: intake.links,
        disclosures: intake.disclosures,
    };
    let Ok(sealed) = record.seal::<Fault>(&log, &["/payload/private"], || Ok([7; 32])) else {
        return;
    };
    let Ok(draft) = Draft::new(&log, sealed, &[]) else {
        return;
    };
    let pub_key: PublicKey = KEY.verifying_key().into();
    let place = Place {
        offset: 9,
        seq: 0,
        prev: None,
        ts: Timestamp::MIN,
        pub_key: &pub_key,
    };
    let stamped = draft.stamp(&place);
    assert!(stamped.size() <= draft.size_bound());
    let read = Record::parse(stamped.sign(&KEY)).expect("what is accepted can be read back");
    read.verify_signature(&pub_key).expect("what is signed verifies");
    assert_eq!(read.links, draft.links());
});

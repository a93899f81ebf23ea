//! Stored records: the input is spliced into a record with a right hash, so that the checks behind the hash are reached.
#![no_main]

use libfuzzer_sys::fuzz_target;
use record::{Hash, Record, canonical, json};
use serde_json::{Value, json};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(record) = Record::parse(bytes.to_vec()) {
        assert_eq!(record.bytes(), bytes);
    }
    let Ok(Value::Object(changes)) = json::parse(bytes) else {
        return;
    };
    let mut whole = json!({
        "v": 1, "log": "example.com/audit", "offset": 0, "tenant": "acme", "seq": 0, "prev": null, "kind": "audit.event",
        "schema_version": 1, "id": "019a0a0b-0c0d-7e0f-8a1b-2c3d4e5f6071", "ts": "2026-11-20T12:00:00.000000Z",
        "space": "user", "author": {"id": "a", "auth": "local"}, "payload": {}, "links": [], "witnesses": [],
    });
    let members = whole.as_object_mut().expect("an object");
    members.extend(changes);
    members.remove("hash");
    let outside: Vec<_> = ["sig", "pub_key"].map(|name| members.remove(name)).into();
    let hash = Hash::of(&canonical::to_vec(&Value::Object(members.clone())));
    let [sig, pub_key] = outside.try_into().expect("two members");
    members.insert("hash".to_owned(), json!(hash.to_string()));
    members.insert(
        "sig".to_owned(),
        sig.unwrap_or_else(|| json!(record::key::encode_base64(&[0; 64]))),
    );
    members.insert(
        "pub_key".to_owned(),
        pub_key.unwrap_or_else(|| json!("iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=")),
    );
    if let Ok(record) = Record::parse(canonical::to_vec(&whole)) {
        assert_eq!(record.hash, hash);
        assert!(record.links.is_sorted());
        assert!(json::depth(&whole) <= record::limits::RECORD_DEPTH);
    }
});

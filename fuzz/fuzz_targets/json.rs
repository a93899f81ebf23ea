//! Strict JSON: what our parser accepts, serde_json accepts with an equal value, and its canonical bytes are those of
//! serde_jcs and parse to the same value again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use record::{canonical, json};
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let Ok(ours) = json::parse(bytes) else { return };
    let theirs: Value = serde_json::from_slice(bytes).expect("the strict language is a part of JSON");
    let written = canonical::to_vec(&ours);
    assert_eq!(written, canonical::to_vec(&theirs), "both read the same value");
    assert_eq!(written, serde_jcs::to_vec(&theirs).expect("a JSON value"));
    assert_eq!(json::parse(&written).as_ref(), Ok(&ours));
    assert_eq!(json::check(&theirs), Ok(()));
});

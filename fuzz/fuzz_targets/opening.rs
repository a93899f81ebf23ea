//! Openings and commitments: what reads, writes back to the same bytes, and opens only its own place.
#![no_main]

use libfuzzer_sys::fuzz_target;
use record::{Opening, Origin, RecordId, Tenant, canonical, json, seal};

fuzz_target!(|bytes: &[u8]| {
    let Ok(value) = json::parse(bytes) else { return };
    if let Some(hash) = seal::read_placeholder(&value) {
        assert_eq!(seal::placeholder(&hash), value);
    }
    let Ok(opening) = Opening::from_json(&value) else {
        return;
    };
    assert_eq!(opening.to_json(), value);
    assert_eq!(opening.to_canonical(), canonical::to_vec(&value));
    let log = Origin::parse("example.com/audit").expect("an origin");
    let tenant = |text| Tenant::parse(text).expect("a tenant");
    let id = RecordId::new(0, [0; 10]);
    let commitment = opening.commitment(&log, &tenant("a"), &id);
    assert_ne!(opening.commitment(&log, &tenant("b"), &id), commitment);
    assert_eq!(
        seal::read_placeholder(&seal::placeholder(&commitment)),
        Some(commitment)
    );
});

//! Texts with one spelling: times, ids, links, kinds, tenants, origins, slugs, hashes, keys. What reads writes itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use record::{Hash, KeyText, Kind, Link, Origin, PublicKey, RecordId, Slug, Tenant, Timestamp, link};

fn same(text: &str, read: Option<impl ToString>) {
    if let Some(read) = read {
        assert_eq!(read.to_string(), text);
    }
}

fuzz_target!(|text: &str| {
    same(text, Timestamp::parse(text));
    same(text, RecordId::parse(text));
    same(text, Kind::parse(text));
    same(text, Tenant::parse(text));
    same(text, Origin::parse(text));
    same(text, Slug::parse(text));
    same(text, Hash::from_hex(text));
    same(text, KeyText::parse(text));
    same(text, PublicKey::from_base64(text).map(|key| key.to_base64()));
    let (label, target) = text.split_once('\n').unwrap_or(("actor", text));
    if let Ok(link) = Link::new(label, target) {
        assert_eq!((link.label(), link.target()), (label, target));
        assert!(link::is_target(target) && target.len() <= 512 && !target.contains('\n'));
    }
});

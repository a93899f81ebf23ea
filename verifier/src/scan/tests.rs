//! The scanner against the parser and `serde_jcs`: what one accepts, the other two do.

use super::*;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Map, Value, json};

/// A record around `payload`; only `payload` varies, the scanner treats every value alike.
fn record_with(payload: &str) -> Vec<u8> {
    let value = |name: &str| {
        if name == "payload" {
            payload.to_owned()
        } else {
            "0".to_owned()
        }
    };
    let members: Vec<String> = MEMBERS
        .iter()
        .map(|name| format!("\"{name}\":{}", value(name)))
        .collect();
    format!("{{{}}}", members.join(",")).into_bytes()
}

/// What the scanner decides, the slow way: strict parser, then `serde_jcs`, then compare.
fn oracle(bytes: &[u8]) -> bool {
    let Ok(value) = record::json::parse(bytes) else {
        return false;
    };
    let named = value
        .as_object()
        .is_some_and(|members| members.keys().map(String::as_str).eq(MEMBERS));
    named && record::json::depth(&value) <= limits::RECORD_DEPTH && serde_jcs::to_vec(&value).unwrap() == bytes
}

fn agrees(payload: &str) -> bool {
    let bytes = record_with(payload);
    let scanned = scan(&bytes).is_ok();
    assert_eq!(scanned, oracle(&bytes), "{payload}");
    scanned
}

#[test]
fn canonical_payloads_pass() {
    let payloads = [
        "null",
        "true",
        "false",
        "0",
        "-1",
        "9007199254740991",
        "-9007199254740991",
        "0.1",
        "1e-7",
        "1.5e-300",
        "5e-324",
        "4503599627370495.5",
        "\"\"",
        "\"\\\"\\\\\\b\\t\\n\\f\\r\\u0001\\u001f/\u{7f}\u{e9}\u{1f600}\"",
        "[]",
        "{}",
        "[[],{},[1,\"a\"]]",
        "{\"\":1,\"a\":2,\"aa\":3,\"b\":{}}",
        "{\"\u{1f600}\":1,\"\u{fb33}\":2}",
        "{\"\\n\":1,\"1\":2,\"\\\\\":3}",
        "{\"$sealed\":\"x\"}",
    ];
    for payload in payloads {
        assert!(agrees(payload), "{payload}");
    }
}

#[test]
fn every_other_spelling_is_refused() {
    let payloads = [
        " 1",
        "1 ",
        "[1, 2]",
        "{\"a\" :1}",
        "-0",
        "01",
        "1.0",
        "1e2",
        "1E-7",
        "1e-07",
        "+1",
        ".5",
        "1.",
        "--1",
        "-",
        "0.10",
        "9007199254740992",
        "1e300",
        "1e999",
        "100000000000000000000",
        "0.10000000000000001",
        "infinity",
        "NaN",
        "\"\\/\"",
        "\"\\u0041\"",
        "\"\\u000a\"",
        "\"\\u001F\"",
        "\"\\u0000\"",
        "\"\\u007f\"",
        "\"\\ud83d\\ude00\"",
        "\"\t\"",
        "\"\\x\"",
        "\"\\\"",
        "\"",
        "[1,]",
        "[,1]",
        "[1",
        "{\"a\":1,}",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "{\"b\":1,\"a\":2}",
        "{\"a\":1,\"a\":2}",
        "{\"\u{fb33}\":1,\"\u{1f600}\":2}",
        "{\"\\\\\":1,\"1\":2}",
        "{\"\\n\":1,\"\\n\":2}",
        "nul",
        "True",
        "",
        "1,\"extra\":2",
        "{\"$serde_json::private::RawValue\":1}",
    ];
    for payload in payloads {
        assert!(!agrees(payload), "{payload}");
    }
}

#[test]
fn depth_is_counted_from_the_record() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(agrees(&nested(63)));
    assert!(!agrees(&nested(64)));
}

#[test]
fn members_are_exactly_those_of_the_format() {
    let whole = String::from_utf8(record_with("{}")).unwrap();
    assert!(scan(whole.as_bytes()).is_ok());
    for wrong in [
        whole.replace("\"id\":0,", ""),
        whole.replace("\"id\":0,", "\"id\":0,\"idea\":1,"),
        whole.replace("\"v\":0", "\"w\":0"),
        format!("{whole}\n"),
        whole.trim_end_matches('}').to_owned(),
    ] {
        assert!(scan(wrong.as_bytes()).is_err(), "{wrong}");
        assert!(!oracle(wrong.as_bytes()));
    }
    assert!(scan(b"\xef\xbb\xbf{}").is_err());
    assert!(scan(&[b'"', 0xff, b'"']).is_err());
}

#[test]
fn members_are_cut_at_their_bounds() {
    let bytes = record_with("{\"a\":[1]}");
    let scanned = scan(&bytes).unwrap();
    assert_eq!(scanned.value(Member::Payload), "{\"a\":[1]}");
    assert_eq!(scanned.value(Member::Author), "0");
    assert_eq!(scanned.value(Member::Witnesses), "0");
    let covered: Vec<u8> = scanned.hashed_parts().flatten().copied().collect();
    let mut value: Map<String, Value> = serde_json::from_slice(&bytes).unwrap();
    value.retain(|name, _| !["hash", "pub_key", "sig"].contains(&name.as_str()));
    assert_eq!(covered, serde_jcs::to_vec(&value).unwrap());
}

#[test]
fn every_member_has_its_name() {
    let members = [
        Member::Author,
        Member::Hash,
        Member::Id,
        Member::Kind,
        Member::Links,
        Member::Log,
        Member::Offset,
        Member::Payload,
        Member::Prev,
        Member::PubKey,
        Member::SchemaVersion,
        Member::Seq,
        Member::Sig,
        Member::Space,
        Member::Tenant,
        Member::Ts,
        Member::V,
        Member::Witnesses,
    ];
    for (at, member) in members.into_iter().enumerate() {
        assert_eq!(member as usize, at);
        assert_eq!(format!("{member:?}").to_lowercase(), MEMBERS[at].replace('_', ""));
    }
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-9_007_199_254_740_991_i64..=9_007_199_254_740_991).prop_map(Value::from),
        (-1e15..1e15_f64).prop_map(|double| json!(double + 0.5)),
        (-1e-3..1e-3_f64).prop_map(Value::from),
        "[\\x01-\\x7f\u{80}-\u{ffff}\u{10000}-\u{10ffff}]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        let name = "[\\x01-\\x7f\u{d000}-\u{d7ff}\u{e000}-\u{ffff}\u{10000}-\u{10ffff}]{0,4}";
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((name, inner), 0..5).prop_map(Value::from_iter),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_serde_jcs_writes_passes(value in values()) {
        let text = String::from_utf8(serde_jcs::to_vec(&value).unwrap()).unwrap();
        // `agrees` also holds the scanner to the oracle; a rounded double may make both refuse.
        agrees(&text);
    }

    #[test]
    fn a_changed_text_passes_only_if_it_is_canonical_again(
        value in values(),
        edits in prop::collection::vec((any::<Index>(), 0..3u8, any::<Index>()), 1..4),
    ) {
        const PIECES: [&str; 24] = [
            "\"", "\\", ",", ":", "{", "}", "[", "]", "0", "1", "-", ".", "e", " ", "\\n", "\\u001f", "\\u000a", "a",
            "\u{fb33}", "\u{1f600}", "true", "null", "{}", "\"a\":1,",
        ];
        let mut text: Vec<char> = String::from_utf8(serde_jcs::to_vec(&value).unwrap()).unwrap().chars().collect();
        for (at, edit, piece) in edits {
            let at = at.index(text.len() + 1);
            let piece = PIECES[piece.index(PIECES.len())].chars();
            let end = if edit == 0 { at } else { (at + 1).min(text.len()) };
            let piece: Vec<char> = if edit == 1 { Vec::new() } else { piece.collect() };
            text.splice(at..end, piece);
        }
        agrees(&text.into_iter().collect::<String>());
    }
}

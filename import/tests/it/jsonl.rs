//! JSON Lines of no known format.

use crate::{member, record, refusal, targets};
use import::Format::JsonLines;
use record::Code;
use serde_json::json;

#[test]
fn well_known_members_are_understood() {
    let line = json!({
        "actor": "agent:7", "subject": "Jane", "session": 12, "resource": "doc:a\nb", "action": "doc.read",
        "outcome": "Denied", "time": 1_603_355_388, "source": "gateway",
    });
    let record = record(JsonLines, line.to_string());
    assert_eq!(targets(&record, "actor"), ["agent:7"]);
    assert_eq!(targets(&record, "subject"), ["subject:Jane"]);
    assert_eq!(targets(&record, "session"), ["session:12"]);
    let resource = targets(&record, "resource").join(" ");
    assert!(resource.starts_with("doc:a%0Ab~"), "{resource}");
    assert_eq!(member(&record, "action"), "doc.read");
    assert_eq!(member(&record, "outcome"), "denied");
    assert_eq!(member(&record, "source"), "gateway");
    assert_eq!(member(&record, "occurred_at"), "2020-10-22T08:29:48.000000Z");
    assert_eq!(record.payload["data"], line);
}

#[test]
fn any_object_is_an_event() {
    let bare = record(JsonLines, "{}");
    assert_eq!(member(&bare, "action"), "jsonl:line");
    assert_eq!(member(&bare, "source"), "jsonl");
    assert_eq!(member(&bare, "outcome"), "unknown");
    assert_eq!(member(&bare, "occurred_at"), "none");
    assert_eq!(bare.links, []);
    let odd = record(
        JsonLines,
        r#"{"actor":{"name":"x"},"action":"","outcome":true,"subject":[],"time":{}}"#,
    );
    assert_eq!((member(&odd, "action"), odd.links.len()), ("jsonl:line", 0));
}

#[test]
fn the_first_time_that_can_be_read_counts() {
    let at = |line: &str| member(&record(JsonLines, line), "occurred_at").to_owned();
    let expected = "2020-10-22T08:29:48.000000Z";
    assert_eq!(
        at(r#"{"time":"08:29","timestamp":"2020-10-22T08:29:48Z","@timestamp":0}"#),
        expected
    );
    assert_eq!(
        at(r#"{"@timestamp":1603355388000000000}"#),
        expected,
        "an integer that became a string"
    );
    assert_eq!(at(r#"{"time":"2020-10-22 08:29:48"}"#), "none", "no zone");
}

#[test]
fn what_no_record_can_hold_is_refused_with_its_place() {
    let deep = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    let refused = |line: &str| {
        let (code, pointer) = refusal(JsonLines, line);
        (code.as_str(), pointer)
    };
    let at = |code, pointer: &str| (code, pointer.to_owned());
    assert_eq!(refused(r#"{"a":"\u0000"}"#), at("NUL_CHARACTER", "/a"));
    assert_eq!(refused(r#"{"a":{"b":1,"b":2}}"#), at("DUPLICATE_JSON_KEY", "/a/b"));
    assert_eq!(refused(r#"{"a":"\ud800"}"#).0, "MALFORMED_JSON");
    assert_eq!(refused(r#"{"a":{"$sealed":"x"}}"#), at("RESERVED_NAME", "/a"));
    assert_eq!(refused(r#"{"$token":"x"}"#), at("RESERVED_NAME", ""));
    assert_eq!(refused(&deep(62)), at("JSON_TOO_DEEP", ""));
    record(JsonLines, deep(61));
    assert_eq!(refused("[]"), at("ENVELOPE_INVALID", ""));
    assert_eq!(refused("not json").0, "MALFORMED_JSON");
    assert_eq!(refused("").0, "MALFORMED_JSON");
    assert_eq!(refusal(JsonLines, b"{\"a\":\"\xff\"}").0, Code::MalformedJson);
}

#[test]
fn an_event_too_large_for_a_record_is_refused_and_one_a_little_smaller_is_not() {
    let line = |size: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(size));
    assert_eq!(refusal(JsonLines, line(786_432)).0, Code::RecordTooLarge);
    record(JsonLines, line(780_000));
    // Each is four bytes as written and seventeen in canonical form.
    let grown = vec!["1e15"; 60_000].join(",");
    assert_eq!(
        refusal(JsonLines, format!(r#"{{"a":[{grown}]}}"#)).0,
        Code::RecordTooLarge
    );
}

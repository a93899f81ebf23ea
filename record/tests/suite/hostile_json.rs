//! Hostile documents: each is refused with its own code at the pointer of the member it was found in.

use crate::samples::{assert_json, nested};
use record::{Code, json};
use serde_json::{Value, json};

/// Puts `value` at a place whose pointer needs both escapes of RFC 6901.
#[track_caller]
fn assert_value(value: &str, code: Code) {
    assert_json(value, code, "");
    assert_json(format!(r#"{{"x":1,"a/b":[0,{{"~":{value}}}]}}"#), code, "/a~1b/1/~0");
}

#[track_caller]
fn accepted(document: &str) -> Value {
    json::parse(document.as_bytes()).expect("this document is legal")
}

#[test]
fn duplicate_names_are_compared_after_unescaping() {
    let code = Code::DuplicateJsonKey;
    assert_json(r#"{"a":1,"a":1}"#, code, "/a");
    assert_json(r#"{"a":1,"\u0061":2}"#, code, "/a");
    assert_json(r#"{"\ud83d\ude00":1,"😀":2}"#, code, "/😀");
    assert_json(r#"{"a\/b":1,"a/b":2}"#, code, "/a~1b");
    assert_json(r#"[{},{"x":{"":1,"":{}}}]"#, code, "/1/x/");
    assert_eq!(
        accepted(r#"[{"a":1},{"a":{"a":2}}]"#),
        json!([{"a": 1}, {"a": {"a": 2}}])
    );
}

#[test]
fn names_in_two_normal_forms_are_two_names() {
    let value = accepted("{\"\u{e9}\":1,\"e\u{301}\":2}");
    assert_eq!(value, json!({"\u{e9}": 1, "e\u{301}": 2}));
}

#[test]
fn numbers_that_would_change_are_refused() {
    for number in [
        "9007199254740992",
        "-9007199254740992",
        "9007199254740993",
        "18446744073709551615",
        "-9223372036854775808",
        "123456789012345678901234567890",
        "1e400",
        "-1e400",
        "1e-400",
        "-1e-400",
        "1e16",
        "9007199254740991.5",
        "0.10000000000000001",
        "3.141592653589793238462643",
        "9007199254740992.0",
        "9.007199254740993e15",
        "1e99999999999999999999",
        "1e-99999999999999999999",
        "1.00001e-9223372036854775808",
        "1.5e9223372036854775807",
        "0.00001e9223372036854775807",
        "5e-325",
    ] {
        assert_value(number, Code::NumberOutOfRange);
    }
}

#[test]
fn numbers_that_stay_are_accepted_in_any_spelling() {
    for (text, value) in [
        ("9007199254740991", json!(9_007_199_254_740_991_i64)),
        ("-9007199254740991", json!(-9_007_199_254_740_991_i64)),
        ("9007199254740991.0", json!(9_007_199_254_740_991_i64)),
        ("-0", json!(0)),
        ("-0.0", json!(0)),
        ("0e-99999999999999999999", json!(0)),
        ("0e99999999999999999999", json!(0)),
        ("1.0", json!(1)),
        ("10e-1", json!(1)),
        ("0.1E+1", json!(1)),
        ("1.5e0", json!(1.5)),
        ("0.1", json!(0.1)),
        ("5e-324", json!(5e-324)),
        ("1e-7", json!(1e-7)),
    ] {
        assert_eq!(accepted(text), value, "{text}");
    }
}

#[test]
fn what_is_no_number_is_malformed() {
    for text in [
        "01",
        "-01",
        "00",
        "1.",
        ".5",
        "+1",
        "-",
        "1e",
        "1e+",
        "NaN",
        "-Infinity",
        "1.e5",
        "--1",
    ] {
        assert_value(text, Code::MalformedJson);
    }
    for text in ["0x10", "1_000", "1e5.5", "1.5.5"] {
        assert_json(text, Code::MalformedJson, "");
        assert_json(format!("{{\"a\":{text}}}"), Code::MalformedJson, "");
    }
}

#[test]
fn characters_that_cannot_be_stored_are_refused() {
    assert_value(r#""\u0000""#, Code::NulCharacter);
    assert_value("\"a\0b\"", Code::NulCharacter);
    assert_json(r#"{"a\u0000b":1}"#, Code::NulCharacter, "");
    for lone in [
        r#""\ud800""#,
        r#""\udc00""#,
        r#""\ud800x""#,
        r#""\ud800\n""#,
        r#""\ud800\ud800""#,
        r#""\udc00\ud800""#,
        r#""\udbff\u0041""#,
    ] {
        assert_value(lone, Code::MalformedJson);
    }
    for text in [
        r#""\x""#,
        r#""\u12""#,
        r#""\u+123""#,
        r#""\u00g0""#,
        "\"\u{1}\"",
        "\"\n\"",
        "\"a",
        "\"\\",
        "\"\\u",
        r#""\ud83d\u"#,
        "'a'",
    ] {
        assert_value(text, Code::MalformedJson);
    }
    assert_eq!(accepted(r#""\ud83d\ude00\u001f\/\b""#), "\u{1f600}\u{1f}/\u{8}");
    assert_eq!(
        accepted("\"\u{7f}\u{80}\u{ffff}\u{10ffff}\""),
        "\u{7f}\u{80}\u{ffff}\u{10ffff}"
    );
}

#[test]
fn bytes_that_are_no_document_are_refused() {
    let code = Code::MalformedJson;
    for text in [
        "",
        " ",
        "\u{feff}{}",
        "{}{}",
        "{} x",
        "1 2",
        "{\"a\":1,}",
        "{\"a\"}",
        "{a:1}",
        "{1:1}",
        "[1 2]",
        "{\"a\":1 \"b\":2}",
        "{,}",
        "{",
        "nul",
        "truefalse",
        "True",
        "\u{a0}1",
        "\u{b}1",
        "/**/1",
        "1//",
        "]",
        "}",
        ",",
        ":",
    ] {
        assert_json(text, code, "");
    }
    for (text, pointer) in [
        ("[1,]", "/1"),
        ("[,1]", "/0"),
        ("{\"a\":}", "/a"),
        ("[", "/0"),
        ("[[[", "/0/0/0"),
        ("[1,2", ""),
    ] {
        assert_json(text, code, pointer);
    }
    assert_json("[[1,[],tru]]", code, "/0/2");
    for bytes in [
        b"\"\xff\"".as_slice(),
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\0}\0",
        b"\"\xc0\x80\"",
        b"\"\xed\xa0\x80\"",
        b"\"\xe2\x82\"",
        b"\"\xf5\x80\x80\x80\"",
    ] {
        assert_json(bytes, code, "");
    }
    let fault = json::parse(b"{\"a\": \"\xff\"}").unwrap_err();
    assert!(fault.detail.ends_with("(byte 7)"), "{fault}");
}

#[test]
fn depth_is_bounded_before_the_stack_is() {
    let arrays = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    assert_eq!(json::depth(&accepted(&arrays(128))), 128);
    assert_json(arrays(129), Code::TooDeep, &"/0".repeat(128));
    assert_json("[".repeat(1_000_000), Code::TooDeep, &"/0".repeat(128));
    assert_json("{\"a\":".repeat(10_000), Code::TooDeep, &"/a".repeat(128));
    assert_eq!(json::check(&nested(128)), Ok(()));
    let fault = json::check(&nested(129)).unwrap_err();
    assert_eq!((fault.code, fault.pointer), (Code::TooDeep, "/0".repeat(128)));
}

#[test]
fn a_name_of_a_megabyte_is_a_name_like_any_other() {
    let name = "k".repeat(1 << 20);
    assert_eq!(accepted(&format!("{{\"{name}\":1}}")), json!({ &name: 1 }));
    assert_json(
        format!("{{\"{name}\":1e400}}"),
        Code::NumberOutOfRange,
        &format!("/{name}"),
    );
}

#[test]
fn names_that_serde_json_would_reinterpret_are_refused() {
    for name in [
        "$serde_json::private::Number",
        "$serde_json::private::RawValue",
        "$serde_json::private::",
    ] {
        assert_json(
            json!({ name: "1" }).to_string(),
            Code::ReservedName,
            &format!("/{name}"),
        );
        assert_json(
            format!("{{\"a\":[{}]}}", json!({ name: "1" })),
            Code::ReservedName,
            &format!("/a/0/{name}"),
        );
        let fault = json::check(&json!([{ name: "1" }])).unwrap_err();
        assert_eq!((fault.code, fault.pointer), (Code::ReservedName, format!("/0/{name}")));
    }
    assert_json(
        r#"{"\u0024serde_json::private::Number":"1"}"#,
        Code::ReservedName,
        "/$serde_json::private::Number",
    );
    accepted(r#"{"$serde_json::public":1}"#);
}

#[test]
fn marks_are_found_at_every_depth() {
    let value = json!({"a": [{"$sealed": 1}, {"b/~": {"$token": {"$redacted": true}}}], "$sealed2": 1});
    assert_eq!(json::marks(&value), ["/a/0", "/a/1/b~1~0", "/a/1/b~1~0/$token"]);
    assert_eq!(json::marks(&json!({"$redacted": true})), [""]);
    assert_eq!(
        json::marks(&json!(["$sealed", "$token", {"a": "$redacted"}])),
        Vec::<String>::new()
    );
}

#[test]
fn values_that_no_parser_has_seen_obey_the_same_rules() {
    for (value, code, pointer) in [
        (json!({"a": [1, "x\0"]}), Code::NulCharacter, "/a/1"),
        (json!({"a\0": 1}), Code::NulCharacter, "/a\0"),
        (json!([u64::MAX]), Code::NumberOutOfRange, "/0"),
        (json!({"n": 9_007_199_254_740_992_u64}), Code::NumberOutOfRange, "/n"),
        (json!({"n": i64::MIN}), Code::NumberOutOfRange, "/n"),
        (json!([[1e300]]), Code::NumberOutOfRange, "/0/0"),
    ] {
        let fault = json::check(&value).unwrap_err();
        assert_eq!((fault.code, fault.pointer.as_str()), (code, pointer));
    }
    assert_eq!(
        json::check(&json!([9_007_199_254_740_991_u64, -0.0, 1.0, 1e-300, "\u{1}", null])),
        Ok(())
    );
}

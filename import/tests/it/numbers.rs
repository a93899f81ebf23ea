//! Numbers that a record cannot hold: strings of exactly what was written, and counted.

use crate::{map, refusal};
use import::Format::JsonLines;
use record::Code;

fn rewritten(number: &str) -> (String, u64, u64) {
    let mapped = map(JsonLines, format!(r#"{{"n": {number} ,"s":"12345678901234567890"}}"#)).expect("an object");
    let value = mapped.record.payload.pointer("/data/n").expect("a member").to_string();
    (value, mapped.integers_as_strings, mapped.decimals_as_strings)
}

#[test]
fn integers_keep_their_digits() {
    for number in [
        "9007199254740992",
        "-9007199254740992",
        "-9223372036854775808",
        "18446744073709551616",
        "123456789012345678901234567890123456789012345678901234567890",
    ] {
        assert_eq!(rewritten(number), (format!("\"{number}\""), 1, 0));
    }
    for number in ["9007199254740991", "-9007199254740991", "0", "-7", "999999999999999"] {
        assert_eq!(rewritten(number), (number.to_owned(), 0, 0));
    }
}

#[test]
fn decimals_that_a_double_cannot_hold_keep_their_spelling() {
    for number in [
        "0.10000000000000001",
        "1e400",
        "-1E+400",
        "1e-400",
        "9007199254740992.0",
        "3.14159265358979323846",
    ] {
        assert_eq!(rewritten(number), (format!("\"{number}\""), 0, 1));
    }
    assert_eq!(rewritten("0.1"), ("0.1".to_owned(), 0, 0));
    assert_eq!(rewritten("-0.0"), ("0".to_owned(), 0, 0));
    assert_eq!(rewritten("10e-1"), ("1".to_owned(), 0, 0));
}

#[test]
fn each_is_counted_wherever_it_stands_and_strings_are_left_alone() {
    let line = r#"{"a":[9007199254740993,{"b":-9007199254740993}],"c\"9007199254740993":"1e400 \\","d":1e400}"#;
    let mapped = map(JsonLines, line).unwrap();
    assert_eq!((mapped.integers_as_strings, mapped.decimals_as_strings), (2, 1));
    let expected =
        r#"{"a":["9007199254740993",{"b":"-9007199254740993"}],"c\"9007199254740993":"1e400 \\","d":"1e400"}"#;
    assert_eq!(mapped.record.payload["data"].to_string(), expected);
}

#[test]
fn rewriting_makes_nothing_valid_that_was_not() {
    for tail in [
        "1e400:1",
        "12345678901234567890 :1",
        r#""b":1e400-5"#,
        r#""b":012345678901234567890"#,
        r#""b":12345678901234567890."#,
        r#""b":-"#,
        r#""b":12345678901234567890e"#,
        r#""b":.12345678901234567890"#,
        r#""b":+12345678901234567890"#,
        r#""b":12345678901234567890abc"#,
        r#""b":1e400"c""#,
        r#""b":1e400 1e400"#,
    ] {
        let line = format!(r#"{{"a":1e400,{tail}}}"#);
        let (code, _) = refusal(JsonLines, &line);
        assert!(
            [Code::MalformedJson, Code::NumberOutOfRange].contains(&code),
            "{line}: {code}"
        );
    }
}

#[test]
fn a_fault_after_a_rewritten_number_names_the_byte_of_the_file() {
    let line = r#"{"a":12345678901234567890,"b":!}"#;
    let refused = map(JsonLines, line).unwrap_err();
    let at = line.find('!').unwrap();
    assert!(refused.fault.detail.ends_with(&format!("(byte {at})")), "{refused}");
}

//! Splitting files into events, and telling formats apart.

use import::{Events, Format, Line};

fn split(format: Format, file: &str) -> Vec<(u64, String)> {
    let own = |line: Line<'_>| (line.number, String::from_utf8_lossy(line.bytes).into_owned());
    Events::new(format, file.as_bytes()).map(own).collect()
}

fn pairs(events: &[(u64, &str)]) -> Vec<(u64, String)> {
    events
        .iter()
        .map(|(number, text)| (*number, (*text).to_owned()))
        .collect()
}

#[test]
fn lines_are_numbered_as_an_editor_does() {
    let file = "\u{feff}{\"a\":1}\r\n\n  \r\n{\"b\":2}\n{\"c\":3}";
    let expected = [(1, "{\"a\":1}"), (4, "{\"b\":2}"), (5, "{\"c\":3}")];
    for format in Format::ALL {
        assert_eq!(split(format, file), pairs(&expected));
    }
    assert_eq!(split(Format::Windows, ""), []);
}

#[test]
fn the_records_of_a_document_are_events() {
    let file = "{ \"Records\" : [\n {\"a\":\"]}\"},\r\n{\"b\":[{\"c\":\"\\\"\"}]} ], \"x\": [1] }\n";
    let expected = [(1, "{\"a\":\"]}\"}"), (2, "{\"b\":[{\"c\":\"\\\"\"}]}")];
    assert_eq!(split(Format::CloudTrail, file), pairs(&expected));
    assert_eq!(split(Format::CloudTrail, r#"{"Records":[]}"#), []);
    assert_eq!(
        split(Format::Windows, "{\"Records\":[]}"),
        pairs(&[(1, "{\"Records\":[]}")])
    );
}

#[test]
fn documents_follow_each_other_and_mix_with_lines() {
    let file = "{\"Records\":[{\"a\":1}]}\n{\"Records\":[{\"b\":1}]}{\"c\":1}\n{\"d\":1}";
    let expected = [(1, "{\"a\":1}"), (2, "{\"b\":1}"), (2, "{\"c\":1}"), (3, "{\"d\":1}")];
    let found = split(Format::CloudTrail, file);
    assert_eq!(
        found.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(),
        expected.map(|(_, text)| text)
    );
}

#[test]
fn a_broken_document_ends_in_an_event_that_is_refused() {
    let good = r#"{"eventName":"x"}"#;
    for broken in [
        "{\"Records\":[",
        "{\"Records\":[GOOD",
        "{\"Records\":[GOOD,",
        "{\"Records\":[GOOD,]}",
        "{\"Records\":[,GOOD]}",
        "{\"Records\":[GOOD GOOD]}",
        "{\"Records\":[GOOD,{\"eventName\":\"y",
        "{\"Records\":[7]}",
        "{\"Records\":[GOOD]",
        "{\"Records\":[GOOD],\"x\":[",
    ] {
        let file = broken.replace("GOOD", good);
        let events = split(Format::CloudTrail, &file);
        let mut mapper = crate::mapper(Format::CloudTrail);
        let refused = events
            .iter()
            .filter(|(at, text)| mapper.map(*at, text.as_bytes()).is_err());
        assert_eq!(refused.count(), 1, "{file}: {events:?}");
    }
}

#[test]
fn offset_reaches_the_end() {
    let file = b"{}\n{}\n";
    let mut events = Events::new(Format::JsonLines, file);
    assert_eq!(events.offset(), 0);
    events.next();
    assert_eq!(events.offset(), 3);
    assert_eq!(events.by_ref().count(), 1);
    assert_eq!(events.offset(), file.len());
}

#[test]
fn formats_are_told_apart_by_their_first_event() {
    let detect = |start: &str| Format::detect(start.as_bytes());
    assert_eq!(detect("\u{feff}{\"Records\": ["), Some(Format::CloudTrail));
    assert_eq!(
        detect(r#"{"eventSource":"s3.amazonaws.com","eventName":"x"}"#),
        Some(Format::CloudTrail)
    );
    assert_eq!(
        detect(r#"{"eventVersion":"1","eventType":"x","eventID":"y"}"#),
        Some(Format::CloudTrail)
    );
    assert_eq!(
        detect(r#"{"Keywords":-9223372036854775808,"EventID":1,"Channel":"x"}"#),
        Some(Format::Windows)
    );
    assert_eq!(
        detect(r#"{"specversion":"1.0","id":"1","source":"s","type":"t"}"#),
        Some(Format::CloudEvents)
    );
    assert_eq!(detect("\n\ntorn\"}\n{\"a\":1}"), Some(Format::JsonLines));
    assert_eq!(detect(""), None);
    assert_eq!(detect("a,b\n1,2\n"), None);
    for format in Format::ALL {
        assert_eq!(Format::parse(format.as_str()), Some(format));
    }
    assert_eq!(Format::parse("csv"), None);
}

//! For any input: no panic, and what is accepted passes every later check.

use crate::mapper;
use domain::Catalogue;
use import::{Events, Format, Mapped};
use proptest::prelude::*;
use record::{Draft, Fault, Origin};
use serde_json::{Value, json};
use std::sync::LazyLock;

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(Catalogue::builtin);

/// The checks that a record passes on its way into a log.
pub fn assert_admissible(mapped: &Mapped) {
    let record = &mapped.record;
    let spec = CATALOGUE
        .find(&record.kind, record.schema_version)
        .expect("the kind is known");
    assert_eq!(spec.check_intake(&record.payload), []);
    let log = Origin::parse("example.com/audit").expect("an origin");
    let sealed = record
        .clone()
        .seal(&log, &spec.sealed, || Ok::<_, Fault>([1; 32]))
        .expect("sealing");
    assert_eq!(spec.check_stored(&sealed.record().payload), []);
    assert_eq!(
        record.links,
        record::link::normalize(record.links.clone()).expect("links")
    );
    Draft::new(&log, sealed, &[]).expect("the record fits");
    record::json::parse(&record::canonical::to_vec(&record.payload)).expect("strict JSON");
}

const NAMES: [&str; 34] = [
    "EventID",
    "Channel",
    "EventTime",
    "EventReceivedTime",
    "@timestamp",
    "UtcTime",
    "Keywords",
    "EventType",
    "User",
    "SubjectUserName",
    "SubjectDomainName",
    "TargetUserName",
    "SubjectLogonId",
    "ObjectName",
    "Hostname",
    "eventName",
    "eventSource",
    "eventTime",
    "userIdentity",
    "arn",
    "resources",
    "requestParameters",
    "errorCode",
    "specversion",
    "id",
    "source",
    "type",
    "subject",
    "actor",
    "action",
    "outcome",
    "time",
    "$sealed",
    "instancesSet",
];

const TEXTS: [&str; 14] = [
    "-",
    "",
    "1.0",
    "arn:aws:iam::1:user/x",
    "2020-10-22T08:29:48.785Z",
    "2020-10-22 04:29:46",
    "-999999999999999999",
    "9999-12-31T23:59:59.9999999Z",
    "-009999-01-01T00:00:00Z",
    "0x8020000000000000",
    "a\u{1}\u{85}",
    ":",
    "x:",
    "success",
];

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        proptest::sample::select(&TEXTS[..]).prop_map(Value::from),
        ".*".prop_map(Value::from),
        (".{1,3}", 0..400_usize).prop_map(|(text, times)| text.repeat(times).into()),
    ];
    leaf.prop_recursive(4, 40, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            object(inner),
        ]
    })
}

fn object(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let name = prop_oneof![4 => proptest::sample::select(&NAMES[..]).prop_map(str::to_owned), 1 => ".{0,8}"];
    proptest::collection::btree_map(name, inner, 0..12).prop_map(|members| json!(members))
}

proptest! {
    #[test]
    fn whatever_is_accepted_can_be_recorded(event in object(value()), marker in any::<bool>()) {
        let mut event = event;
        if marker {
            // Most random objects lack what a format requires.
            event.as_object_mut().expect("an object").extend(
                json!({"EventID": 1, "eventName": "x", "specversion": "1.0", "id": "1", "source": "s", "type": "t"})
                    .as_object().expect("an object").clone(),
            );
        }
        for format in Format::ALL {
            if let Ok(mapped) = mapper(format).map(1, event.to_string().as_bytes()) {
                assert_admissible(&mapped);
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        survive(&bytes);
    }

    #[test]
    fn no_json_like_text_makes_it_panic(text in r#"([\[\]{}",:\\ \n]|"Records"|"a"|1e400|-|0|12345678901234567890|\\u0000){0,40}"#) {
        survive(text.as_bytes());
        survive(format!("{{\"Records\":[{text}").as_bytes());
    }

    /// Rewriting numbers accepts no text that is not JSON: the same text with a harmless number must parse.
    #[test]
    fn only_json_is_accepted(text in r#"([\[\]{}",:\\ ]|"a":|1e400|-|\.5|e5|1|0|12345678901234567890|,"b":){0,24}"#) {
        let line = format!("{{\"n\":1e400,{text}}}");
        if mapper(Format::JsonLines).map(1, line.as_bytes()).is_ok() {
            // serde_json refuses numbers beyond f64, so these are made small before it judges the grammar.
            let small = line.replace("1e400", "1e4");
            let judged = serde_json::from_str::<Value>(&small).map_err(|error| error.to_string());
            let valid = judged.as_ref().map_or_else(|error| error.contains("out of range"), |_| true);
            prop_assert!(valid, "{}: {:?}", line, judged);
        }
    }

    #[test]
    fn any_integer_keeps_its_digits(number in "-?[1-9][0-9]{0,40}") {
        let mapped = mapper(Format::JsonLines).map(1, format!("{{\"n\":{number}}}").as_bytes()).expect("an object");
        let kept = mapped.record.payload.pointer("/data/n").expect("a member").clone();
        let text = kept.as_str().map_or_else(|| kept.to_string(), str::to_owned);
        prop_assert_eq!(&text, &number);
        let fits = number.parse::<i64>().is_ok_and(|number| number.unsigned_abs() < 1 << 53);
        prop_assert_eq!(mapped.integers_as_strings, u64::from(!fits));
        prop_assert_eq!(kept.is_number(), fits);
    }
}

fn survive(bytes: &[u8]) {
    let _detected = Format::detect(bytes);
    for format in Format::ALL {
        let mut mapper = mapper(format);
        for event in Events::new(format, bytes) {
            if let Ok(mapped) = mapper.map(event.number, event.bytes) {
                assert_admissible(&mapped);
            }
        }
        assert!(
            Events::new(format, bytes).count() <= bytes.len() + 1,
            "every event takes a byte, but a broken end"
        );
    }
}

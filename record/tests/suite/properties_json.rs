//! Properties of parser and writer against other implementations: serde_json reads, serde_jcs and
//! serde_json_canonicalizer write, and a decimal comparison of its own judges numbers.

use proptest::prelude::*;
use proptest::strategy::Union;
use record::{Code, canonical, json};
use serde_json::{Map, Number, Value};

const SAFE: f64 = 9_007_199_254_740_991.0;

/// Strings with what the formats treat specially: every escape, quotes, surrogate pairs, characters from U+E000.
fn text() -> impl Strategy<Value = String> {
    let special = prop::sample::select(vec![
        '"',
        '\\',
        '/',
        '\u{8}',
        '\t',
        '\n',
        '\u{c}',
        '\r',
        '\u{1}',
        '\u{1f}',
        '\u{7f}',
        '\u{80}',
        '\u{d7ff}',
        '\u{e000}',
        '\u{fb33}',
        '\u{ffff}',
        '\u{10000}',
        '\u{1f600}',
        '\u{10ffff}',
        'a',
        'b',
        '1',
        '\u{301}',
        '\u{e9}',
        '\u{2028}',
    ]);
    let other = any::<char>().prop_filter("U+0000 is not stored", |c| *c != '\0');
    prop::collection::vec(prop_oneof![3 => special, 1 => other], 0..6).prop_map(String::from_iter)
}

/// A legal number: any integer within 2^53-1, any double from random bits that is small enough.
fn number() -> impl Strategy<Value = Number> {
    let double = any::<u64>().prop_map(f64::from_bits);
    let small = double.prop_filter("legal", |d| d.is_finite() && d.abs() <= SAFE);
    // Random bits are almost never near one; these are.
    let near = (any::<i32>(), 1..400_000_i32).prop_map(|(a, b)| f64::from(a) / f64::from(b));
    let integer = -9_007_199_254_740_991_i64..=9_007_199_254_740_991;
    prop_oneof![
        integer.prop_map(Number::from),
        (-9_i64..10).prop_map(Number::from),
        prop_oneof![small, near].prop_map(legal_double),
    ]
}

/// As the parser represents it: integral doubles are integers.
fn legal_double(double: f64) -> Number {
    if double.fract() == 0.0 {
        return Number::from(double as i64);
    }
    Number::from_f64(double).expect("finite")
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        number().prop_map(Value::Number),
        text().prop_map(Value::String),
    ];
    leaf.prop_recursive(5, 48, 6, |inner| {
        let members = prop::collection::vec((text(), inner.clone()), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(Value::Array),
            members.prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// `value` spelled at will: random white space, escapes that need not be, members in the map's order or reversed.
fn spelled(value: &Value, choices: &mut impl Iterator<Item = u8>) -> String {
    let space = |choice: Option<u8>| ["", " ", "\n", "\t \r"][usize::from(choice.unwrap_or(0) % 4)];
    let before = space(choices.next());
    let body = match value {
        Value::String(text) => spelled_text(text, choices),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| spelled(item, choices)).collect();
            format!("[{}{}]", items.join(","), space(choices.next()))
        }
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| {
                format!(" {}\t:{}", spelled_text(name, choices), spelled(value, choices))
            };
            let mut members: Vec<_> = members.iter().map(member).collect();
            if choices.next().is_some_and(|choice| choice % 2 == 0) {
                members.reverse();
            }
            format!("{{{}}}", members.join(","))
        }
        scalar => scalar.to_string(),
    };
    format!("{before}{body}{}", space(choices.next()))
}

fn spelled_text(text: &str, choices: &mut impl Iterator<Item = u8>) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        let must = character < ' ' || matches!(character, '"' | '\\');
        if must || choices.next().is_some_and(|choice| choice % 4 == 0) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04X}"));
            }
        } else {
            out.push(character);
        }
    }
    out + "\""
}

/// Equal, where an integral double equals the integer.
fn same(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        _ => ours == theirs,
    }
}

/// Whether ours accepts only what serde_json accepts, with the same meaning.
fn agrees(document: &[u8]) -> Result<(), TestCaseError> {
    let theirs = serde_json::from_slice::<Value>(document);
    match (json::parse(document), theirs) {
        (Ok(ours), Ok(theirs)) => prop_assert!(same(&ours, &theirs), "{ours} {theirs}"),
        (Ok(ours), Err(error)) => prop_assert!(false, "accepted {ours}, serde_json says {error}"),
        // Ours is the stricter one, but only for these reasons.
        (Err(fault), Ok(_)) => prop_assert_ne!(fault.code, Code::TooDeep, "{}", fault),
        (Err(_), Err(_)) => {}
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn writing_equals_both_other_implementations(value in value()) {
        let ours = canonical::to_vec(&value);
        prop_assert_eq!(&ours, &serde_jcs::to_vec(&value).unwrap());
        prop_assert_eq!(&ours, &serde_json_canonicalizer::to_vec(&value).unwrap());
    }

    #[test]
    fn canonical_bytes_parse_to_the_same_value(value in value()) {
        prop_assert_eq!(json::check(&value), Ok(()));
        prop_assert_eq!(&json::parse(&canonical::to_vec(&value)).unwrap(), &value);
    }

    #[test]
    fn every_spelling_has_one_canonical_form(value in value(), choices in prop::collection::vec(any::<u8>(), 0..256)) {
        let document = spelled(&value, &mut choices.into_iter());
        let parsed = json::parse(document.as_bytes()).map_err(|fault| TestCaseError::fail(format!("{fault}: {document}")))?;
        prop_assert_eq!(&parsed, &value);
        let written = canonical::to_vec(&parsed);
        prop_assert_eq!(&written, &serde_jcs::to_vec(&value).unwrap());
        prop_assert_eq!(written, serde_json_canonicalizer::to_vec(&value).unwrap());
    }

    #[test]
    fn a_changed_byte_never_makes_the_parsers_disagree(
        value in value(), at in any::<prop::sample::Index>(), byte in prop_oneof![any::<u8>(), prop::sample::select(b"\"\\{}[],:0-+.eEu \n".to_vec())],
    ) {
        let mut document = canonical::to_vec(&value);
        let at = at.index(document.len());
        document[at] = byte;
        agrees(&document)?;
        document.remove(at);
        agrees(&document)?;
    }

    #[test]
    fn tokens_in_any_order_never_make_the_parsers_disagree(tokens in prop::collection::vec(token(), 1..12)) {
        agrees(tokens.concat().as_bytes())?;
    }

    #[test]
    fn an_array_of_scalars_or_one_too_many_members_is_seen(members in prop::collection::vec((text(), 0..9_i64), 1..6), again in any::<prop::sample::Index>()) {
        let name = &members[again.index(members.len())].0;
        let mut text: Vec<String> = members.iter().map(|(name, value)| format!("{}:{value}", Value::from(name.as_str()))).collect();
        // The same name in another spelling.
        text.push(format!("{}:1", spelled_text(name, &mut std::iter::repeat(0))));
        let fault = json::parse(format!("{{{}}}", text.join(",")).as_bytes()).unwrap_err();
        prop_assert_eq!(fault.code, Code::DuplicateJsonKey);
    }
}

fn token() -> impl Strategy<Value = String> {
    let fixed = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        " ",
        "\"a\"",
        "\"b\"",
        "null",
        "true",
        "false",
        "nul",
        "-",
        "0",
        "1",
        "1.0",
        "1.",
        ".5",
        "01",
        "1e5",
        "1E+5",
        "1e-5",
        "1e",
        "-0",
        "+1",
        "\"\\u0061\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud83d\"",
        "\"\\x\"",
        "\"",
        "\\",
        "\u{feff}",
        "\"\t\"",
        "//",
        "NaN",
        "Infinity",
        "1e400",
        "\"\\u00\"",
        "\"\\u00g0\"",
        "\"\\ud83d\\n\"",
    ];
    Union::new(fixed.map(|token| Just(token.to_owned())))
}

// Numbers: the rule in decimals, without a double in sight but for the parse of the nearest.

/// A decimal literal by its exact value: sign, digits without outer zeros, power of ten of the last digit.
#[derive(Debug, PartialEq)]
struct Decimal {
    negative: bool,
    digits: Vec<u8>,
    power: i64,
}

impl Decimal {
    /// By character, unlike the parser's own, which splits strings.
    fn read(literal: &str) -> Self {
        let (mut digits, mut power, mut negative) = (Vec::new(), 0_i64, false);
        let mut characters = literal.chars();
        let mut fraction = false;
        for character in characters.by_ref() {
            match character {
                '-' => negative = true,
                '.' => fraction = true,
                'e' | 'E' => break,
                digit => {
                    digits.push(digit as u8 - b'0');
                    power -= i64::from(fraction);
                }
            }
        }
        let exponent: String = characters.filter(|c| *c != '+').collect();
        power += exponent.parse().unwrap_or(0);
        while digits.last() == Some(&0) {
            digits.pop();
            power += 1;
        }
        digits.reverse();
        while digits.last() == Some(&0) {
            digits.pop();
        }
        digits.reverse();
        if digits.is_empty() {
            (negative, power) = (false, 0);
        }
        Self {
            negative,
            digits,
            power,
        }
    }

    fn to_double(&self) -> f64 {
        let digits: String = self.digits.iter().map(|digit| char::from(digit + b'0')).collect();
        let sign = if self.negative { "-" } else { "" };
        format!("{sign}{digits}e{}", self.power).parse().expect("a literal")
    }

    /// Whether the magnitude is at most 2^53-1.
    fn is_safe(&self) -> bool {
        let whole = self.digits.len() as i64 + self.power;
        if whole != 16 {
            return whole < 16;
        }
        let limit = b"9007199254740991".map(|digit| digit - b'0');
        let mut padded = self.digits.clone();
        padded.resize(padded.len().max(16), 0);
        let (head, tail) = padded.split_at(16);
        head < limit.as_slice() || (head == limit && tail.iter().all(|digit| *digit == 0))
    }
}

/// What the format says about `literal`: its shortest form as a double denotes the same decimal, and it is small enough.
fn is_legal(literal: &str) -> bool {
    let nearest: f64 = literal.parse().expect("a literal");
    let written = Decimal::read(literal);
    nearest.is_finite() && written.is_safe() && shortest(nearest) == written
}

/// ECMAScript's choice (Number::toString with its note 2): the fewest digits that still denote the double, of these the
/// decimal closest to its exact value, of two equally close the even one.
fn shortest(double: f64) -> Decimal {
    // Rust finds the fewest digits too, but takes the larger of two equally close decimals.
    let rust = Decimal::read(&format!("{double:e}"));
    let length = rust.digits.len().max(1);
    let exact = Decimal::read(&format!("{double:.800e}"));
    let Some((head, tail)) = exact.digits.split_at_checked(length) else {
        return rust;
    };
    let half = tail.first() == Some(&5) && tail.iter().skip(1).all(|digit| *digit == 0);
    if !half || head.last().is_none_or(|digit| digit % 2 == 1) {
        return rust;
    }
    let even = Decimal {
        negative: exact.negative,
        digits: head.to_vec(),
        power: exact.power + tail.len() as i64,
    };
    // Beside a power of two the interval is narrower below than above.
    if even.to_double() == double { even } else { rust }
}

fn literal() -> impl Strategy<Value = String> {
    let digits = "(0|[1-9][0-9]{0,19})";
    let any_shape = format!("-?{digits}(\\.[0-9]{{1,22}})?([eE][+-]?[0-9]{{1,3}})?");
    let shortest = any::<u64>().prop_map(|bits| {
        let double = f64::from_bits(bits);
        let small = if double.is_finite() { double % SAFE } else { 0.5 };
        format!("{small}")
    });
    let scientific = (any::<i32>(), -30..30_i32).prop_map(|(a, b)| format!("{:e}", f64::from(a) * 10_f64.powi(b)));
    let border = (
        9_007_199_254_740_980_i64..9_007_199_254_741_010,
        "(\\.[05]|\\.0{1,30}1?|e0|e-1|0e-1|00e-2)?",
    )
        .prop_map(|(integer, end)| format!("{integer}{end}"));
    prop_oneof![
        proptest::string::string_regex(&any_shape).expect("a regex"),
        shortest,
        scientific,
        border,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6_000))]

    #[test]
    fn a_number_is_accepted_exactly_when_the_decimal_rule_says_so(literal in literal()) {
        let parsed = json::parse(literal.as_bytes());
        prop_assert_eq!(parsed.is_ok(), is_legal(&literal), "{}: {:?}", &literal, parsed);
        match parsed {
            Err(fault) => prop_assert_eq!(fault.code, Code::NumberOutOfRange),
            Ok(value) => {
                let written = String::from_utf8(canonical::to_vec(&value)).unwrap();
                prop_assert_eq!(Decimal::read(&written), Decimal::read(&literal), "{}", written);
            }
        }
    }
}

#[test]
fn the_decimal_rule_itself_knows_these() {
    for legal in [
        "0",
        "-0",
        "1.0",
        "10e-1",
        "0.1",
        "9007199254740991",
        "9007199254740991.0",
    ] {
        assert!(is_legal(legal), "{legal}");
    }
    for illegal in [
        "1424953923781206.3",
        "1424953923781206.25",
        "9007199254740992",
        "9007199254740991.5",
        "0.10000000000000001",
        "1e400",
        "1e-400",
        "1e16",
    ] {
        assert!(!is_legal(illegal), "{illegal}");
    }
}

#[test]
fn a_map_in_any_order_is_written_sorted() {
    let members: Map<String, Value> = ["\u{e000}", "\u{1f600}", "b", "a", "\u{fb33}", "", "\u{d7ff}"]
        .map(|name| (name.to_owned(), Value::Null))
        .into_iter()
        .collect();
    let value = Value::Object(members);
    let expected =
        "{\"\":null,\"a\":null,\"b\":null,\"\u{d7ff}\":null,\"\u{1f600}\":null,\"\u{e000}\":null,\"\u{fb33}\":null}";
    assert_eq!(String::from_utf8(canonical::to_vec(&value)).unwrap(), expected);
}

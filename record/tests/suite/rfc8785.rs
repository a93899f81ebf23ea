//! The vectors printed in RFC 8785: numbers (appendix B), sorting (3.2.3), the whole example (3.2.2).

use crate::samples::assert_json;
use record::{Code, canonical, json};
use serde_json::{Number, Value};

/// Appendix B: bits of the double, and its text.
const NUMBERS: [(u64, &str); 24] = [
    (0x0000_0000_0000_0000, "0"),
    (0x8000_0000_0000_0000, "0"),
    (0x0000_0000_0000_0001, "5e-324"),
    (0x8000_0000_0000_0001, "-5e-324"),
    (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
    (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"),
    (0x4340_0000_0000_0000, "9007199254740992"),
    (0xc340_0000_0000_0000, "-9007199254740992"),
    (0x4430_0000_0000_0000, "295147905179352830000"),
    (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
    (0x44b5_2d02_c7e1_4af6, "1e+23"),
    (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
    (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
    (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
    (0x444b_1ae4_d6e2_ef50, "1e+21"),
    (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
    (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
    (0x41b3_de43_5555_5553, "333333333.3333332"),
    (0x41b3_de43_5555_5554, "333333333.33333325"),
    (0x41b3_de43_5555_5555, "333333333.3333333"),
    (0x41b3_de43_5555_5556, "333333333.3333334"),
    (0x41b3_de43_5555_5557, "333333333.33333343"),
    (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
    (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
];

#[test]
fn the_writer_prints_every_number_of_appendix_b() {
    for (bits, text) in NUMBERS {
        let number = Number::from_f64(f64::from_bits(bits)).expect("finite");
        assert_eq!(
            String::from_utf8(canonical::to_vec(&Value::Number(number))).unwrap(),
            text,
            "{bits:016x}"
        );
    }
    for bits in [0x7fff_ffff_ffff_ffff, 0x7ff0_0000_0000_0000] {
        assert_eq!(
            Number::from_f64(f64::from_bits(bits)),
            None,
            "no JSON number holds {bits:016x}"
        );
    }
}

#[test]
fn the_parser_reads_the_numbers_in_range_back_and_refuses_the_others() {
    for (bits, text) in NUMBERS {
        let double = f64::from_bits(bits);
        if double.abs() > 9_007_199_254_740_991.0 {
            assert_json(text, Code::NumberOutOfRange, "");
            continue;
        }
        let value = json::parse(text.as_bytes()).unwrap();
        assert_eq!(value.as_f64(), Some(double), "{text}");
        assert_eq!(canonical::to_vec(&value), text.as_bytes());
    }
}

#[test]
fn members_sort_by_utf16_code_units() {
    let document = br#"{
      "\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One",
      "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin Small Letter O With Diaeresis"
    }"#;
    let expected = "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\
                    \"\u{f6}\":\"Latin Small Letter O With Diaeresis\",\"\u{20ac}\":\"Euro Sign\",\
                    \"\u{1f600}\":\"Emoji: Grinning Face\",\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}";
    let written = canonical::to_vec(&json::parse(document).unwrap());
    assert_eq!(String::from_utf8(written).unwrap(), expected);
}

const EXAMPLE: &[u8] = br#"{
  "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
  "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
  "literals": [null, true, false]
}"#;

#[test]
fn the_whole_example_is_written_as_printed() {
    let value: Value = serde_json::from_slice(EXAMPLE).unwrap();
    // The bytes of section 3.2.4.
    let expected = "7b226c69746572616c73223a5b6e756c6c2c747275652c66616c73655d2c226e756d62657273223a5b3333333333333333332e33333333\
                    3333332c31652b33302c342e352c302e3030322c31652d32375d2c22737472696e67223a22e282ac245c75303030665c6e4127425c225c\
                    5c5c5c5c222f227d";
    assert_eq!(hex::encode(canonical::to_vec(&value)), expected);
}

#[test]
fn intake_refuses_what_the_example_rounds() {
    assert_json(EXAMPLE, Code::NumberOutOfRange, "/numbers/0");
    let exact = EXAMPLE.to_vec();
    let exact = String::from_utf8(exact)
        .unwrap()
        .replace("333333333.33333329", "333333333.3333333");
    assert_json(&exact, Code::NumberOutOfRange, "/numbers/1");
    let value = json::parse(exact.replace("1E30", "1").as_bytes()).unwrap();
    assert_eq!(value.pointer("/string").unwrap(), "\u{20ac}$\u{f}\nA'B\"\\\\\"/");
}

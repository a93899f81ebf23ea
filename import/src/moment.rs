//! When something happened: the times of foreign logs, in UTC microseconds. Finer digits are dropped.
//!
//! A time without zone is not a time here: only a mapper that knows the zone may ask for one ([`without_zone`]).

use record::Timestamp;
use serde_json::Value;

const MICROS: i128 = 1_000_000;

/// A date and time with zone: `2020-10-22T08:29:48.785Z`, `2020-10-22 04:29:48-04:00` (RFC 3339, also with a space).
pub fn with_zone(text: &str) -> Option<Timestamp> {
    let moment: jiff::Timestamp = text.trim().parse().ok()?;
    Timestamp::from_micros(moment.as_microsecond())
}

/// A date and time without zone, as if it were UTC; `None` when a zone is written.
pub fn without_zone(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if with_zone(text).is_some() || text.len() < "2020-10-22 04:29:48".len() {
        return None;
    }
    let local: jiff::civil::DateTime = text.parse().ok()?;
    let moment = local.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    Timestamp::from_micros(moment.as_microsecond())
}

/// A text with zone, or a number since 1970: seconds below 10^11, milliseconds below 10^14, microseconds below 10^17,
/// otherwise nanoseconds. A text of digits is a number.
pub fn of_any(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => match text.trim().parse::<i64>() {
            Ok(number) => since_epoch(number),
            Err(_) => with_zone(text),
        },
        Value::Number(number) => match number.as_i64() {
            Some(integer) => since_epoch(integer),
            None => number.as_f64().and_then(seconds),
        },
        _ => None,
    }
}

fn since_epoch(number: i64) -> Option<Timestamp> {
    let wide = i128::from(number);
    let micros = match number.unsigned_abs().checked_ilog10().unwrap_or_default() {
        0..=10 => wide * MICROS,
        11..=13 => wide * 1_000,
        14..=16 => wide,
        _ => wide.div_euclid(1_000),
    };
    Timestamp::from_micros(i64::try_from(micros).ok()?)
}

/// A number with a fraction: seconds, or milliseconds when seconds would lie beyond the year 5138.
fn seconds(number: f64) -> Option<Timestamp> {
    let scale = if number.abs() < 1e11 { 1e6 } else { 1e3 };
    // The cast saturates, and `from_micros` refuses what lies outside the years of a record.
    Timestamp::from_micros((number * scale).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(time: Option<Timestamp>) -> String {
        time.map_or_else(|| "none".to_owned(), |time| time.to_string())
    }

    #[test]
    fn zones_are_turned_to_utc() {
        for text in [
            "2020-10-22T08:29:48.785Z",
            "2020-10-22T04:29:48.785-04:00",
            "2020-10-22 13:59:48.7850009+05:30",
        ] {
            assert_eq!(shown(with_zone(text)), "2020-10-22T08:29:48.785000Z", "{text}");
        }
    }

    #[test]
    fn a_time_needs_its_zone_or_the_promise_of_utc() {
        for text in [
            "2020-10-22 04:29:46",
            "2020-10-22",
            "04:29",
            "",
            "yesterday",
            "2020-13-01T00:00:00Z",
        ] {
            assert_eq!(with_zone(text), None, "{text}");
        }
        assert_eq!(
            shown(without_zone("2020-10-22 04:29:46")),
            "2020-10-22T04:29:46.000000Z"
        );
        assert_eq!(without_zone("2020-10-22T04:29:46Z"), None);
        assert_eq!(without_zone("2020-10-22T04:29:46-04:00"), None);
        assert_eq!(without_zone("2020-10-22"), None);
    }

    #[test]
    fn numbers_are_told_apart_by_size() {
        for number in [
            json!(1_603_355_388),
            json!(1_603_355_388_000_i64),
            json!("1603355388000000"),
            json!("1603355388000000999"),
        ] {
            assert_eq!(shown(of_any(&number)), "2020-10-22T08:29:48.000000Z", "{number}");
        }
        assert_eq!(shown(of_any(&json!(1_603_355_388.25))), "2020-10-22T08:29:48.250000Z");
        assert_eq!(
            shown(of_any(&json!(1_603_355_388_000.25))),
            "2020-10-22T08:29:48.000250Z"
        );
        assert_eq!(shown(of_any(&json!(-1))), "1969-12-31T23:59:59.000000Z");
        assert_eq!(of_any(&json!(9e300)), None);
        assert_eq!(of_any(&json!(i64::MIN)), of_any(&json!(i64::MIN.to_string())));
        assert_eq!(of_any(&json!(true)), None);
    }
}

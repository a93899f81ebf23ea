//! Times in requests: RFC 3339 with any offset and up to microseconds, or a plain date, which means that whole day.

use record::Timestamp;

const MINUTE_US: i64 = 60_000_000;
const DAY_US: i64 = 24 * 60 * MINUTE_US;

/// What a refused time is told.
pub(crate) const FORM: &str = "a time such as 2026-11-20T12:00:00.5Z or 2026-11-20T14:00:00+02:00 (up to microseconds), \
                               or a date such as 2026-11-20";

/// A moment or a whole day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Instant {
    /// The moment, or the day's first.
    pub(crate) first: Timestamp,
    /// The moment, or the first of the next day; `None` beyond the year 9999.
    pub(crate) end: Option<Timestamp>,
}

/// Reads a time; `None` for anything but [`FORM`].
pub(crate) fn parse(text: &str) -> Option<Instant> {
    if text.len() == 10 {
        let first = Timestamp::parse(&format!("{text}T00:00:00.000000Z"))?;
        let end = Timestamp::from_micros(first.micros() + DAY_US);
        return Some(Instant { first, end });
    }
    let moment = moment(text)?;
    Some(Instant {
        first: moment,
        end: Some(moment),
    })
}

fn moment(text: &str) -> Option<Timestamp> {
    let (date, rest) = text.split_at_checked(10)?;
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (clock, rest) = rest.split_at_checked(8)?;
    let (fraction, zone) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count()),
        None => ("0", rest),
    };
    if !(1..=6).contains(&fraction.len()) {
        return None;
    }
    let local = Timestamp::parse(&format!("{date}T{clock}.{fraction:0<6}Z"))?;
    Timestamp::from_micros(local.micros() - offset_us(zone)?)
}

/// Microseconds that local time is ahead of UTC.
fn offset_us(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, digits) = zone.split_at_checked(1)?;
    let sign = match sign {
        // A plus sign that was not percent-encoded reads as a space in a query.
        "+" | " " => 1,
        "-" => -1,
        _ => return None,
    };
    let (hours, minutes) = digits.split_once(':')?;
    let two = |text: &str, most: i64| {
        let fits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        fits.then(|| text.parse::<i64>().ok())
            .flatten()
            .filter(|number| *number <= most)
    };
    Some(sign * (two(hours, 23)? * 60 + two(minutes, 59)?) * MINUTE_US)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(text: &str) -> Option<String> {
        parse(text).map(|instant| instant.first.to_string())
    }

    #[test]
    fn one_moment_has_many_spellings() {
        for text in [
            "2026-11-20T12:00:00Z",
            "2026-11-20t12:00:00.000000z",
            "2026-11-20T14:00:00+02:00",
            "2026-11-20T14:00:00 02:00",
            "2026-11-20T06:30:00.0-05:30",
        ] {
            assert_eq!(first(text).as_deref(), Some("2026-11-20T12:00:00.000000Z"), "{text}");
        }
        assert_eq!(
            first("2026-11-20T00:00:00.25+02:00").as_deref(),
            Some("2026-11-19T22:00:00.250000Z")
        );
    }

    proptest::proptest! {
        #[test]
        fn an_offset_moves_the_clock_and_not_the_moment(micros in 0_i64..4_000_000_000_000_000, offset in -1_439_i64..1_440) {
            let moment = Timestamp::from_micros(micros).unwrap();
            let local = Timestamp::from_micros(micros + offset * MINUTE_US).unwrap().to_string();
            let zone = format!("{}{:02}:{:02}", if offset < 0 { '-' } else { '+' }, offset.abs() / 60, offset.abs() % 60);
            let text = format!("{}{zone}", local.trim_end_matches('Z'));
            proptest::prop_assert_eq!(parse(&text).map(|read| read.first), Some(moment));
        }
    }

    #[test]
    fn a_date_is_a_whole_day() {
        let day = parse("2026-11-20").unwrap();
        assert_eq!(day.first.to_string(), "2026-11-20T00:00:00.000000Z");
        assert_eq!(day.end.unwrap().to_string(), "2026-11-21T00:00:00.000000Z");
        assert_eq!(parse("9999-12-31").unwrap().end, None);
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "",
            "2026-11-2",
            "2026-02-30",
            "2026-11-20T12:00Z",
            "2026-11-20T12:00:00",
            "2026-11-20T12:00:00.Z",
            "2026-11-20T12:00:00.1234567Z",
            "2026-11-20T23:59:60Z",
            "2026-11-20T12:00:00+24:00",
            "2026-11-20T12:00:00+0200",
            "0001-01-01T00:00:00+01:00",
            "9999-12-31T23:59:59-00:01",
            "2026-11-20T12:00:00Zé",
            "é026-11-20T12:00:00Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}

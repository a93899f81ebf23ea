//! Numbers: accepted only when RFC 8785 prints the very decimal that was written.
//!
//! The check compares decimals, not spellings: `1.0`, `1` and `10e-1` are one value; `0.1` is the shortest form of its
//! double and stays; `0.10000000000000001` denotes another decimal than its double prints, and is refused.

use super::{Parser, malformed};
use crate::fault::{Code, Fault};
use crate::limits::SAFE_INTEGER;
use serde_json::Number;

impl Parser<'_> {
    pub(super) fn number(&mut self) -> Result<Number, Fault> {
        let start = self.at;
        let integral = self.scan_number()?;
        let token = self.text.get(start..self.at).unwrap_or_default();
        match integral.then(|| token.parse::<i64>()) {
            Some(Ok(integer)) if integer.unsigned_abs() <= SAFE_INTEGER => Ok(integer.into()),
            Some(_) => Err(out_of_range()),
            None => decimal(token),
        }
    }

    /// Moves past a number of RFC 8259's grammar and tells whether it has neither fraction nor exponent.
    fn scan_number(&mut self) -> Result<bool, Fault> {
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(malformed(self.at, "a number has no leading zeros"));
        }
        let fraction = self.take(b'.');
        if fraction {
            self.digits()?;
        }
        let exponent = self.take(b'e') || self.take(b'E');
        if exponent {
            let _sign = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        Ok(!fraction && !exponent)
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start {
            Err(malformed(self.at, "a digit was expected"))
        } else {
            Ok(())
        }
    }
}

fn decimal(token: &str) -> Result<Number, Fault> {
    let double: f64 = token.parse().map_err(|_| out_of_range())?;
    if !double.is_finite() || double.abs() > SAFE_INTEGER as f64 {
        return Err(out_of_range());
    }
    if significand(token) != significand(ryu_js::Buffer::new().format(double)) {
        return Err(out_of_range());
    }
    if double.fract() == 0.0 {
        // In range and integral, so the conversion is exact; minus zero becomes zero.
        return Ok(Number::from(double as i64));
    }
    Number::from_f64(double).ok_or_else(out_of_range)
}

pub(super) fn out_of_range() -> Fault {
    let detail = "a number must be exact as a double and at most 2^53-1 in magnitude: send it as a string";
    Fault::new(Code::NumberOutOfRange, "", detail)
}

/// A decimal as (negative, digits without zeros at either end, power of ten of the last digit). Zero has no digits, no
/// sign and power 0.
fn significand(text: &str) -> (bool, String, i64) {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let leading = digits.trim_start_matches('0');
    let trimmed = leading.trim_end_matches('0');
    if trimmed.is_empty() {
        return (false, String::new(), 0);
    }
    let dropped = leading.len() - trimmed.len();
    // A power beyond i64 belongs to no finite double but zero, which differs in digits: only the sums must not overflow.
    let exponent = exponent.parse::<i64>().unwrap_or(i64::MAX);
    (
        negative,
        trimmed.to_owned(),
        exponent
            .saturating_add(dropped as i64)
            .saturating_sub(fraction.len() as i64),
    )
}

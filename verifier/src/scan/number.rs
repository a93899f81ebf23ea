//! Numbers in canonical form: as ECMAScript prints the double, and within 2^53-1 (RFC 8785, section 3.2.2.3).

use super::{Scan, Scanner};
use record::limits::SAFE_INTEGER;

/// Longer than any double that ECMAScript prints within 2^53-1: sign, 17 digits, point, leading zeros or exponent.
const LONGEST: usize = 32;

impl Scanner<'_> {
    /// Moves past a number that is written as it is printed.
    pub(super) fn number(&mut self) -> Scan<()> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let length = rest.iter().take_while(|byte| part(byte)).count();
        let token = self.text.get(self.at..self.at + length).unwrap_or_default();
        if !is_integer(token) && !is_printed_double(token) {
            return Err("a number that is not written canonically, or is beyond 2^53-1");
        }
        self.at += length;
        Ok(())
    }
}

/// Zero, or digits without a leading zero and maybe a minus, within 2^53-1.
fn is_integer(token: &str) -> bool {
    let digits = token.strip_prefix('-').unwrap_or(token);
    let plain = digits.len() <= 16 && digits.bytes().all(|byte| byte.is_ascii_digit());
    match digits.as_bytes().first() {
        Some(b'0') => token == "0",
        Some(_) if plain => digits.parse().is_ok_and(|value: u64| value <= SAFE_INTEGER),
        _ => false,
    }
}

/// A fraction within 2^53-1 that is spelled as the oracle prints it. Rare in records, so the oracle itself is asked.
fn is_printed_double(token: &str) -> bool {
    if token.len() > LONGEST {
        return false;
    }
    let double = token.parse::<f64>().ok();
    let double = double.filter(|double| double.abs() <= SAFE_INTEGER as f64 && double.fract() != 0.0);
    double.is_some_and(|double| serde_jcs::to_vec(&double).is_ok_and(|printed| printed == token.as_bytes()))
}

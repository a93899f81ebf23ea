//! JSON as foreign systems write it: numbers that a record cannot hold become strings of exactly what was written.
//!
//! Only numbers are forgiven. A name given twice, U+0000, a lone surrogate and malformed text are refused by
//! [`record::json`], whose rule for numbers is also the one applied here: each number is asked for on its own.

use crate::scan;
use record::{Code, Fault, json};
use serde_json::Value;
use std::ops::Range;

/// An integer of so many bytes is below 2^53 whatever its digits, sign included.
const SAFE_BYTES: usize = 15;

/// A parsed document, and how many of its numbers became strings.
pub struct Lenient {
    /// The document.
    pub value: Value,
    /// Numbers without fraction and exponent that are now strings.
    pub integers: u64,
    /// Numbers with fraction or exponent that are now strings.
    pub decimals: u64,
}

/// Parses one document.
///
/// # Errors
/// As [`json::parse`]; [`Code::NumberOutOfRange`] only for what is no number at all, such as `1e400-5`.
pub fn parse(bytes: &[u8]) -> Result<Lenient, Fault> {
    match json::parse(bytes) {
        Ok(value) => Ok(Lenient {
            value,
            integers: 0,
            decimals: 0,
        }),
        Err(fault) if fault.code == Code::NumberOutOfRange => parse_rewritten(bytes),
        Err(fault) => Err(fault),
    }
}

fn parse_rewritten(bytes: &[u8]) -> Result<Lenient, Fault> {
    let numbers = unfit_numbers(bytes);
    let Ok(value) = json::parse(&quote(bytes, &numbers)) else {
        // Asked again without shifting anything, so that a byte position in the reason is one in the file.
        return Err(json::parse(&blank(bytes, &numbers)).expect_err("only numbers differ from what was just refused"));
    };
    let token = |range: &Range<usize>| bytes.get(range.clone()).unwrap_or_default();
    let decimals = numbers.iter().filter(|range| is_decimal(token(range))).count();
    Ok(Lenient {
        value,
        integers: (numbers.len() - decimals) as u64,
        decimals: decimals as u64,
    })
}

/// Where the numbers are that a record refuses.
fn unfit_numbers(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = scan::string_end(bytes, at),
            b'-' | b'0'..=b'9' => {
                let end = scan::number_end(bytes, at);
                // In quotes, a number in the place of a name would become one.
                let is_name = bytes.get(scan::space_end(bytes, end)) == Some(&b':');
                if !is_name && is_unfit(bytes.get(at..end).unwrap_or_default()) {
                    found.push(at..end);
                }
                at = end;
            }
            _ => at += 1,
        }
    }
    found
}

fn is_unfit(token: &[u8]) -> bool {
    let short = token.len() <= SAFE_BYTES && !is_decimal(token);
    // The parser tells a number out of range before it sees what follows, so the grammar is asked first.
    !short && is_number(token) && json::parse(token).is_err_and(|fault| fault.code == Code::NumberOutOfRange)
}

/// Whether the whole token is a number by RFC 8259, section 6.
fn is_number(token: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let skip = |text: &mut &[u8], count: usize| *text = text.get(count..).unwrap_or_default();
    let mut rest = token.strip_prefix(b"-").unwrap_or(token);
    let whole = digits(rest);
    if whole == 0 || (whole > 1 && rest.starts_with(b"0")) {
        return false;
    }
    skip(&mut rest, whole);
    if let Some(fraction) = rest.strip_prefix(b".") {
        rest = fraction;
        let count = digits(rest);
        skip(&mut rest, count);
        if count == 0 {
            return false;
        }
    }
    let Some(exponent) = rest.strip_prefix(b"e").or_else(|| rest.strip_prefix(b"E")) else {
        return rest.is_empty();
    };
    let exponent = exponent
        .strip_prefix(b"+")
        .or_else(|| exponent.strip_prefix(b"-"))
        .unwrap_or(exponent);
    !exponent.is_empty() && digits(exponent) == exponent.len()
}

fn is_decimal(token: &[u8]) -> bool {
    token.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E'))
}

fn quote(bytes: &[u8], numbers: &[Range<usize>]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 2 * numbers.len());
    let mut copied = 0;
    for number in numbers {
        out.extend_from_slice(bytes.get(copied..number.start).unwrap_or_default());
        out.push(b'"');
        out.extend_from_slice(bytes.get(number.clone()).unwrap_or_default());
        out.push(b'"');
        copied = number.end;
    }
    out.extend_from_slice(bytes.get(copied..).unwrap_or_default());
    out
}

fn blank(bytes: &[u8], numbers: &[Range<usize>]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for number in numbers {
        let token = out.get_mut(number.clone()).unwrap_or_default();
        token.fill(b' ');
        if let Some(first) = token.first_mut() {
            *first = b'0';
        }
    }
    out
}

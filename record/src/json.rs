//! Strict JSON: what may enter a record, refused while parsing when it may not.
//!
//! `serde_json::Value` keeps the last of two equal member names and JCS rounds large integers, so both are refused here,
//! before anything is canonicalized. The accepted language is I-JSON (RFC 7493) narrowed as the format says: no byte
//! order mark, no U+0000, no lone surrogate, no number that RFC 8785 would print as another decimal. A fault carries
//! the pointer of the member it was found at; the path is built only when there is a fault.

mod legal;
mod number;
mod text;

pub use legal::check;

use crate::fault::{Code, Fault};
use crate::limits;
use serde_json::{Map, Value};

/// Names with a meaning of their own; a client may not send them, except a commitment together with its disclosure.
pub const SEALED: &str = "$sealed";
/// What PII mode `redact` leaves behind.
pub const REDACTED: &str = "$redacted";
/// What PII mode `tokenize` leaves behind.
pub const TOKEN: &str = "$token";

/// serde_json gives names with this prefix a meaning of their own when it reads a `Value`.
const PRIVATE_PREFIX: &str = "$serde_json::private::";

/// Parses one strict JSON document. The names `$sealed`, `$redacted` and `$token` are left for the caller to judge
/// ([`marks`]): they are legal in stored records and, with a disclosure, at intake.
///
/// # Errors
/// The first fault met: [`Code::MalformedJson`], [`Code::DuplicateJsonKey`], [`Code::NumberOutOfRange`],
/// [`Code::TooDeep`], [`Code::NulCharacter`] or [`Code::ReservedName`].
pub fn parse(bytes: &[u8]) -> Result<Value, Fault> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        malformed(
            error.valid_up_to(),
            "the document is not UTF-8: send UTF-8 without a byte order mark",
        )
    })?;
    let mut parser = Parser { text, bytes, at: 0 };
    let value = parser.value(1)?;
    parser.skip_space();
    match parser.peek() {
        None => Ok(value),
        Some(_) => Err(malformed(
            parser.at,
            "something follows the document: send exactly one JSON value",
        )),
    }
}

/// Pointers of every object in `value` that has a member `$sealed`, `$redacted` or `$token`.
#[must_use]
pub fn marks(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect_marks(value, &mut String::new(), &mut found);
    found
}

/// Nesting of `value`: 0 for a scalar, 1 for an array or object of scalars.
#[must_use]
pub fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn collect_marks(value: &Value, path: &mut String, found: &mut Vec<String>) {
    let visit = |segment: &str, child: &Value, path: &mut String, found: &mut Vec<String>| {
        let length = path.len();
        path.push('/');
        path.push_str(segment);
        collect_marks(child, path, found);
        path.truncate(length);
    };
    match value {
        Value::Array(items) => {
            for (at, item) in items
                .iter()
                .enumerate()
                .filter(|(_, item)| item.is_array() || item.is_object())
            {
                visit(&at.to_string(), item, path, found);
            }
        }
        Value::Object(members) => {
            if [SEALED, REDACTED, TOKEN].iter().any(|name| members.contains_key(*name)) {
                found.push(path.clone());
            }
            for (name, child) in members
                .iter()
                .filter(|(_, child)| child.is_array() || child.is_object())
            {
                visit(&crate::fault::escape_segment(name), child, path, found);
            }
        }
        _ => {}
    }
}

fn malformed(at: usize, detail: &str) -> Fault {
    Fault::new(Code::MalformedJson, "", format!("{detail} (byte {at})"))
}

fn too_deep() -> Fault {
    let detail = format!("nested deeper than {} levels", limits::RECORD_DEPTH);
    Fault::new(Code::TooDeep, "", detail)
}

struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let taken = self.peek() == Some(byte);
        self.at += usize::from(taken);
        taken
    }

    fn value(&mut self, level: usize) -> Result<Value, Fault> {
        self.skip_space();
        match self.peek() {
            Some(b'{') => self.object(level),
            Some(b'[') => self.array(level),
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number().map(Value::Number),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            Some(_) => Err(malformed(self.at, "a JSON value was expected here")),
            None => Err(malformed(self.at, "the document ends where a value was expected")),
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, Fault> {
        let end = self.at + word.len();
        if self.bytes.get(self.at..end) != Some(word.as_bytes()) {
            return Err(malformed(
                self.at,
                "only true, false and null are written without quotes",
            ));
        }
        self.at = end;
        Ok(value)
    }

    fn enter(&mut self, level: usize) -> Result<(), Fault> {
        if level > limits::PARSE_DEPTH {
            return Err(too_deep());
        }
        self.at += 1;
        self.skip_space();
        Ok(())
    }

    fn array(&mut self, level: usize) -> Result<Value, Fault> {
        self.enter(level)?;
        let mut items = Vec::new();
        if self.take(b']') {
            return Ok(Value::Array(items));
        }
        loop {
            let item = self
                .value(level + 1)
                .map_err(|fault| fault.under(&items.len().to_string()))?;
            items.push(item);
            self.skip_space();
            if self.take(b']') {
                return Ok(Value::Array(items));
            }
            if !self.take(b',') {
                return Err(malformed(self.at, "a comma or the end of the array was expected"));
            }
        }
    }

    fn object(&mut self, level: usize) -> Result<Value, Fault> {
        self.enter(level)?;
        let mut members = Map::new();
        if self.take(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            self.member(level, &mut members)?;
            self.skip_space();
            if self.take(b'}') {
                return Ok(Value::Object(members));
            }
            if !self.take(b',') {
                return Err(malformed(self.at, "a comma or the end of the object was expected"));
            }
            self.skip_space();
        }
    }

    fn member(&mut self, level: usize, members: &mut Map<String, Value>) -> Result<(), Fault> {
        if self.peek() != Some(b'"') {
            return Err(malformed(self.at, "a member name in double quotes was expected"));
        }
        let name = self.string()?;
        legal::check_name(&name).map_err(|fault| fault.under(&name))?;
        self.skip_space();
        if !self.take(b':') {
            return Err(malformed(self.at, "a colon was expected after the member name"));
        }
        let value = self.value(level + 1).map_err(|fault| fault.under(&name))?;
        match members.entry(name) {
            serde_json::map::Entry::Vacant(slot) => {
                slot.insert(value);
                Ok(())
            }
            serde_json::map::Entry::Occupied(slot) => {
                let detail = "this member is named twice in one object: send it once";
                Err(Fault::new(Code::DuplicateJsonKey, "", detail).under(slot.key()))
            }
        }
    }
}

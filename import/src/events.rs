//! Splitting a file's bytes into events: one per line, or the elements of CloudTrail's `{"Records": [...]}`.
//!
//! Every byte that is not whitespace, a separator or a member beside `Records` is handed on, so that nothing is dropped
//! in silence: what cannot be an event (a cut end, a stray comma) comes out as one that the mapper refuses.

use crate::format::Format;
use crate::scan;

/// The events of a file, in order.
#[derive(Debug, Clone)]
pub struct Events<'a> {
    bytes: &'a [u8],
    at: usize,
    format: Format,
    line: u64,
    record: u64,
    place: Place,
}

/// One event's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// From 1: the number of the line, or the event's ordinal in the file where events stand in `{"Records": [...]}`.
    pub number: u64,
    /// The event as the file has it, without the line end.
    pub bytes: &'a [u8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Between lines.
    Lines,
    /// Before an element of `Records`.
    Element { first: bool },
}

impl<'a> Events<'a> {
    /// The events in the bytes of a whole file; a byte order mark in front is passed over.
    #[must_use]
    pub fn new(format: Format, file: &'a [u8]) -> Self {
        let bytes = scan::without_bom(file);
        Self {
            bytes,
            at: 0,
            format,
            line: 0,
            record: 0,
            place: Place::Lines,
        }
    }

    /// How many bytes have been passed, for a progress bar.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.at
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// The next line that is not blank, or the first element of a `Records` document that opens here.
    fn next_line(&mut self) -> Option<Line<'a>> {
        while !self.rest().is_empty() {
            if let Some(start) = self.records_start() {
                self.at = start;
                self.place = Place::Element { first: true };
                return self.next_element();
            }
            let rest = self.rest();
            let length = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            self.at += (length + 1).min(rest.len());
            self.line += 1;
            let bytes = rest.get(..length).unwrap_or_default();
            let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
            if !bytes.trim_ascii().is_empty() {
                return Some(Line {
                    number: self.line,
                    bytes,
                });
            }
        }
        None
    }

    fn records_start(&self) -> Option<usize> {
        (self.format == Format::CloudTrail).then(|| scan::records_start(self.bytes, self.at))?
    }

    fn next_element(&mut self) -> Option<Line<'a>> {
        let first = self.place == Place::Element { first: true };
        self.at = scan::space_end(self.bytes, self.at);
        match (self.rest().first(), first) {
            (Some(b']'), _) => return self.leave(),
            (Some(b','), false) => self.at = scan::space_end(self.bytes, self.at + 1),
            (Some(_), true) => {}
            (Some(_), false) | (None, _) => return Some(self.give_up()),
        }
        if self.rest().first() != Some(&b'{') {
            return Some(self.give_up());
        }
        let Some(end) = scan::close_end(self.bytes, self.at + 1, 1) else {
            return Some(self.give_up());
        };
        let bytes = self.bytes.get(self.at..end).unwrap_or_default();
        self.at = end;
        self.place = Place::Element { first: false };
        self.record += 1;
        Some(Line {
            number: self.record,
            bytes,
        })
    }

    /// Goes on after the object around `Records`.
    fn leave(&mut self) -> Option<Line<'a>> {
        let Some(end) = scan::close_end(self.bytes, self.at + 1, 1) else {
            self.at += 1;
            return Some(self.give_up());
        };
        self.at = end;
        self.place = Place::Lines;
        self.next_line()
    }

    /// The rest of a broken document as one event, perhaps of no bytes, which no mapper accepts.
    fn give_up(&mut self) -> Line<'a> {
        let bytes = self.rest();
        self.at = self.bytes.len();
        self.place = Place::Lines;
        self.record += 1;
        Line {
            number: self.record,
            bytes,
        }
    }
}

impl<'a> Iterator for Events<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        match self.place {
            Place::Lines => self.next_line(),
            Place::Element { .. } => self.next_element(),
        }
    }
}

//! The phrase `q`: qualifiers and nothing else, so that it means the same on every database.
//!
//! `actor:agent:a1 -kind:trust.* outcome:denied created:2026-11-01..2026-11-20`. All must hold; `-` before a qualifier
//! negates it; `*` at the end of a value matches any rest; quotes keep spaces and a literal `*` (`\"` and `\\` inside).

use super::instant::{self, Instant};
use super::term::{FIELDS, term};
use projector::query::{Span, Term};
use record::Timestamp;

/// What a phrase says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Phrase {
    /// Conditions on fields.
    pub(crate) terms: Vec<Term>,
    /// `created:`, when it happened.
    pub(crate) happened: Span,
    /// `recorded:`, the sequencing time.
    pub(crate) recorded: Span,
}

/// What is wrong, and at which character (from 1) of the phrase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) position: usize,
    pub(crate) detail: String,
}

/// One qualifier as it stands in the phrase.
struct Piece {
    position: usize,
    negated: bool,
    name: String,
    value: String,
    quoted: bool,
}

/// Reads a phrase.
///
/// # Errors
/// The first thing that is wrong.
pub(crate) fn parse(text: &str) -> Result<Phrase, Wrong> {
    let mut phrase = Phrase::default();
    let mut scanner = Scanner {
        chars: text.chars().collect(),
        at: 0,
    };
    while let Some(piece) = scanner.piece()? {
        let wrong = |detail: String| Wrong {
            position: piece.position,
            detail,
        };
        match (piece.name.as_str(), FIELDS.iter().find(|(name, _)| *name == piece.name)) {
            (_, Some((_, field))) => {
                let term = term(*field, &piece.value, piece.quoted, piece.negated).map_err(wrong)?;
                phrase.terms.push(term);
            }
            ("created" | "recorded", None) if piece.negated => {
                return Err(wrong("a range of time cannot be negated".to_owned()));
            }
            ("created", None) => phrase.happened = intersect(phrase.happened, range(&piece.value).map_err(wrong)?),
            ("recorded", None) => phrase.recorded = intersect(phrase.recorded, range(&piece.value).map_err(wrong)?),
            (unknown, None) => {
                let unknown: String = unknown.chars().take(32).collect();
                return Err(wrong(format!("`{unknown}` is not a qualifier: {}", known())));
            }
        }
    }
    Ok(phrase)
}

/// What both spans allow.
pub(crate) fn intersect(one: Span, other: Span) -> Span {
    Span {
        from: one.from.max(other.from),
        until: match (one.until, other.until) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        },
    }
}

fn known() -> String {
    let names: Vec<&str> = FIELDS
        .iter()
        .map(|(name, _)| *name)
        .chain(["created", "recorded"])
        .collect();
    format!("known are {}", names.join(", "))
}

/// `a..b`, `a..*`, `*..b`, `>=a`, `>a`, `<=b`, `<b` or one time; a date is its whole day.
fn range(text: &str) -> Result<Span, String> {
    let one = |text: &str| instant::parse(text).ok_or_else(|| format!("expected {}, or a range a..b", instant::FORM));
    let some = |text: &str| if text == "*" { Ok(None) } else { one(text).map(Some) };
    let from = |from: Option<Timestamp>| Span { from, until: None };
    let until = |until: Option<Timestamp>| Span { from: None, until };
    if let Some((low, high)) = text.split_once("..") {
        let (low, high) = (some(low)?, some(high)?);
        return Ok(Span {
            from: low.map(|low| low.first),
            until: high.and_then(|high| high.end),
        });
    }
    if let Some(text) = text.strip_prefix(">=") {
        return one(text).map(|instant| from(Some(instant.first)));
    }
    if let Some(text) = text.strip_prefix("<=") {
        return one(text).map(|instant| until(inclusive_end(instant)));
    }
    if let Some(text) = text.strip_prefix('>') {
        return one(text).map(|instant| from(inclusive_end(instant).or(Some(Timestamp::MAX))));
    }
    if let Some(text) = text.strip_prefix('<') {
        return one(text).map(|instant| until(Some(instant.first)));
    }
    one(text).map(|instant| Span {
        from: Some(instant.first),
        until: inclusive_end(instant),
    })
}

/// The first moment after a day, or after a moment.
fn inclusive_end(instant: Instant) -> Option<Timestamp> {
    match instant.end {
        Some(end) if end == instant.first => Timestamp::from_micros(end.micros() + 1),
        end => end,
    }
}

struct Scanner {
    chars: Vec<char>,
    at: usize,
}

impl Scanner {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn wrong(&self, position: usize, detail: impl Into<String>) -> Wrong {
        Wrong {
            position: position + 1,
            detail: detail.into(),
        }
    }

    /// The next qualifier; `None` at the end.
    fn piece(&mut self) -> Result<Option<Piece>, Wrong> {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
        if self.peek().is_none() {
            return Ok(None);
        }
        let start = self.at;
        let negated = self.peek() == Some('-');
        self.at += usize::from(negated);
        let mut name = String::new();
        loop {
            match self.peek() {
                Some(':') => break,
                Some(c) if c.is_ascii_lowercase() || c == '_' => name.push(c),
                _ => {
                    let detail = format!("expected a qualifier such as actor:agent:a1; {}", known());
                    return Err(self.wrong(start, detail));
                }
            }
            self.at += 1;
        }
        self.at += 1;
        let quoted = self.peek() == Some('"');
        let value = if quoted { self.quoted()? } else { self.bare() };
        if value.is_empty() {
            return Err(self.wrong(start, format!("`{name}:` has no value")));
        }
        Ok(Some(Piece {
            position: start + 1,
            negated,
            name,
            value,
            quoted,
        }))
    }

    fn bare(&mut self) -> String {
        let rest = self.chars.get(self.at..).unwrap_or_default();
        let value: String = rest.iter().take_while(|c| !c.is_whitespace()).collect();
        self.at += value.chars().count();
        value
    }

    fn quoted(&mut self) -> Result<String, Wrong> {
        let start = self.at;
        self.at += 1;
        let mut value = String::new();
        loop {
            let c = self
                .peek()
                .ok_or_else(|| self.wrong(start, "this quote is never closed"))?;
            self.at += 1;
            match c {
                '"' => break,
                '\\' => {
                    let escaped = self.peek().filter(|c| matches!(c, '"' | '\\'));
                    value.push(escaped.ok_or_else(|| self.wrong(self.at - 1, "only \\\" and \\\\ are escapes"))?);
                    self.at += 1;
                }
                c => value.push(c),
            }
        }
        match self.peek() {
            Some(c) if !c.is_whitespace() => Err(self.wrong(self.at, "a space is missing after the quote")),
            _ => Ok(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use projector::query::{Field, Pattern};

    fn at(text: &str) -> (usize, String) {
        let wrong = parse(text).expect_err(text);
        (wrong.position, wrong.detail)
    }

    fn span(text: &str) -> (Option<String>, Option<String>) {
        let phrase = parse(&format!("created:{text}")).expect(text);
        let text = |time: Timestamp| time.to_string();
        (phrase.happened.from.map(text), phrase.happened.until.map(text))
    }

    #[test]
    fn qualifiers_become_terms() {
        let phrase = parse("actor:agent:a1 -kind:trust.* \toutcome:denied resource:\"doc:a \\\"b\\\"*\"").unwrap();
        let terms: Vec<_> = phrase
            .terms
            .iter()
            .map(|term| (term.field, term.pattern.clone(), term.negated))
            .collect();
        assert_eq!(
            terms,
            [
                (Field::Actor, Pattern::Exact("agent:a1".to_owned()), false),
                (Field::Kind, Pattern::Prefix("trust.".to_owned()), true),
                (Field::Outcome, Pattern::Exact("denied".to_owned()), false),
                (Field::Resource, Pattern::Exact("doc:a \"b\"*".to_owned()), false),
            ]
        );
        assert_eq!(parse("  ").unwrap(), Phrase::default());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused_at_a_place_inside_it(text in "(actor|kind|created|x|-|:|\"|\\\\|\\*|\\.\\.|[a-z0-9é ]){0,24}") {
            if let Err(wrong) = parse(&text) {
                proptest::prop_assert!((1..=text.chars().count() + 1).contains(&wrong.position));
            }
        }

        #[test]
        fn a_quoted_value_is_taken_as_it_stands(value in "[^\\x00-\\x1f\\x7f-\\x9f]{1,40}") {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
            let phrase = parse(&format!("resource:\"{quoted}\"")).unwrap();
            let patterns: Vec<_> = phrase.terms.into_iter().map(|term| term.pattern).collect();
            proptest::prop_assert_eq!(patterns, [Pattern::Exact(value)]);
        }
    }

    #[test]
    fn ranges_are_half_open_and_a_date_is_a_day() {
        let some = |text: &str| Some(format!("{text}.000000Z"));
        let nov = |day: u8| some(&format!("2026-11-{day:02}T00:00:00"));
        assert_eq!(span("2026-11-01..2026-11-20"), (nov(1), nov(21)));
        assert_eq!(span("2026-11-01"), (nov(1), nov(2)));
        assert_eq!(span("2026-11-01..*"), (nov(1), None));
        assert_eq!(span("*..2026-11-20T12:00:00Z"), (None, some("2026-11-20T12:00:00")));
        assert_eq!(span(">=2026-11-01"), (nov(1), None));
        assert_eq!(span(">2026-11-01"), (nov(2), None));
        assert_eq!(span("<2026-11-01"), (None, nov(1)));
        assert_eq!(span("<=2026-11-01"), (None, nov(2)));
        let moment = Some("2026-11-01T10:00:00.000001Z".to_owned());
        assert_eq!(span("<=2026-11-01T10:00:00Z"), (None, moment.clone()));
        assert_eq!(span(">2026-11-01T10:00:00Z"), (moment, None));
        let twice = parse("created:>=2026-11-01 created:<2026-11-03 recorded:2026-11-09").unwrap();
        assert_eq!(twice.happened.from.map(|t| t.to_string()), nov(1));
        assert_eq!(twice.happened.until.map(|t| t.to_string()), nov(3));
        assert_eq!(twice.recorded.from.map(|t| t.to_string()), nov(9));
    }

    #[test]
    fn an_error_names_its_place() {
        assert_eq!(at("actor:a:1 free text").0, 11);
        assert!(at("actor:a:1 aktor:x").1.contains("known are actor, subject"));
        assert_eq!(at("actor:a:1 aktor:x").0, 11);
        assert_eq!(at("é actor:x").0, 1);
        assert_eq!(at("actor:").0, 1);
        assert_eq!(at("kind:a.b actor:\"x").0, 16);
        assert_eq!(at("actor:\"x\"y").0, 10);
        assert_eq!(at("actor:\"x\\n\"").0, 9);
        assert_eq!(at("actor:a*b").0, 1);
        assert_eq!(at("outcome:maybe").0, 1);
        assert_eq!(at("kind:Audit").0, 1);
        assert_eq!(at("-created:2026-11-01").0, 1);
        assert_eq!(at("created:yesterday").0, 1);
        assert_eq!(at("-").0, 1);
        assert_eq!(at(":x").0, 1);
    }
}

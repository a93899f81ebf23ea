//! Rust text with its comments and literals blanked out, so that a rule sees code and nothing else.
//!
//! Invariant: the blanked text is ASCII and has the same lines as the original, so a position in one is a line in
//! both. This is a scanner, not a parser: it knows tokens and brackets, never meaning.

use std::ops::Range;

/// Blanked Rust text.
pub struct Code {
    text: String,
}

impl Code {
    /// Blanks comments, strings and character literals; other characters outside ASCII become `_`.
    pub fn new(rust: &str) -> Self {
        let chars: Vec<char> = rust.chars().collect();
        let mut text = String::with_capacity(rust.len());
        let mut at = 0;
        while let Some(&c) = chars.get(at) {
            let end = opaque_end(&chars, at);
            let opaque = chars.get(at..end).unwrap_or_default();
            text.extend(opaque.iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
            if opaque.is_empty() {
                text.push(if c.is_ascii() { c } else { '_' });
            }
            at = end.max(at + 1);
        }
        Self { text }
    }

    /// The line that holds this position, counted from 1.
    pub fn line(&self, at: usize) -> usize {
        self.text.bytes().take(at).filter(|&b| b == b'\n').count() + 1
    }

    /// The text from a position on.
    pub fn from(&self, at: usize) -> &str {
        self.text.get(at..).unwrap_or_default()
    }

    /// The text before a position.
    pub fn before(&self, at: usize) -> &str {
        self.text.get(..at).unwrap_or_default()
    }

    /// The text in a range.
    pub fn span(&self, range: Range<usize>) -> &str {
        self.text.get(range).unwrap_or_default()
    }

    /// Where a word begins that stands alone. `word` may end in punctuation; its first character is a letter.
    pub fn words<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        let alone = move |&at: &usize| {
            let open_end = word.ends_with(is_ident) && self.from(at + word.len()).starts_with(is_ident);
            !self.before(at).ends_with(is_ident) && !open_end
        };
        self.text.match_indices(word).map(|(at, _)| at).filter(alone)
    }

    /// The position after the bracket that closes the one at `open`; `None` when it never closes.
    pub fn closing(&self, open: usize) -> Option<usize> {
        let mut depth = 0_usize;
        for (step, c) in self.from(open).char_indices() {
            match c {
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth = depth.checked_sub(1)?,
                _ => {}
            }
            if depth == 0 {
                return Some(open + step + 1);
            }
        }
        None
    }

    /// Every attribute: where its `#` stands and where it ends.
    pub fn attributes(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        self.text.match_indices('#').filter_map(|(at, _)| {
            let open = at + 1 + usize::from(self.from(at + 1).starts_with('!'));
            let end = if self.from(open).starts_with('[') {
                self.closing(open)?
            } else {
                return None;
            };
            Some(at..end)
        })
    }

    /// The items that exist only in tests (`#[cfg(test)]`), attribute included, as ranges of lines without overlap.
    pub fn test_lines(&self) -> Vec<Range<usize>> {
        let mut found: Vec<Range<usize>> = vec![];
        for attribute in self
            .attributes()
            .filter(|range| is_test_guard(self.span(range.clone())))
        {
            let lines = self.line(attribute.start)..self.line(self.item_end(attribute.end)) + 1;
            if found.last().is_none_or(|last| last.end <= lines.start) {
                found.push(lines);
            }
        }
        found
    }

    fn item_end(&self, after_attribute: usize) -> usize {
        let mut depth = 0_usize;
        for (step, c) in self.from(after_attribute).char_indices() {
            match c {
                '(' | '[' => depth += 1,
                ')' | ']' => depth = depth.saturating_sub(1),
                '{' => return self.closing(after_attribute + step).unwrap_or(self.text.len()) - 1,
                ';' if depth == 0 => return after_attribute + step,
                _ => {}
            }
        }
        self.text.len()
    }
}

/// Whether a character can be part of an identifier.
pub fn is_ident(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn is_test_guard(attribute: &str) -> bool {
    let squeezed: String = attribute.chars().filter(|c| !c.is_whitespace()).collect();
    squeezed == "#[cfg(test)]" || squeezed.starts_with("#[cfg(all(test,")
}

/// The end of the comment or literal that starts at `at`; `at` itself when none does.
fn opaque_end(chars: &[char], at: usize) -> usize {
    let rest = chars.get(at..).unwrap_or_default();
    let length = match rest {
        ['/', '/', ..] => rest.iter().position(|&c| c == '\n').unwrap_or(rest.len()),
        ['/', '*', ..] => block_comment(rest),
        ['"', ..] => quoted(rest, '"'),
        ['\'', '\\', ..] | ['\'', _, '\'', ..] => quoted(rest, '\''),
        ['r', '"' | '#', ..] if !follows_ident(chars, at) => raw_string(rest),
        _ => 0,
    };
    at + length
}

/// `br` and `cr` end in an `r` that still begins a raw string.
fn follows_ident(chars: &[char], at: usize) -> bool {
    let before = chars.get(..at).unwrap_or_default();
    match before {
        [.., c, 'b' | 'c'] => is_ident(*c),
        ['b' | 'c'] | [] => false,
        [.., c] => is_ident(*c),
    }
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    loop {
        match rest.get(at..).unwrap_or_default() {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] if depth == 1 => return at + 2,
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            [] => return rest.len(),
            _ => at += 1,
        }
    }
}

fn quoted(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    loop {
        match rest.get(at) {
            Some('\\') => at += 2,
            Some(&c) if c == quote => return at + 1,
            Some(_) => at += 1,
            None => return rest.len(),
        }
    }
}

/// Zero for a raw identifier such as `r#type`, which is code.
fn raw_string(rest: &[char]) -> usize {
    let hashes = rest.iter().skip(1).take_while(|&&c| c == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return 0;
    }
    let start = hashes + 2;
    let closes = |at: &usize| {
        rest.get(*at) == Some(&'"') && rest.iter().skip(at + 1).take(hashes).filter(|&&c| c == '#').count() == hashes
    };
    (start..rest.len())
        .find(closes)
        .map_or(rest.len(), |at| at + 1 + hashes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(rust: &str) -> String {
        Code::new(rust).text
    }

    #[test]
    fn comments_and_literals_are_blanked_and_lines_kept() {
        assert_eq!(code("a // b\nc"), "a     \nc");
        assert_eq!(code("a /* b /* c */ \n d */ e"), "a              \n      e");
        assert_eq!(code(r#"f("x\"y", 'z', '\'')"#), "f(      ,    ,     )");
        assert_eq!(code(r###"r#"a " b"# + br"c""###), "           + b    ");
        assert_eq!(code("\"é\nß\" é"), "  \n   _");
    }

    #[test]
    fn lifetimes_and_raw_identifiers_are_code() {
        assert_eq!(code("fn f<'a>(x: &'a str)"), "fn f<'a>(x: &'a str)");
        assert_eq!(code("r#type var\"s\""), "r#type var   ");
    }

    #[test]
    fn what_never_closes_is_blank_to_the_end() {
        for rust in ["/* a", "\"a", "r#\"a", "'\\"] {
            assert_eq!(code(rust).trim(), "", "{rust}");
        }
        assert_eq!(Code::new("(a").closing(0), None);
    }

    #[test]
    fn words_stand_alone() {
        let code = Code::new("matches! xmatches! m.matches! dbg dbg2");
        assert_eq!(code.words("matches!").collect::<Vec<_>>(), [0, 21]);
        assert_eq!(code.words("dbg").collect::<Vec<_>>(), [30]);
    }

    #[test]
    fn test_items_are_found_with_their_whole_body() {
        let found = |rust: &str| {
            Code::new(rust)
                .test_lines()
                .iter()
                .map(|r| (r.start, r.end - 1))
                .collect::<Vec<_>>()
        };
        let rust = "fn a() {}\n#[cfg(test)]\nmod tests {\n  fn b() { \"}\"; }\n}\nfn c() {}\n#[cfg(test)]\nmod d;\n";
        assert_eq!(found(rust), [(2, 5), (7, 8)]);
        assert_eq!(found("#[cfg(test)]\nfn a(b: [u8; 2]) {\n}\n"), [(1, 3)]);
        assert_eq!(found("#[cfg(test)]\nmod a {\n#[cfg(test)]\nmod b;\n}\n"), [(1, 5)]);
        assert_eq!(found("#[cfg(not(test))]\nmod a {}"), []);
    }
}

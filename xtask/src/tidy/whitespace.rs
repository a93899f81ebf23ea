//! No space at the end of a line, and a line break at the end of a file.
//!
//! It judges only the formats that people edit here; generated and foreign data keep their bytes.

use crate::finding::Finding;

const FORMATS: [&str; 5] = [".rs", ".md", ".toml", ".sql", ".json"];

/// Judges one file.
pub fn check(path: &str, text: &str) -> Vec<Finding> {
    if !FORMATS.iter().any(|format| path.ends_with(format)) {
        return vec![];
    }
    let numbered = text.split('\n').enumerate();
    let trailing = numbered.filter(|(_, line)| line.ends_with(char::is_whitespace));
    let mut found: Vec<Finding> = trailing
        .map(|(index, _)| Finding::fail(path, index + 1, "whitespace at the end of the line"))
        .collect();
    if !text.is_empty() && !text.ends_with('\n') {
        found.push(Finding::fail(path, 0, "no line break at the end of the file"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whitespace_at_the_end_of_a_line_is_refused() {
        for text in ["a \nb\n", "a\t\nb\n", "a\r\nb\n"] {
            assert_eq!(check("a.md", text).len(), 1, "{text:?}");
        }
        assert!(check("a.md", " a\n\n\tb\n").is_empty());
        assert!(check("a.txt", "a \n").is_empty());
    }

    #[test]
    fn a_missing_last_line_break_is_refused() {
        for format in FORMATS {
            assert_eq!(check(&format!("a{format}"), "a").len(), 1, "{format}");
        }
        assert!(check("a.json", "{}\n").is_empty());
        assert!(check("a.rs", "").is_empty());
    }
}

//! Rust source: it says what it holds, stays short, and holds nothing unfinished or silenced.
//!
//! Invariant: only code is judged; the same words in a comment or a string are fine.

use crate::finding::Finding;
use crate::source::{Code, is_ident};

const LOOK_AGAIN: usize = 300;
const STOP: usize = 500;
const UNFINISHED: [&str; 3] = ["todo!", "unimplemented!", "dbg!"];

/// Judges one source file.
pub fn check(path: &str, rust: &str) -> Vec<Finding> {
    let code = Code::new(rust);
    let mut found = vec![];
    if !rust.starts_with("//!") {
        found.push(Finding::fail(
            path,
            1,
            "does not open with `//!`: what it holds, its invariant, what it leaves out",
        ));
    }
    found.extend(length(path, rust, &code));
    found.extend(unfinished(path, &code));
    found.extend(silenced(path, &code));
    found.extend(asserts_nothing(path, &code));
    found
}

fn length(path: &str, rust: &str, code: &Code) -> Option<Finding> {
    if path.split('/').any(|part| matches!(part, "tests" | "benches")) || path.ends_with("/tests.rs") {
        return None;
    }
    let tests: usize = code.test_lines().iter().map(ExactSizeIterator::len).sum();
    let lines = rust.lines().count().saturating_sub(tests);
    let message = format!("{lines} lines without its tests");
    match () {
        () if lines > STOP => Some(Finding::fail(
            path,
            0,
            format!("{message}; the limit is {STOP}: split it by noun"),
        )),
        () if lines > LOOK_AGAIN => Some(Finding::warn(path, 0, message + ": look again")),
        () => None,
    }
}

fn unfinished(path: &str, code: &Code) -> Vec<Finding> {
    let found = UNFINISHED
        .iter()
        .flat_map(|word| code.words(word).map(move |at| (at, word)));
    found
        .map(|(at, word)| Finding::fail(path, code.line(at), format!("`{word}` is not finished work")))
        .collect()
}

/// `#[ignore]` and `#[allow(..)]`, also behind `cfg_attr`. Words of other attributes are theirs.
fn silenced(path: &str, code: &Code) -> Vec<Finding> {
    let judged = code.attributes().filter_map(|range| {
        let words: Vec<&str> = code
            .span(range.clone())
            .split(|c| !is_ident(c))
            .filter(|word| !word.is_empty())
            .collect();
        let says = |word: &str| match words.first() {
            Some(&"cfg_attr") => words.contains(&word),
            first => first == Some(&word),
        };
        let message = match () {
            () if says("allow") => "`allow` hides for ever: `#[expect(.., reason = \"..\")]`",
            () if says("ignore") => "an ignored test tests nothing",
            () => return None,
        };
        Some(Finding::fail(path, code.line(range.start), message))
    });
    judged.collect()
}

/// `matches!(..);` and `let _ = matches!(..);`: the answer is dropped, and no lint says so.
fn asserts_nothing(path: &str, code: &Code) -> Vec<Finding> {
    let dropped = code.words("matches!").filter(|&at| {
        let call = at + "matches!".len();
        let open = call + code.from(call).len() - code.from(call).trim_start().len();
        let ends = code
            .closing(open)
            .is_some_and(|end| code.from(end).trim_start().starts_with(';'));
        ends && starts_statement(code.before(at))
    });
    let message = "`matches!` as a statement asserts nothing: wrap it in `assert!`";
    dropped.map(|at| Finding::fail(path, code.line(at), message)).collect()
}

fn starts_statement(before: &str) -> bool {
    let before = before.trim_end().trim_end_matches('!').trim_end();
    let before = ["std::", "core::"]
        .iter()
        .find_map(|path| before.strip_suffix(path))
        .unwrap_or(before)
        .trim_end();
    let squeezed: String = before.chars().rev().filter(|c| !c.is_whitespace()).take(5).collect();
    before.is_empty() || before.ends_with([';', '{', '}']) || squeezed == "=_tel"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(rust: &str) -> Vec<usize> {
        check("a/src/b.rs", &format!("//! b\n{rust}"))
            .into_iter()
            .map(|found| found.line)
            .collect()
    }

    #[test]
    fn a_file_opens_with_what_it_holds() {
        assert_eq!(check("a.rs", "/// a\nfn a() {}\n").len(), 1);
        assert_eq!(check("a.rs", "\n//! a\n").len(), 1);
        assert!(check("a.rs", "//! a\n").is_empty());
    }

    #[test]
    fn a_long_file_warns_then_fails_without_counting_its_tests() {
        let file = |lines: usize| {
            format!(
                "//! a\n{}#[cfg(test)]\nmod tests {{\n{}}}\n",
                "\n".repeat(lines - 1),
                "\n".repeat(900)
            )
        };
        let weigh = |path: &str, lines| {
            check(path, &file(lines))
                .into_iter()
                .map(|f| f.weight)
                .collect::<Vec<_>>()
        };
        use crate::finding::Weight::{Fail, Warn};
        assert_eq!(weigh("a/src/a.rs", 300), []);
        assert_eq!(weigh("a/src/a.rs", 301), [Warn]);
        assert_eq!(weigh("a/src/a.rs", 500), [Warn]);
        assert_eq!(weigh("a/src/a.rs", 501), [Fail]);
        for path in ["a/tests/a.rs", "a/benches/a.rs", "a/src/b/tests.rs"] {
            assert_eq!(weigh(path, 501), [], "{path}");
        }
    }

    #[test]
    fn unfinished_work_is_refused() {
        for word in ["todo!()", "unimplemented!(\"x\")", "dbg!(a)", "std::todo!()"] {
            assert_eq!(lines(&format!("fn a() {{\n{word};\n}}")), [3], "{word}");
        }
        assert!(lines("// todo!()\nlet s = \"todo!()\"; let todo = 1; mydbg!(a);").is_empty());
    }

    #[test]
    fn silenced_tests_and_lints_are_refused() {
        for attribute in ["#[ignore]", "#[ignore = \"x\"]", "#[allow(dead_code)]", "#![allow(a)]"] {
            assert_eq!(lines(attribute), [2], "{attribute}");
        }
        assert_eq!(lines("#[cfg_attr(miri, ignore)]"), [2]);
        assert_eq!(lines("#[cfg_attr(a, allow(b))]"), [2]);
        assert!(lines("#[serde(ignore)] #[cfg(allow)]").is_empty());
        assert!(lines("#[expect(a, reason = \"allow ignore\")]\n// #[ignore]\nfn allow() {}").is_empty());
    }

    #[test]
    fn a_matches_whose_answer_is_dropped_is_refused() {
        for statement in [
            "matches!(a, B);",
            "matches! (a, B(\")\"));",
            "!matches!(a, B);",
            "std::matches!(a, B);",
            "let _ = matches!(a, B);",
        ] {
            assert_eq!(lines(&format!("fn a() {{\n{statement}\n}}")), [3], "{statement}");
            assert_eq!(lines(&format!("fn a() {{ b();\n{statement}\n}}")), [3], "{statement}");
        }
        for statement in [
            "matches!(a, B)",
            "assert!(matches!(a, B));",
            "let a = matches!(a, B);",
            "a && matches!(a, B);",
            "return matches!(a, B);",
            "x.matches(a);",
        ] {
            assert!(lines(&format!("fn a() {{\n{statement}\n}}")).is_empty(), "{statement}");
        }
    }
}

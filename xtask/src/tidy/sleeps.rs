//! Tests that sleep: a test waits for a condition, not for a while, unless its line says what nature imposes.
//!
//! Invariant: only test code is judged, in `tests/`, in `tests.rs` and under `#[cfg(test)]`.

use crate::finding::Finding;
use crate::source::Code;

const CALLS: [&str; 2] = ["sleep(", "sleep_until("];
const REASON: &str = "// waits for: ";

/// Judges one source file.
pub fn check(path: &str, rust: &str) -> Vec<Finding> {
    let code = Code::new(rust);
    let whole = path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("/tests.rs");
    let tests = code.test_lines();
    let lines: Vec<&str> = rust.lines().collect();
    let calls = CALLS
        .iter()
        .flat_map(|call| code.words(call).filter(|&at| !is_declared(&code, at)));
    let found = calls.map(|at| code.line(at)).filter(|number| {
        let in_test = whole || tests.iter().any(|range| range.contains(number));
        in_test && !lines.get(number - 1).is_some_and(|line| gives_reason(line))
    });
    let message = format!("a test that sleeps: wait for the condition, or end the line with `{REASON}..`");
    found
        .map(|number| Finding::fail(path, number, message.clone()))
        .collect()
}

fn gives_reason(line: &str) -> bool {
    line.split_once(REASON)
        .is_some_and(|(_, reason)| !reason.trim().is_empty())
}

/// A function or a method of that name is not a call of the one that sleeps.
fn is_declared(code: &Code, at: usize) -> bool {
    let before = code.before(at).trim_end();
    before.ends_with('.') || before.ends_with("fn")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: &str = "std::thread::sleep(DAY);";

    fn in_test(line: &str) -> usize {
        check(
            "a/src/b.rs",
            &format!("fn a() {{}}\n#[cfg(test)]\nmod tests {{\nfn b() {{\n{line}\n}}\n}}\n"),
        )
        .len()
    }

    #[test]
    fn a_sleeping_test_is_refused() {
        for line in [
            CALL,
            "tokio::time::sleep(DAY).await;",
            "sleep(DAY);",
            "tokio::time::sleep_until(then).await;",
        ] {
            assert_eq!(in_test(line), 1, "{line}");
            assert_eq!(check("a/tests/b.rs", line).len(), 1, "{line}");
            assert_eq!(check("a/src/b/tests.rs", line).len(), 1, "{line}");
        }
        assert_eq!(in_test(&format!("{CALL} // waits for: ")), 1);
    }

    #[test]
    fn a_reason_product_code_and_words_pass() {
        assert_eq!(
            in_test(&format!("{CALL} // waits for: the second hand of the file system")),
            0
        );
        for line in [
            "// sleep(DAY)",
            "let a = \"sleep(DAY)\";",
            "fn sleep() {}",
            "fn sleep(a: u8) {}",
            "clock.sleep(DAY)",
        ] {
            assert_eq!(in_test(line), 0, "{line}");
        }
        assert!(check("a/src/b.rs", CALL).is_empty());
    }
}

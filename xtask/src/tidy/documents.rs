//! Documents: their links lead somewhere, and the architecture stays short enough to be read.
//!
//! Invariant: only README.md and docs/ are judged, and only links inside the repository. Nothing is fetched, and the
//! part of a link behind `#` is not followed.

use crate::finding::Finding;

const ARCHITECTURE: (&str, usize) = ("docs/ARCHITECTURE.md", 300);

/// Judges one Markdown file. `exists` says whether a path from the root leads to something.
pub fn check(path: &str, text: &str, exists: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let mut found = vec![];
    let (long, limit) = ARCHITECTURE;
    let lines = text.lines().count();
    if path == long && lines > limit {
        found.push(Finding::fail(
            path,
            0,
            format!("{lines} lines; the limit is {limit}: nobody reads more"),
        ));
    }
    if path == "README.md" || path.starts_with("docs/") {
        let broken = links(text)
            .into_iter()
            .filter(|(_, target)| is_broken(path, target, exists));
        found.extend(broken.map(|(line, target)| Finding::fail(path, line, format!("{target} leads nowhere"))));
    }
    found
}

fn is_broken(path: &str, target: &str, exists: &dyn Fn(&str) -> bool) -> bool {
    let file = target.split(['#', '?']).next().unwrap_or_default();
    let elsewhere = file.is_empty() || target.starts_with("mailto:") || target.contains("://");
    !elsewhere && !resolve(path, file).is_some_and(|path| exists(&path))
}

/// The path from the root; `None` when the link leaves the repository or does not say where it starts.
fn resolve(from: &str, target: &str) -> Option<String> {
    if target.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// Every link target outside code, with its line: `[text](target)` and `[name]: target`.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = vec![];
    let mut fenced = false;
    for (index, line) in text.lines().enumerate() {
        let start = line.trim_start();
        if start.starts_with("```") || start.starts_with("~~~") {
            fenced = !fenced;
        } else if !fenced {
            found.extend(targets(line).into_iter().map(|target| (index + 1, target)));
        }
    }
    found
}

fn targets(line: &str) -> Vec<String> {
    // Every second piece between backticks is code.
    let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("x");
    let inline = prose
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', ' ']).next());
    let named = prose
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("]: "))
        .map(|(_, target)| target.trim());
    let trimmed = inline.chain(named).map(|target| target.trim_matches(['<', '>']));
    trimmed.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        let exists = |path: &str| matches!(path, "docs/FORMAT.md" | "docs/adr" | "LICENSE");
        check(path, text, &exists).into_iter().map(|found| found.line).collect()
    }

    #[test]
    fn a_link_to_nothing_is_refused() {
        assert_eq!(
            lines("README.md", "a\n[b](docs/NO.md) and [c](docs/FORMAT.md#x)\n"),
            [2]
        );
        assert_eq!(lines("docs/a.md", "[b](docs/FORMAT.md)\n"), [1]);
        assert_eq!(lines("docs/a.md", "[b](../../LICENSE) [c](/LICENSE)\n"), [1, 1]);
        assert_eq!(lines("docs/a.md", "[b]: NO.md\n"), [1]);
        assert_eq!(lines("README.md", "[`b`](docs/NO.md)\n"), [1]);
    }

    #[test]
    fn a_link_that_leads_somewhere_or_is_code_passes() {
        let good = "[a](FORMAT.md) [b](../LICENSE) [c](adr/) [d](https://example.org/x) [e](#here) [f](mailto:a@b.c)\n";
        assert!(lines("docs/a.md", good).is_empty());
        assert!(lines("docs/a.md", "```\n[a](b)\n```\n`[a](b)`\n").is_empty());
        assert!(lines("ledger/notes.md", "[a](b)\n").is_empty());
    }

    #[test]
    fn the_architecture_has_a_limit() {
        assert_eq!(lines("docs/ARCHITECTURE.md", &"a\n".repeat(301)), [0]);
        assert!(lines("docs/ARCHITECTURE.md", &"a\n".repeat(300)).is_empty());
        assert!(lines("docs/FORMAT.md", &"a\n".repeat(301)).is_empty());
    }
}

//! Names that say nothing, refused for crates, source files, folders of source and modules.
//!
//! Invariant: the last word of a name is judged (`http_helpers` is a helper). Types and functions are not looked at.

use crate::finding::Finding;
use crate::source::{Code, is_ident};

const EMPTY: [&str; 9] = [
    "common", "util", "utils", "types", "core", "helper", "helpers", "manager", "managers",
];

/// Judges the name of a crate.
pub fn check_crate(name: &str) -> Option<Finding> {
    says_nothing(name).then(|| Finding::fail(name, 0, refusal("crate", name)))
}

/// Judges the path of a source file and the modules that it declares.
pub fn check_file(path: &str, rust: &str) -> Vec<Finding> {
    let parts = path.trim_end_matches(".rs").split('/');
    let in_path = parts
        .filter(|part| says_nothing(part))
        .map(|part| (0, "file or folder", part.to_owned()));
    let code = Code::new(rust);
    let declared = code.words("mod").filter_map(|at| {
        let name: String = code
            .from(at + "mod".len())
            .trim_start()
            .chars()
            .take_while(|&c| is_ident(c))
            .collect();
        says_nothing(&name).then(|| (code.line(at), "module", name))
    });
    let found = in_path.chain(declared);
    found
        .map(|(line, what, name)| Finding::fail(path, line, refusal(what, &name)))
        .collect()
}

fn says_nothing(name: &str) -> bool {
    name.rsplit(['_', '-']).next().is_some_and(|last| EMPTY.contains(&last))
}

fn refusal(what: &str, name: &str) -> String {
    format!("a {what} named {name} says nothing: name it after the one thing it holds")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_names_of_crates_are_refused() {
        for name in EMPTY {
            assert!(check_crate(name).is_some(), "{name}");
        }
        assert!(check_crate("sigil-core").is_some());
        assert!(check_crate("record").is_none());
        assert!(check_crate("scores").is_none());
    }

    #[test]
    fn empty_names_of_files_and_folders_are_refused() {
        for path in [
            "ledger/src/utils.rs",
            "ledger/tests/common/mod.rs",
            "gateway/src/http_helpers.rs",
        ] {
            assert_eq!(check_file(path, "").len(), 1, "{path}");
        }
        assert!(check_file("ledger/src/store.rs", "").is_empty());
        assert!(check_file("ledger/src/utility_bill.rs", "").is_empty());
    }

    #[test]
    fn empty_names_of_modules_are_refused() {
        let found = check_file("a/src/lib.rs", "mod store;\npub(crate) mod types;\nmod test_util { }\n");
        assert_eq!(found.iter().map(|f| f.line).collect::<Vec<_>>(), [2, 3]);
        assert!(check_file("a/src/lib.rs", "// mod util;\nlet s = \"mod core;\"; mod store;").is_empty());
    }
}

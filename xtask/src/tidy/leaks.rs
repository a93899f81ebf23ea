//! Words that come from somebody's machine or workplace and say nothing about the product.
//!
//! Invariant: the words are spelled in two halves here, so that this file needs no exemption.

use crate::finding::Finding;

const WORDS: [&str; 8] = [
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("index.crates", ".io"),
    concat!("registry.npm", "js.org"),
    concat!("py", "pi.org"),
    concat!("deb.deb", "ian.org"),
    concat!("cla", "ude"),
    concat!("anth", "ropic"),
];

/// Written by cargo, which names its registry in it.
const EXEMPT: [&str; 2] = ["Cargo.lock", "fuzz/Cargo.lock"];

/// Judges one file, whatever its format, and its path.
pub fn check(path: &str, text: &str) -> Vec<Finding> {
    if EXEMPT.contains(&path) {
        return vec![];
    }
    let lines = std::iter::once(path).chain(text.lines()).enumerate();
    let found = lines.flat_map(|(number, line)| {
        let line = line.to_ascii_lowercase();
        WORDS
            .iter()
            .filter(move |word| line.contains(**word))
            .map(move |word| (number, word))
    });
    found
        .map(|(number, word)| Finding::fail(path, number, format!("\"{word}\" has no place here")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_refused_in_any_case_and_in_a_path() {
        for word in WORDS {
            let found = check("a.txt", &format!("fine\nsee {} there", word.to_uppercase()));
            assert_eq!(found.iter().map(|f| f.line).collect::<Vec<_>>(), [2], "{word}");
            assert_eq!(check(&format!("docs{word}a.md"), "").len(), 1, "{word}");
        }
    }

    #[test]
    fn ordinary_text_and_the_lock_file_pass() {
        assert!(check("a.txt", "work on the root of the tree\n").is_empty());
        assert!(check("Cargo.lock", WORDS[2]).is_empty());
    }
}

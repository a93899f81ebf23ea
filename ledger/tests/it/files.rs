//! Directories as a crash or a fault leaves them.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// Copies a directory as it is: what `kill -9` at this moment would leave.
pub fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("creates");
    for entry in fs::read_dir(from).expect("reads") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy_dir(&path, &target);
        } else {
            copy_file(&path, &target);
        }
    }
}

/// Copies a file and keeps its holes: the store's journal has 64 MiB from the start.
pub fn copy_file(from: &Path, to: &Path) {
    let (bytes, length) = (written(from), fs::metadata(from).expect("is there").len());
    let file = File::create(to).expect("creates");
    (&file).write_all(&bytes).expect("writes");
    file.set_len(length).expect("grows");
}

/// The bytes of a file without the zeros at its end.
pub fn written(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut file = File::open(path).expect("opens");
    file.read_to_end(&mut bytes).expect("reads");
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.truncate(end);
    bytes
}

/// Every file below a directory, sorted.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("reads") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The store's active journal.
pub fn journal(data_dir: &Path) -> PathBuf {
    let journals = files(&data_dir.join("fjall"));
    let number = |path: &PathBuf| path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
    let journals = journals
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "jnl"));
    journals.max_by_key(number).expect("a journal")
}

/// Where the batches of a journal begin, behind the first, and where the last one ends.
pub fn seams(bytes: &[u8]) -> Vec<usize> {
    let ends = bytes.windows(13).enumerate();
    let ends = ends.filter(|(_, end)| end[0] == 3 && &end[9..] == b"FJL\x03");
    ends.map(|(at, _)| at + 13)
        .filter(|at| bytes.get(*at).is_none_or(|tag| *tag == 1))
        .collect()
}

/// Flips one bit of a file in place.
pub fn flip(path: &Path, at: u64, bit: u8) {
    let file = fs::OpenOptions::new().read(true).write(true).open(path).expect("opens");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("reads");
    file.write_all_at(&[byte[0] ^ 1 << bit], at).expect("writes");
}

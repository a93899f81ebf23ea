//! One line per measurement.

/// Prints the heading.
pub fn head() {
    println!(
        "{:<58} {:>12} {:>12} {:>8} {:>8}",
        "what", "measured", "against", "ratio", "target"
    );
}

/// Prints a rate or time against a limit or a peer.
pub fn row(what: &str, measured: f64, against: f64, target: &str) {
    println!(
        "{what:<58} {measured:>12.1} {against:>12.1} {:>8.3} {target:>8}",
        measured / against
    );
}

/// Prints a value that stands alone.
pub fn note(what: &str, value: &str) {
    println!("{what:<58} {value}");
}

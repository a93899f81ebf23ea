//! Small programs that single tests call, such as those that docs/PROOFS.md checks proofs with by hand.
//!
//! Invariant: none of them is needed to run the other tests. A test whose program is missing says so, in words.

use super::programs;

/// Packages that have programs of the same name.
const NEEDED: [&str; 3] = ["b3sum", "jq", "openssl"];

/// Installs what is missing, where we may, and says what could not be had.
pub fn install() {
    for name in NEEDED.into_iter().filter(|name| programs::named(name).is_none()) {
        if let Err(error) = programs::install_package(name) {
            println!("no {name}: the tests that need it check nothing ({error:#})");
        }
    }
}

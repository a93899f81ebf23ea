//! `sigil`: one executable, every role.
fn main() {}

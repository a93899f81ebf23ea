//! The tree as its users see it: known answers, a naive tree, the frontier's bytes, tiles and their edge.
//!
//! One binary, one module per subject. The modules are `cfg(test)` so that the lints know them for tests.

#[cfg(test)]
mod edge;
#[cfg(test)]
mod foreign;
#[cfg(test)]
mod frontier_bytes;
#[cfg(test)]
mod hostile_notes;
#[cfg(test)]
mod known_answers;
#[cfg(test)]
mod map;
#[cfg(test)]
mod naive;
#[cfg(test)]
mod proofs;
#[cfg(test)]
mod tile;
#[cfg(test)]
mod vectors;
#[cfg(test)]
mod witness;

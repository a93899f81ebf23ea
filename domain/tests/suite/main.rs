//! Tests of the kinds and of the fold, in one binary.
#![cfg(test)]

mod fold;
mod kinds;
mod rotations;
mod samples;

//! Tests of the record's formats, in one binary: known answers, properties, and hostile input at every limit.
#![cfg(test)]

mod hostile_envelope;
mod hostile_json;
mod known_answers;
mod limits;
mod properties_json;
mod properties_record;
mod rfc8785;
mod samples;

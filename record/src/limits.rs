//! Limits that are part of the format: the same number refuses a record everywhere.

/// Canonical bytes of one record after sealing, and of its disclosures, each at most this many.
pub const RECORD_BYTES: usize = 786_432;
/// Nesting of the record as it is stored; the record's own object is level 1.
pub const RECORD_DEPTH: usize = 64;
/// Nesting that a sealed value may have on its own.
pub const SEALED_DEPTH: usize = 64;
/// Nesting that the parser follows before it gives up; above every legal document.
pub const PARSE_DEPTH: usize = 128;
/// Links of one record.
pub const LINKS: usize = 64;
/// UTF-8 bytes of a link's target.
pub const TARGET_BYTES: usize = 512;
/// UTF-8 bytes of an author's id and key id.
pub const AUTHOR_BYTES: usize = 512;
/// The largest integer that a JSON number may hold: 2^53 - 1.
pub const SAFE_INTEGER: u64 = 9_007_199_254_740_991;

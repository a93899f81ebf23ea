//! Names on the bus: streams, subjects, and how an offset becomes a stream sequence.
//!
//! Whoever publishes and whoever reads take them from here, so that they cannot differ. `<log>` is the slug that genesis
//! pins; a stream's name holds it in upper case, as is usual there.
//!
//! ```text
//! stream             SIGIL_<LOG>_<base offset, 20 digits>
//! subjects           sigil.v1.<log>.<tenant>.<kind>
//! after a rebuild    sigil.old.<log>.<base offset, 20 digits>.>
//! stream sequence    offset - base + 1
//! ```

use crate::{Kind, Slug, Tenant};

/// The name of the log's stream that begins at offset `base`.
#[must_use]
pub fn stream_name(log: &Slug, base: u64) -> String {
    format!("{}{base:020}", stream_prefix(log))
}

/// What the names of all streams of a log begin with.
#[must_use]
pub fn stream_prefix(log: &Slug) -> String {
    format!("SIGIL_{}_", log.as_str().to_ascii_uppercase())
}

/// The base offset in a stream's name; `None` for any stream that is not this log's.
#[must_use]
pub fn stream_base(log: &Slug, name: &str) -> Option<u64> {
    let digits = name.strip_prefix(&stream_prefix(log))?;
    let canonical = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    canonical.then(|| digits.parse().ok()).flatten()
}

/// The log and the base offset that a stream's name says; `None` for any name that is not a log's stream's.
#[must_use]
pub fn parse_stream_name(name: &str) -> Option<(Slug, u64)> {
    let (log, _) = name.strip_prefix("SIGIL_")?.rsplit_once('_')?;
    let log = Slug::parse(&log.to_ascii_lowercase())?;
    let base = stream_base(&log, name)?;
    Some((log, base))
}

/// Every subject of the log.
#[must_use]
pub fn subjects(log: &Slug) -> String {
    format!("sigil.v1.{log}.>")
}

/// The subject of a record.
#[must_use]
pub fn subject(log: &Slug, tenant: &Tenant, kind: &Kind) -> String {
    format!("sigil.v1.{log}.{tenant}.{kind}")
}

/// The subjects that a stream is moved to when another one takes its place.
#[must_use]
pub fn retired_subjects(log: &Slug, base: u64) -> String {
    format!("sigil.old.{log}.{base:020}.>")
}

/// The stream sequence of a record; `None` before the stream begins, and where there is no such sequence.
#[must_use]
pub const fn sequence(base: u64, offset: u64) -> Option<u64> {
    match offset.checked_sub(base) {
        Some(distance) => distance.checked_add(1),
        None => None,
    }
}

/// The offset of the record at a stream sequence, which begins at 1.
#[must_use]
pub const fn offset(base: u64, sequence: u64) -> Option<u64> {
    match sequence.checked_sub(1) {
        Some(distance) => base.checked_add(distance),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slug(text: &str) -> Slug {
        Slug::parse(text).expect("a slug")
    }

    #[test]
    fn names_are_as_the_format_says() {
        let log = slug("audit-1");
        assert_eq!(stream_name(&log, 42), "SIGIL_AUDIT-1_00000000000000000042");
        assert_eq!(subjects(&log), "sigil.v1.audit-1.>");
        assert_eq!(retired_subjects(&log, 42), "sigil.old.audit-1.00000000000000000042.>");
        let (tenant, kind) = (Tenant::parse("acme"), Kind::parse("audit.event"));
        let (tenant, kind) = (tenant.expect("a tenant"), kind.expect("a kind"));
        assert_eq!(subject(&log, &tenant, &kind), "sigil.v1.audit-1.acme.audit.event");
    }

    #[test]
    fn a_base_is_read_from_this_logs_names_alone() {
        let log = slug("audit");
        for base in [0, 42, u64::MAX] {
            assert_eq!(stream_base(&log, &stream_name(&log, base)), Some(base));
            assert_eq!(parse_stream_name(&stream_name(&log, base)), Some((log.clone(), base)));
        }
        let foreign = [
            stream_name(&slug("audit-2"), 1),
            "SIGIL_AUDIT_42".to_owned(),
            "SIGIL_AUDIT_+0000000000000000042".to_owned(),
            "SIGIL_AUDIT_99999999999999999999".to_owned(),
            "SIGIL_AUDIT_00000000000000000042_OLD".to_owned(),
            "sigil_audit_00000000000000000042".to_owned(),
        ];
        for name in foreign {
            assert_eq!(stream_base(&log, &name), None, "{name}");
        }
        for name in [
            "SIGIL_AUDIT_42",
            "SIGIL_audit_00000000000000000042",
            "ORDERS",
            "SIGIL_A_B_00000000000000000042",
        ] {
            assert_eq!(parse_stream_name(name), None, "{name}");
        }
    }

    #[test]
    fn offsets_and_sequences_are_each_others_inverse() {
        for (base, at) in [(0, 0), (0, 9), (7, 7), (7, 1_000)] {
            let there = sequence(base, at).expect("a sequence");
            assert_eq!(offset(base, there), Some(at));
        }
        assert_eq!(sequence(7, 7), Some(1));
        assert_eq!(sequence(7, 6), None, "below the base");
        assert_eq!(sequence(0, u64::MAX), None);
        assert_eq!(offset(7, 0), None);
        assert_eq!(offset(u64::MAX, 2), None);
    }
}

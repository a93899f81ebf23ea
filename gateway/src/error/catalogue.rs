//! The table of codes as documents: `schemas/errors.json` and one page a code under `docs/errors/`.

use super::table::{Entry, TABLE};
use serde_json::{Value, json};

/// The catalogue of error codes, `{"errors": [{code, status, title, action, retryable, retry_after_s, docs}]}`, sorted by
/// status as the table is.
#[must_use]
pub fn catalogue() -> Value {
    let one = |entry: &Entry| {
        json!({
            "code": entry.code, "status": entry.status, "title": entry.title, "action": entry.action,
            "retryable": entry.retry_after_s.is_some(), "retry_after_s": entry.retry_after_s,
            "docs": format!("docs/errors/{}.md", page_name(entry.code)),
        })
    };
    json!({"errors": TABLE.iter().map(one).collect::<Vec<_>>()})
}

/// File name and Markdown of every page under `docs/errors/`, and of its index `README.md`.
#[must_use]
pub fn catalogue_pages() -> Vec<(String, String)> {
    let mut index =
        "# Error codes\n\nGenerated from the gateway's table.\n\n| code | status | meaning |\n|---|---|---|\n"
            .to_owned();
    for entry in TABLE {
        let (code, name) = (entry.code, page_name(entry.code));
        index.push_str(&format!(
            "| [`{code}`]({name}.md) | {} | {} |\n",
            entry.status, entry.title
        ));
    }
    let pages = TABLE
        .iter()
        .map(|entry| (format!("{}.md", page_name(entry.code)), page(entry)));
    std::iter::once(("README.md".to_owned(), index)).chain(pages).collect()
}

/// `NOT_FOUND` as `not-found`.
pub(crate) fn page_name(code: &str) -> String {
    code.to_ascii_lowercase().replace('_', "-")
}

/// The row whose page has this name.
pub(crate) fn page_of(name: &str) -> Option<&'static Entry> {
    TABLE.iter().find(|entry| page_name(entry.code) == name)
}

fn page(entry: &Entry) -> String {
    let retry = match entry.retry_after_s {
        Some(seconds) => format!("Yes, unchanged, after about {seconds} s (`Retry-After`)."),
        None => "No: the same request fails again.".to_owned(),
    };
    format!(
        "# `{}`\n\n{}.\n\n* **HTTP status:** {}\n* **What to do:** {}\n* **Retry:** {retry}\n",
        entry.code, entry.title, entry.status, entry.action
    )
}

#[cfg(test)]
mod tests {
    use super::super::Code;
    use super::super::table::entry;
    use super::*;
    use domain::Denial;
    use record::Code as R;

    /// The code after this one: a new variant does not compile until it stands here, and so in the test below.
    fn after(code: R) -> Option<R> {
        Some(match code {
            R::MalformedJson => R::DuplicateJsonKey,
            R::DuplicateJsonKey => R::NumberOutOfRange,
            R::NumberOutOfRange => R::TooDeep,
            R::TooDeep => R::NulCharacter,
            R::NulCharacter => R::ReservedName,
            R::ReservedName => R::RecordTooLarge,
            R::RecordTooLarge => R::EnvelopeInvalid,
            R::EnvelopeInvalid => R::LinkInvalid,
            R::LinkInvalid => R::SealInvalid,
            R::SealInvalid => R::AuthorSignatureInvalid,
            R::AuthorSignatureInvalid => R::NotCanonical,
            R::NotCanonical => R::HashMismatch,
            R::HashMismatch => R::SignatureInvalid,
            R::SignatureInvalid => R::KindUnknown,
            R::KindUnknown => R::SchemaVersionUnknown,
            R::SchemaVersionUnknown => R::SchemaInvalid,
            R::SchemaInvalid => return None,
        })
    }

    fn next(denial: Denial) -> Option<Denial> {
        Some(match denial {
            Denial::GenesisMisplaced => Denial::TenantUnknown,
            Denial::TenantUnknown => Denial::TenantExists,
            Denial::TenantExists => Denial::SystemSpaceProtected,
            Denial::SystemSpaceProtected => Denial::RotationMisplaced,
            Denial::RotationMisplaced => Denial::RecoveryMisplaced,
            Denial::RecoveryMisplaced => Denial::MapRootMisplaced,
            Denial::MapRootMisplaced => Denial::RotationStale,
            Denial::RotationStale => Denial::RotationUnproven,
            Denial::RotationUnproven => Denial::GatewayMisplaced,
            Denial::GatewayMisplaced => Denial::GatewayExists,
            Denial::GatewayExists => Denial::GatewayUnknown,
            Denial::GatewayUnknown => Denial::GatewayKeyRefused,
            Denial::GatewayKeyRefused => return None,
        })
    }

    #[test]
    fn every_code_in_use_has_its_row_and_every_row_is_in_use() {
        let records = std::iter::successors(Some(R::MalformedJson), |code| after(*code)).map(R::as_str);
        let denials = std::iter::successors(Some(Denial::GenesisMisplaced), |denial| next(*denial)).map(Denial::code);
        let own = Code::ALL.iter().map(|code| code.as_str());
        let used: std::collections::BTreeSet<&str> = records.chain(denials).chain(own).collect();
        for code in &used {
            assert_eq!(entry(code).code, *code, "{code} has no row");
        }
        let rows: std::collections::BTreeSet<&str> = TABLE.iter().map(|entry| entry.code).collect();
        assert_eq!(rows, used);
        assert_eq!(rows.len(), TABLE.len(), "a code has two rows");
    }

    #[test]
    fn rows_say_something_and_only_errors_are_errors() {
        assert!(TABLE.is_sorted_by_key(|entry| entry.status));
        for entry in TABLE {
            assert!((400..600).contains(&entry.status), "{entry:?}");
            assert!(!entry.title.ends_with('.') && entry.action.ends_with('.'), "{entry:?}");
        }
    }

    #[test]
    fn there_is_a_page_for_each_code_and_an_index() {
        let pages = catalogue_pages();
        assert_eq!(pages.len(), TABLE.len() + 1);
        assert!(
            pages
                .iter()
                .any(|(name, text)| name == "not-found.md" && text.starts_with("# `NOT_FOUND`"))
        );
        assert_eq!(page_of("not-found").map(|entry| entry.code), Some("NOT_FOUND"));
        assert_eq!(catalogue()["errors"].as_array().map(Vec::len), Some(TABLE.len()));
    }
}

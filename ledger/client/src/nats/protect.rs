//! Which records hold values that are sealed at the ledger, and so must not cross an open bus.

use domain::Catalogue;
use record::NewRecord;
use record::intake::EVIDENCE;
use record::seal::read_placeholder;

/// Whether `record` holds a value to be sealed, or what opens a seal. A kind that this build does not know may seal
/// anything.
pub(super) fn holds_secrets(catalogue: &Catalogue, record: &NewRecord) -> bool {
    let evidence = record.author.evidence.as_ref();
    if !record.disclosures.is_empty() || evidence.is_some_and(|evidence| read_placeholder(evidence).is_none()) {
        return true;
    }
    let Ok(spec) = catalogue.find(&record.kind, record.schema_version) else {
        return true;
    };
    let pointers = spec.sealed.iter().filter(|pointer| **pointer != EVIDENCE);
    let members = pointers.filter_map(|pointer| record.payload.pointer(pointer.strip_prefix("/payload")?));
    members.into_iter().any(|member| read_placeholder(member).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use record::{Auth, Author, Hash, Kind, Opening, RecordId, Space, Tenant, seal};
    use serde_json::{Value, json};

    fn record(kind: &str, payload: Value) -> NewRecord {
        NewRecord {
            tenant: Tenant::parse("acme").unwrap(),
            kind: Kind::parse(kind).unwrap(),
            schema_version: 1,
            id: RecordId::new(1, [1; 10]),
            space: Space::User,
            author: Author::new("local:a", Auth::Local),
            payload,
            links: Vec::new(),
            disclosures: Vec::new(),
        }
    }

    #[test]
    fn secrets_are_what_the_kind_seals_evidence_and_openings() {
        let catalogue = Catalogue::builtin();
        let holds = |record: &NewRecord| holds_secrets(&catalogue, record);
        let clear = json!({"action": "a", "outcome": "success", "source": "t"});
        let mut plain = record("audit.event", clear.clone());
        assert!(!holds(&plain));
        plain.payload["private"] = json!(null);
        assert!(holds(&plain), "null is a value");
        plain.payload["private"] = seal::placeholder(&Hash::of(b"x"));
        assert!(!holds(&plain), "a commitment hides its value");
        plain.disclosures = vec![Opening {
            pointer: "/payload/private".to_owned(),
            salt: [0; 32],
            value: json!(1),
        }];
        assert!(holds(&plain), "its opening does not");
        let mut proven = record("audit.event", clear);
        proven.author.evidence = Some(json!({"token": "t"}));
        assert!(holds(&proven));
        assert!(holds(&record("kind.of_tomorrow", json!({}))));
    }
}

//! Every kind against its two schemas: what is legal, what each member may not be, and where a fault points.

use crate::samples::{payloads, public};
use domain::payload::{
    AuditEvent, CanonWrite, CheckpointAnchorFailed, CheckpointAnchored, GatewayEnrolled, GatewayRevoked, Genesis,
    KeyRotated, LedgerRecovered, MapRoot, Outcome, ProjectionVerified, TenantCreated,
};
use domain::{Catalogue, KindSpec};
use record::{Code, Fault, Kind, Space};
use serde_json::{Value, json};
use std::sync::LazyLock;

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(Catalogue::builtin);
/// Stands for what a client would not want to see in a log line.
const MARKER: &str = "marker-5d1c";

fn spec(kind: &str) -> &'static KindSpec {
    CATALOGUE.find(&Kind::parse(kind).unwrap(), 1).unwrap()
}

fn sample(kind: &str) -> Value {
    payloads().into_iter().find(|(name, _)| *name == kind).unwrap().1
}

fn with(kind: &str, member: &str, value: Value) -> Value {
    let mut payload = sample(kind);
    payload[member] = value;
    payload
}

fn stored(kind: &str) -> Value {
    let mut payload = sample(kind);
    if let Some(private) = payload.get_mut("private") {
        *private = json!({"$sealed": "0".repeat(64)});
    }
    payload
}

#[track_caller]
fn assert_faults(faults: &[Fault], pointers: &[&str]) {
    let found: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
    assert_eq!(found, pointers, "{faults:?}");
    for fault in faults {
        assert_eq!(fault.code, Code::SchemaInvalid);
        assert!(!fault.to_string().contains(MARKER), "{fault}");
        assert!(!fault.detail.is_empty());
    }
}

#[track_caller]
fn assert_refused(kind: &str, payload: &Value, pointer: &str) {
    assert_faults(&spec(kind).check_intake(payload), &[pointer]);
}

#[test]
fn the_catalogue_lists_these_kinds() {
    let all: Vec<_> = CATALOGUE
        .iter()
        .map(|spec| {
            (
                spec.kind.as_str(),
                spec.schema_version,
                spec.space,
                spec.ledger_authored,
                spec.sealed.clone(),
            )
        })
        .collect();
    let evidence = vec!["/author/evidence"];
    let expected = [
        (
            "audit.event",
            1,
            Space::User,
            false,
            vec!["/author/evidence", "/payload/private"],
        ),
        ("canon.user.write", 1, Space::User, false, evidence.clone()),
        ("checkpoint.anchor_failed", 1, Space::System, true, evidence.clone()),
        ("checkpoint.anchored", 1, Space::System, true, evidence.clone()),
        ("gateway.enrolled", 1, Space::System, true, evidence.clone()),
        ("gateway.revoked", 1, Space::System, true, evidence.clone()),
        ("key.rotated", 1, Space::System, true, evidence.clone()),
        ("ledger.genesis", 1, Space::System, true, evidence.clone()),
        ("ledger.map_root", 1, Space::System, true, evidence.clone()),
        ("ledger.recovered", 1, Space::System, true, evidence.clone()),
        ("projection.verified", 1, Space::System, true, evidence.clone()),
        ("tenant.created", 1, Space::System, true, evidence),
    ];
    assert_eq!(all, expected);
    let sampled: std::collections::BTreeSet<_> = payloads().into_iter().map(|(kind, _)| kind).collect();
    assert!(
        all.iter().all(|(kind, ..)| sampled.contains(kind)),
        "every kind is tested below"
    );
}

#[test]
fn an_unknown_kind_or_version_is_named_with_what_is_known() {
    let find = |kind: &str, version| {
        CATALOGUE
            .find(&Kind::parse(kind).unwrap(), version)
            .map(|_| ())
            .unwrap_err()
    };
    let fault = find("audit.events", 1);
    assert_eq!((fault.code, fault.pointer.as_str()), (Code::KindUnknown, "/kind"));
    assert!(fault.detail.contains("audit.event"), "{fault}");
    for version in [0, 2, u32::MAX] {
        let fault = find("audit.event", version);
        assert_eq!(
            (fault.code, fault.pointer.as_str()),
            (Code::SchemaVersionUnknown, "/schema_version")
        );
        assert!(fault.detail.ends_with("known: 1"), "{fault}");
    }
}

#[test]
fn a_whole_payload_passes_and_reads_as_its_type() {
    for (kind, payload) in payloads() {
        assert_faults(&spec(kind).check_intake(&payload), &[]);
        assert_faults(&spec(kind).check_stored(&stored(kind)), &[]);
        let back = match kind {
            "ledger.genesis" => serde_json::to_value(serde_json::from_value::<Genesis>(payload.clone()).unwrap()),
            "key.rotated" => serde_json::to_value(serde_json::from_value::<KeyRotated>(payload.clone()).unwrap()),
            "ledger.recovered" => {
                serde_json::to_value(serde_json::from_value::<LedgerRecovered>(payload.clone()).unwrap())
            }
            "ledger.map_root" => serde_json::to_value(serde_json::from_value::<MapRoot>(payload.clone()).unwrap()),
            "tenant.created" => serde_json::to_value(serde_json::from_value::<TenantCreated>(payload.clone()).unwrap()),
            "gateway.enrolled" => {
                serde_json::to_value(serde_json::from_value::<GatewayEnrolled>(payload.clone()).unwrap())
            }
            "gateway.revoked" => {
                serde_json::to_value(serde_json::from_value::<GatewayRevoked>(payload.clone()).unwrap())
            }
            "projection.verified" => {
                serde_json::to_value(serde_json::from_value::<ProjectionVerified>(payload.clone()).unwrap())
            }
            "checkpoint.anchored" => {
                serde_json::to_value(serde_json::from_value::<CheckpointAnchored>(payload.clone()).unwrap())
            }
            "checkpoint.anchor_failed" => {
                serde_json::to_value(serde_json::from_value::<CheckpointAnchorFailed>(payload.clone()).unwrap())
            }
            "audit.event" => serde_json::to_value(serde_json::from_value::<AuditEvent>(payload.clone()).unwrap()),
            _ => serde_json::to_value(serde_json::from_value::<CanonWrite>(payload.clone()).unwrap()),
        };
        assert_eq!(back.unwrap(), payload, "schema and type agree");
    }
}

#[test]
fn each_member_is_required_unless_it_is_optional() {
    let optional = ["predecessor", "occurred_at", "data", "private", "receipt"];
    for (kind, payload) in payloads() {
        for name in payload.as_object().unwrap().keys() {
            let mut without = payload.clone();
            without.as_object_mut().unwrap().remove(name);
            let faults = spec(kind).check_intake(&without);
            if optional.contains(&name.as_str()) {
                assert_faults(&faults, &[]);
            } else {
                assert_faults(&faults, &[&format!("/payload/{name}")]);
            }
        }
    }
}

#[test]
fn each_member_has_one_type_and_null_is_none() {
    let any = ["private", "value"];
    for (kind, payload) in payloads() {
        for (name, good) in payload.as_object().unwrap() {
            let wrong = [
                json!(null),
                json!(true),
                json!(-1.5),
                json!([MARKER]),
                json!({ "x": MARKER }),
                json!(MARKER),
            ];
            for value in wrong.into_iter().filter(|_| !any.contains(&name.as_str())) {
                // Another text is a matter of each text's own form.
                let same = value.is_string() && good.is_string() || value.is_boolean() && good.is_boolean();
                if name == "data" && value.is_object() || same {
                    continue;
                }
                let faults = spec(kind).check_intake(&with(kind, name, value.clone()));
                assert!(!faults.is_empty(), "{kind}.{name} is not {value}");
                assert!(
                    faults
                        .iter()
                        .all(|fault| fault.pointer.starts_with(&format!("/payload/{name}"))),
                    "{faults:?}"
                );
                assert!(
                    !faults.iter().any(|fault| fault.to_string().contains(MARKER)),
                    "{faults:?}"
                );
            }
        }
    }
    for payload in [json!(null), json!([]), json!(MARKER), json!(1)] {
        assert_refused("audit.event", &payload, "/payload");
    }
}

#[test]
fn unknown_members_are_pointed_at() {
    for (kind, _) in payloads() {
        assert_refused(kind, &with(kind, "more/~", json!(MARKER)), "/payload/more~1~0");
        let faults = spec(kind).check_stored(&with(kind, "more", json!(MARKER)));
        assert!(
            faults.iter().any(|fault| fault.pointer == "/payload/more"),
            "{faults:?}"
        );
    }
    let mut two = with("canon.user.write", "b", json!(1));
    two["a"] = json!(1);
    let faults = spec("canon.user.write").check_intake(&two);
    assert_faults(&faults, &["/payload/a", "/payload/b"]);
    let mut genesis = sample("ledger.genesis");
    genesis["predecessor"]["more"] = json!(MARKER);
    assert_refused("ledger.genesis", &genesis, "/payload/predecessor/more");
}

#[test]
fn many_faults_are_reported_together_but_not_without_end() {
    let faults = spec("audit.event").check_intake(&json!({"action": "", "outcome": MARKER, "data": 1}));
    let mut pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
    pointers.sort_unstable();
    assert_eq!(
        pointers,
        [
            "/payload/action",
            "/payload/data",
            "/payload/outcome",
            "/payload/source"
        ]
    );
    let many: Value = (0..100)
        .map(|at| (format!("m{at}"), json!(1)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    assert_eq!(spec("audit.event").check_intake(&many).len(), 16);
}

#[test]
fn texts_are_bounded() {
    for (kind, name, characters) in [
        ("audit.event", "action", 256),
        ("audit.event", "source", 256),
        ("tenant.created", "name", 256),
    ] {
        assert_faults(
            &spec(kind).check_intake(&with(kind, name, json!("é".repeat(characters)))),
            &[],
        );
        assert_refused(
            kind,
            &with(kind, name, json!("é".repeat(characters + 1))),
            &format!("/payload/{name}"),
        );
        assert_refused(kind, &with(kind, name, json!("")), &format!("/payload/{name}"));
    }
    for (key, legal) in [
        ("k".repeat(512), true),
        ("é".repeat(256), true),
        ("k".repeat(513), false),
        ("é".repeat(257), false),
        (String::new(), false),
    ] {
        let faults = spec("canon.user.write").check_intake(&with("canon.user.write", "key", json!(key)));
        assert_faults(&faults, if legal { &[] } else { &["/payload/key"] });
    }
}

#[test]
fn outcomes_are_a_closed_list_that_a_fault_names() {
    for outcome in [Outcome::Success, Outcome::Failure, Outcome::Denied, Outcome::Unknown] {
        assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.as_str());
        assert_faults(
            &spec("audit.event").check_intake(&with("audit.event", "outcome", json!(outcome.as_str()))),
            &[],
        );
    }
    for wrong in [json!("Success"), json!(MARKER), json!("")] {
        let faults = spec("audit.event").check_intake(&with("audit.event", "outcome", wrong));
        assert_faults(&faults, &["/payload/outcome"]);
        assert!(
            faults[0]
                .detail
                .contains("\"success\", \"failure\", \"denied\", \"unknown\""),
            "{faults:?}"
        );
    }
}

#[test]
fn an_event_happened_at_a_time_that_exists() {
    for time in [
        "0001-01-01T00:00:00.000000Z",
        "2000-02-29T23:59:59.999999Z",
        "9999-12-31T23:59:59.999999Z",
    ] {
        assert_faults(
            &spec("audit.event").check_intake(&with("audit.event", "occurred_at", json!(time))),
            &[],
        );
    }
    for time in [
        "2026-02-30T00:00:00.000000Z",
        "2100-02-29T00:00:00.000000Z",
        "2016-12-31T23:59:60.000000Z",
        "2026-01-01T24:00:00.000000Z",
        "0000-01-01T00:00:00.000000Z",
        "2026-13-01T00:00:00.000000Z",
        "2026-11-20T12:00:00Z",
        "2026-11-20T12:00:00.00000Z",
        "2026-11-20T12:00:00.0000000Z",
        "2026-11-20T12:00:00.000000+00:00",
        "2026-11-20T12:00:00.000000Z\n",
        "",
        MARKER,
    ] {
        assert_refused(
            "audit.event",
            &with("audit.event", "occurred_at", json!(time)),
            "/payload/occurred_at",
        );
        let mut stored = stored("audit.event");
        stored["occurred_at"] = json!(time);
        assert_faults(&spec("audit.event").check_stored(&stored), &["/payload/occurred_at"]);
    }
}

#[test]
fn a_canon_value_is_any_json() {
    for value in [
        json!(null),
        json!(false),
        json!(0),
        json!("x"),
        json!([null]),
        json!({"a": {}}),
    ] {
        let payload = with("canon.user.write", "value", value.clone());
        assert_faults(&spec("canon.user.write").check_intake(&payload), &[]);
        assert_eq!(serde_json::from_value::<CanonWrite>(payload).unwrap().value, value);
    }
    for (loa, legal) in [
        (json!(0), true),
        (json!(5), true),
        (json!(6), false),
        (json!(-1), false),
        (json!(0.5), false),
        (json!("1"), false),
    ] {
        let faults = spec("canon.user.write").check_intake(&with("canon.user.write", "min_loa", loa));
        assert_faults(&faults, if legal { &[] } else { &["/payload/min_loa"] });
    }
}

#[test]
fn a_sealed_member_is_anything_at_intake_and_a_commitment_once_stored() {
    let spec = spec("audit.event");
    let commitment = json!({"$sealed": "0".repeat(64)});
    for private in [
        json!(MARKER),
        json!({"card": MARKER}),
        json!([1]),
        json!(null),
        commitment.clone(),
    ] {
        assert_faults(&spec.check_intake(&with("audit.event", "private", private)), &[]);
    }
    assert_faults(&spec.check_stored(&with("audit.event", "private", commitment)), &[]);
    for private in [
        json!(MARKER),
        json!({"card": MARKER}),
        json!([MARKER]),
        json!(null),
        json!({"$sealed": MARKER}),
        json!({"$sealed": "A".repeat(64)}),
        json!({"$sealed": "0".repeat(64), "card": MARKER}),
        json!({}),
    ] {
        let faults = spec.check_stored(&with("audit.event", "private", private.clone()));
        assert!(!faults.is_empty(), "{private} is stored");
        assert!(
            faults.iter().all(|fault| fault.pointer.starts_with("/payload/private")),
            "{faults:?}"
        );
        assert!(
            !faults.iter().any(|fault| fault.to_string().contains(MARKER)),
            "{faults:?}"
        );
    }
    assert_eq!(
        spec.intake_schema().pointer("/properties/private/x-sigil-seal"),
        Some(&json!(true))
    );
    assert_ne!(spec.intake_schema(), spec.stored_schema());
}

#[test]
fn keys_are_keys_and_three_different_ones() {
    let weak = "A".repeat(43) + "=";
    for member in ["record_key", "checkpoint_key", "root_key"] {
        for value in [
            weak.clone(),
            MARKER.to_owned(),
            "*".repeat(44),
            public(9).to_base64().replace('=', "A"),
        ] {
            assert_refused(
                "ledger.genesis",
                &with("ledger.genesis", member, json!(value)),
                &format!("/payload/{member}"),
            );
        }
    }
    for (a, b) in [
        ("record_key", "checkpoint_key"),
        ("record_key", "root_key"),
        ("checkpoint_key", "root_key"),
    ] {
        let mut genesis = sample("ledger.genesis");
        genesis[a] = genesis[b].clone();
        assert_refused("ledger.genesis", &genesis, "/payload");
    }
    for (member, value) in [
        ("old", weak.clone()),
        ("new", weak),
        ("pop", "*".repeat(88)),
        ("root_sig", "A".repeat(88)),
        ("pop", MARKER.to_owned()),
    ] {
        assert_refused(
            "key.rotated",
            &with("key.rotated", member, json!(value)),
            &format!("/payload/{member}"),
        );
    }
}

#[test]
fn an_enrolment_has_a_name_a_key_and_a_role() {
    let weak = "A".repeat(43) + "=";
    for (member, value) in [
        ("gateway", json!("")),
        ("gateway", json!("GW")),
        ("gateway", json!("a".repeat(64))),
        ("public_key", json!(weak)),
        ("public_key", json!("*".repeat(44))),
        ("public_key", json!(MARKER)),
        ("role", json!("admin")),
        ("role", json!("Gateway")),
    ] {
        let pointer = format!("/payload/{member}");
        assert_refused("gateway.enrolled", &with("gateway.enrolled", member, value), &pointer);
    }
    assert_refused(
        "gateway.revoked",
        &with("gateway.revoked", "gateway", json!("a.b")),
        "/payload/gateway",
    );
    for role in ["gateway", "reader"] {
        assert_faults(
            &spec("gateway.enrolled").check_intake(&with("gateway.enrolled", "role", json!(role))),
            &[],
        );
    }
}

#[test]
fn a_genesis_names_its_slug_and_predecessor_in_their_grammar() {
    for slug in ["", "A", "a.b", "a>", &"a".repeat(33), MARKER.to_uppercase().as_str()] {
        assert_refused(
            "ledger.genesis",
            &with("ledger.genesis", "slug", json!(slug)),
            "/payload/slug",
        );
    }
    for version in [0, 2] {
        assert_refused(
            "ledger.genesis",
            &with("ledger.genesis", "format_version", json!(version)),
            "/payload/format_version",
        );
    }
    for (member, value) in [
        ("log", json!("a b")),
        ("log", json!("")),
        ("size", json!(-1)),
        ("root", json!("A".repeat(64))),
        ("hash", json!("0".repeat(63))),
    ] {
        let mut genesis = sample("ledger.genesis");
        genesis["predecessor"][member] = value;
        assert_refused("ledger.genesis", &genesis, &format!("/payload/predecessor/{member}"));
    }
    for tenant in ["A", "-a", "a_b", "", &"a".repeat(64)] {
        assert_refused(
            "tenant.created",
            &with("tenant.created", "tenant", json!(tenant)),
            "/payload/tenant",
        );
    }
}

#[test]
fn schemas_are_closed_documented_and_without_null() {
    for spec in CATALOGUE.iter() {
        for schema in [spec.intake_schema(), spec.stored_schema()] {
            assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
            assert_eq!(schema["additionalProperties"], false, "{}", spec.kind);
            assert_eq!(schema["title"], format!("{} {}", spec.kind, spec.schema_version));
            assert!(!schema.to_string().contains("\"null\""), "{schema:#}");
            for (name, member) in schema["properties"].as_object().unwrap() {
                assert!(
                    member.to_string().contains("\"description\""),
                    "{}.{name} says what it is",
                    spec.kind
                );
            }
        }
    }
}

#[test]
fn a_recovery_has_a_range_and_counts() {
    let kind = "ledger.recovered";
    for member in ["from", "to", "disclosures_lost"] {
        for wrong in [json!(-1), json!(1.5), json!("1"), json!(null)] {
            assert_refused(kind, &with(kind, member, wrong), &format!("/payload/{member}"));
        }
    }
    assert_refused(kind, &with(kind, "from", json!(8)), "/payload/from");
    assert_faults(&spec(kind).check_intake(&with(kind, "from", json!(7))), &[]);
}

#[test]
fn a_verified_projection_says_equal_only_when_it_is() {
    let other = record::Hash::of(b"another").to_string();
    let kind = "projection.verified";
    let mut differs = with(kind, "replayed_digest", json!(other));
    assert_refused(kind, &differs, "/payload/equal");
    differs["equal"] = json!(false);
    assert_refused(kind, &differs, "/payload/equal");
    differs["differences"] = json!(3);
    assert_faults(&spec(kind).check_intake(&differs), &[]);
    differs["replayed_digest"] = differs["digest"].clone();
    assert_refused(kind, &differs, "/payload/equal");
    for (member, wrong) in [
        ("projection", json!("Timeline")),
        ("engine", json!(MARKER.to_uppercase())),
        ("version", json!(0)),
        ("position", json!(-1)),
        ("position", json!(9_007_199_254_740_992_u64)),
        ("digest", json!("ab")),
        ("replayed_digest", json!("Z".repeat(64))),
        ("equal", json!("yes")),
        ("differences", json!(1.5)),
        ("parked", json!(null)),
    ] {
        assert_refused(kind, &with(kind, member, wrong), &format!("/payload/{member}"));
    }
}

#[test]
fn an_anchored_checkpoint_names_no_path_and_its_receipt_is_small() {
    let kind = "checkpoint.anchored";
    for (member, wrong) in [
        ("size", json!(9_007_199_254_740_992_u64)),
        ("root", json!("ab")),
        ("anchor", json!("http")),
        ("place", json!("")),
        ("place", json!("p".repeat(257))),
        ("note", json!("")),
        ("receipt", json!("not base64!")),
        ("receipt", json!("A".repeat(43_696))),
        ("anchored_at", json!("2026-02-30T12:00:00.000000Z")),
        ("anchored_at", json!("yesterday")),
    ] {
        assert_refused(kind, &with(kind, member, wrong), &format!("/payload/{member}"));
    }
    assert_refused(kind, &with(kind, "anchor", json!("dir")), "/payload/receipt");
    let mut filed = with(kind, "anchor", json!("dir"));
    filed.as_object_mut().unwrap().remove("receipt");
    assert_faults(&spec(kind).check_intake(&filed), &[]);
    let kind = "checkpoint.anchor_failed";
    for (member, wrong) in [
        ("size", json!(-1)),
        ("anchor", json!("ftp")),
        ("place", json!("")),
        ("error_class", json!("because")),
    ] {
        assert_refused(kind, &with(kind, member, wrong), &format!("/payload/{member}"));
    }
}

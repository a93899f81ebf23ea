//! The fold under random command sequences: chains and size agree with a naive count, and a snapshot taken anywhere
//! continues like the whole.

use crate::samples::{
    CHECKPOINT, RECORD, ROOT, created, enrolled, genesis, key, log, public, revoked, rotated, tenant,
};
use domain::payload::GatewayRole;
use domain::payload::key_rotated::KeyRole;
use domain::state::{Authority, Body, Fact};
use domain::{Command, Denial, State};
use proptest::prelude::*;
use record::{Auth, Author, Draft, Fault, Hash, Kind, NewRecord, Place, Record, RecordId, Space, Tenant, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One request, lawful or not.
#[derive(Debug, Clone)]
struct Step {
    tenant: Tenant,
    body: Body,
    ledger_authored: bool,
    authority: Authority,
}

fn step() -> impl Strategy<Value = Step> {
    let names = prop::sample::select(vec!["sigil-ledger", "acme", "beta", "c"]);
    let role = prop::sample::select(vec![KeyRole::Record, KeyRole::Checkpoint]);
    let keys = (
        role,
        1..7_u8,
        1..7_u8,
        prop::bool::weighted(0.8),
        prop::bool::weighted(0.8),
    );
    let rotation = keys.prop_map(|(role, old, new, proven, rooted)| {
        Body::KeyRotated(rotated(
            role,
            old,
            new,
            if proven { new } else { 9 },
            if rooted { ROOT } else { 9 },
        ))
    });
    let body = prop_oneof![
        1 => Just(Body::Genesis(genesis())),
        4 => rotation,
        3 => names.clone().prop_map(|name| Body::TenantCreated(created(name))),
        3 => (gateway(), 1..12_u8, any::<bool>()).prop_map(|(name, key, reads)| {
            let role = if reads { GatewayRole::Reader } else { GatewayRole::Gateway };
            Body::GatewayEnrolled(enrolled(name, key, role))
        }),
        2 => gateway().prop_map(|name| Body::GatewayRevoked(revoked(name))),
        8 => Just(Body::Plain),
    ];
    (names, body, any::<bool>(), any::<bool>()).prop_map(|(name, body, caller, same)| {
        // Half of the creations name their own tenant, half of the rotations lie where they must.
        let name = match &body {
            Body::TenantCreated(created) if same => created.tenant.as_str(),
            Body::KeyRotated(_) | Body::Genesis(_) | Body::GatewayEnrolled(_) | Body::GatewayRevoked(_) if same => {
                Tenant::LEDGER
            }
            _ => name,
        };
        Step {
            tenant: tenant(name),
            ledger_authored: body != Body::Plain,
            body: body.clone(),
            authority: if caller { Authority::Caller } else { Authority::Ledger },
        }
    })
}

fn gateway() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["gw-1", "gw-2", "gw-3"])
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let first = Step {
        tenant: Tenant::ledger(),
        body: Body::Genesis(genesis()),
        ledger_authored: true,
        authority: Authority::Ledger,
    };
    (prop::bool::weighted(0.9), prop::collection::vec(step(), 0..40)).prop_map(move |(begun, mut steps)| {
        if begun {
            steps.insert(0, first.clone());
        }
        steps
    })
}

fn decide(state: &State, step: &Step) -> Result<(), Denial> {
    state.decide(&Command {
        tenant: &step.tenant,
        ledger_authored: step.ledger_authored,
        body: &step.body,
        authority: step.authority,
    })
}

fn hash(at: u64) -> Hash {
    Hash::of(&at.to_be_bytes())
}

fn evolve(state: &mut State, step: &Step) {
    let at = state.size();
    let ts = Timestamp::from_micros(i64::try_from(at).unwrap() * 1_000).unwrap();
    state.evolve(&Fact {
        tenant: &step.tenant,
        hash: &hash(at),
        ts,
        body: &step.body,
    });
}

/// Keeps what `decide` allows.
fn run(steps: Vec<Step>) -> (State, Vec<Step>) {
    let mut state = State::new(log());
    let kept = steps.into_iter().filter(|step| {
        let allowed = decide(&state, step).is_ok();
        if allowed {
            evolve(&mut state, step);
        }
        allowed
    });
    let kept = kept.collect();
    (state, kept)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn size_and_chains_count_what_was_committed(steps in steps()) {
        let (state, kept) = run(steps);
        let mut chains: BTreeMap<Tenant, (u64, Hash)> = BTreeMap::new();
        for (at, step) in kept.iter().enumerate() {
            let chain = chains.entry(step.tenant.clone()).or_insert((0, hash(0)));
            *chain = (chain.0 + 1, hash(at as u64));
        }
        prop_assert_eq!(state.size(), kept.len() as u64);
        let folded: BTreeMap<_, _> = state.chains().map(|(tenant, chain)| (tenant.clone(), (chain.length(), *chain.last().unwrap()))).collect();
        prop_assert_eq!(folded, chains);
        prop_assert_eq!(state.last_ts().map(Timestamp::micros), (state.size() as i64).checked_sub(1).filter(|at| *at >= 0).map(|at| at * 1_000));
    }

    #[test]
    fn what_is_committed_is_lawful(steps in steps()) {
        let (state, kept) = run(steps);
        let geneses = kept.iter().filter(|step| matches!(step.body, Body::Genesis(_))).count();
        prop_assert_eq!(geneses, usize::from(!kept.is_empty()));
        prop_assert!(kept.first().is_none_or(|step| matches!(step.body, Body::Genesis(_)) && step.tenant.is_ledger()));
        prop_assert_eq!(state.keys().is_some(), !kept.is_empty());
        // Each tenant but the ledger begins with its creation, and is created once.
        let mut seen = std::collections::BTreeSet::from([Tenant::ledger()]);
        let (mut record, mut checkpoint) = (public(RECORD), public(CHECKPOINT));
        for step in &kept {
            let creates = matches!(&step.body, Body::TenantCreated(created) if created.tenant == step.tenant.as_str());
            prop_assert_eq!(seen.insert(step.tenant.clone()), creates);
            prop_assert!(step.authority == Authority::Ledger || !(step.ledger_authored || step.tenant.is_ledger()));
            if let Body::KeyRotated(rotated) = &step.body {
                let current = match rotated.role { KeyRole::Record => &mut record, KeyRole::Checkpoint => &mut checkpoint };
                prop_assert_eq!(&rotated.old, &current.to_base64());
                prop_assert!(step.tenant.is_ledger());
                *current = record::PublicKey::from_base64(&rotated.new).unwrap();
            }
        }
        if let Some(keys) = state.keys() {
            prop_assert_eq!((keys.record, keys.checkpoint, keys.root), (record, checkpoint, public(ROOT)));
        }
    }

    #[test]
    fn a_gateway_is_enrolled_once_with_a_key_of_its_own(steps in steps()) {
        let (state, kept) = run(steps);
        let mut naive: BTreeMap<String, (String, bool)> = BTreeMap::new();
        for step in &kept {
            match &step.body {
                Body::GatewayEnrolled(enrolled) => {
                    prop_assert!(step.tenant.is_ledger());
                    prop_assert!(naive.values().all(|(key, _)| *key != enrolled.public_key));
                    let before = naive.insert(enrolled.gateway.clone(), (enrolled.public_key.clone(), false));
                    prop_assert_eq!(before, None);
                }
                Body::GatewayRevoked(revoked) => {
                    let gateway = naive.get_mut(&revoked.gateway).unwrap();
                    prop_assert!(!std::mem::replace(&mut gateway.1, true));
                }
                _ => {}
            }
        }
        let folded: BTreeMap<_, _> = state.gateways().iter().map(|(name, gateway)| (name.to_owned(), (gateway.key.to_base64(), gateway.revoked))).collect();
        prop_assert_eq!(folded, naive);
    }

    #[test]
    fn a_snapshot_anywhere_continues_like_the_whole(steps in steps(), at in any::<prop::sample::Index>()) {
        let (whole, kept) = run(steps);
        let cut = at.index(kept.len() + 1);
        let mut state = State::new(log());
        kept.iter().take(cut).for_each(|step| evolve(&mut state, step));
        let text = serde_json::to_vec(&state.to_snapshot()).unwrap();
        let mut back = State::from_snapshot(&serde_json::from_slice::<Value>(&text).unwrap()).unwrap();
        prop_assert_eq!(&back, &state);
        for step in kept.iter().skip(cut) {
            prop_assert_eq!(decide(&back, step), Ok(()));
            evolve(&mut back, step);
        }
        prop_assert_eq!(back, whole);
    }

    #[test]
    fn deciding_changes_nothing_and_folding_what_was_refused_does_not_panic(steps in steps()) {
        let mut state = State::new(log());
        for step in &steps {
            let before = state.clone();
            let first = decide(&state, step);
            prop_assert_eq!(decide(&state, step), first);
            prop_assert_eq!(&state, &before);
            let keys = state.keys().cloned();
            evolve(&mut state, step);
            prop_assert_eq!(state.size(), before.size() + 1);
            if first.is_err() && keys.is_some() && first != Err(Denial::SystemSpaceProtected) {
                prop_assert_eq!(state.keys(), keys.as_ref(), "what is refused rotates nothing");
            }
        }
    }
}

#[test]
fn enrolments_are_refused_for_a_reason() {
    let own = |body: Body, name: &str| Step {
        tenant: tenant(name),
        body,
        ledger_authored: true,
        authority: Authority::Ledger,
    };
    let enrolment = |name: &str, key: u8| Body::GatewayEnrolled(enrolled(name, key, GatewayRole::Gateway));
    let ending = |name: &str| Body::GatewayRevoked(revoked(name));
    let (mut state, _) = run(vec![
        own(Body::Genesis(genesis()), Tenant::LEDGER),
        own(Body::TenantCreated(created("acme")), "acme"),
        own(enrolment("gw-1", 7), Tenant::LEDGER),
    ]);
    let denied = |state: &State, body: Body, name: &str| decide(state, &own(body, name)).err();
    for (body, name, denial) in [
        (enrolment("gw-2", 8), "acme", Denial::GatewayMisplaced),
        (ending("gw-1"), "acme", Denial::GatewayMisplaced),
        (enrolment("gw-1", 8), Tenant::LEDGER, Denial::GatewayExists),
        (enrolment("gw-2", 7), Tenant::LEDGER, Denial::GatewayKeyRefused),
        (enrolment("gw-2", RECORD), Tenant::LEDGER, Denial::GatewayKeyRefused),
        (enrolment("gw-2", ROOT), Tenant::LEDGER, Denial::GatewayKeyRefused),
        (ending("gw-2"), Tenant::LEDGER, Denial::GatewayUnknown),
    ] {
        assert_eq!(denied(&state, body, name), Some(denial));
    }
    let weak = domain::payload::GatewayEnrolled {
        public_key: "A".repeat(43) + "=",
        ..enrolled("gw-2", 8, GatewayRole::Gateway)
    };
    let weak = Body::GatewayEnrolled(weak);
    assert_eq!(denied(&state, weak, Tenant::LEDGER), Some(Denial::GatewayKeyRefused));
    evolve(&mut state, &own(ending("gw-1"), Tenant::LEDGER));
    assert!(state.gateways().find("gw-1").unwrap().revoked);
    assert_eq!(
        denied(&state, ending("gw-1"), Tenant::LEDGER),
        Some(Denial::GatewayUnknown)
    );
    assert_eq!(
        denied(&state, enrolment("gw-1", 8), Tenant::LEDGER),
        Some(Denial::GatewayExists)
    );
    assert_eq!(
        denied(&state, enrolment("gw-2", 7), Tenant::LEDGER),
        Some(Denial::GatewayKeyRefused)
    );
}

#[test]
fn a_denial_is_read_back_from_its_code() {
    for denial in Denial::ALL {
        assert_eq!(Denial::parse(denial.code()), Some(denial));
    }
    assert_eq!(Denial::parse("NO_SUCH_CODE"), None);
}

#[test]
fn a_snapshot_of_another_form_is_dropped() {
    let (state, _) = run(vec![Step {
        tenant: Tenant::ledger(),
        body: Body::Genesis(genesis()),
        ledger_authored: true,
        authority: Authority::Ledger,
    }]);
    let good = state.to_snapshot();
    assert_eq!(State::from_snapshot(&good), Ok(state));
    let (evolve_version, size) = (
        json!(domain::state::EVOLVE_VERSION + 1),
        json!(good["size"].as_u64().unwrap() + 1),
    );
    for (member, value) in [
        ("evolve_version", evolve_version),
        ("log", json!("a b")),
        ("size", json!(-1)),
        ("size", size),
        ("last_ts", json!(i64::MAX)),
        ("last_ts", json!("2026")),
        ("keys", json!([])),
        ("keys", json!(["a", "b", "c"])),
        ("rotations", json!([{}])),
        ("gateways", json!([["gw-1", "x", "gateway", false]])),
        ("gateways", json!({})),
        ("chains", json!({})),
        ("chains", json!([["sigil-ledger", 1]])),
        ("chains", json!([["A", 1, null]])),
        ("chains", json!([["sigil-ledger", 1, "x"]])),
        ("chains", json!([])),
    ] {
        let mut bad = good.clone();
        bad[member] = value;
        assert_eq!(
            State::from_snapshot(&bad),
            Err(domain::state::Unreadable),
            "{member}: {bad}"
        );
        bad.as_object_mut().unwrap().remove(member);
        assert_eq!(
            State::from_snapshot(&bad),
            Err(domain::state::Unreadable),
            "without {member}"
        );
    }
    for other in [json!(null), json!([]), json!("x")] {
        assert_eq!(State::from_snapshot(&other), Err(domain::state::Unreadable));
    }
}

#[test]
fn the_body_is_read_from_the_stored_record() {
    let store = |kind: &str, schema_version, payload: Value| {
        let record = NewRecord {
            tenant: Tenant::ledger(),
            kind: Kind::parse(kind).unwrap(),
            schema_version,
            id: RecordId::new(1, [1; 10]),
            space: Space::System,
            author: Author::new("ledger", Auth::Ledger),
            payload,
            links: Vec::new(),
            disclosures: Vec::new(),
        };
        let sealed = record.seal::<Fault>(&log(), &[], || Ok([0; 32])).unwrap();
        let place = Place {
            offset: 0,
            seq: 0,
            prev: None,
            ts: Timestamp::MIN,
            pub_key: &public(RECORD),
        };
        let bytes = Draft::new(&log(), sealed, &[])
            .unwrap()
            .stamp(&place)
            .sign(&key(RECORD));
        Record::parse(bytes).unwrap()
    };
    let written = serde_json::to_value(genesis()).unwrap();
    assert_eq!(
        Body::of(&store("ledger.genesis", 1, written.clone())).unwrap(),
        Body::Genesis(genesis())
    );
    assert_eq!(
        Body::of(&store("ledger.genesis", 2, written.clone())).unwrap(),
        Body::Plain
    );
    assert_eq!(
        Body::of(&store("audit.event", 1, written.clone())).unwrap(),
        Body::Plain
    );
    assert!(Body::of(&store("key.rotated", 1, written)).is_err());
    let tenant = serde_json::to_value(created("acme")).unwrap();
    assert_eq!(
        Body::of(&store("tenant.created", 1, tenant)).unwrap(),
        Body::TenantCreated(created("acme"))
    );
}

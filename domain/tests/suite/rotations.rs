//! Who may write what, and when a key may follow another.

use crate::samples::{CHECKPOINT, RECORD, ROOT, created, genesis, log, public, rotated, tenant};
use domain::payload::key_rotated::KeyRole;
use domain::payload::{Genesis, KeyRotated, LedgerRecovered, MapRoot};
use domain::state::{Authority, Body, Fact};
use domain::{Command, Denial, State};
use record::{Hash, Origin, Tenant, Timestamp};

fn decide(state: &State, on: &Tenant, body: &Body) -> Result<(), Denial> {
    decide_as(state, on, body, true, Authority::Ledger)
}

fn decide_as(
    state: &State,
    tenant: &Tenant,
    body: &Body,
    ledger_authored: bool,
    authority: Authority,
) -> Result<(), Denial> {
    state.decide(&Command {
        tenant,
        ledger_authored,
        body,
        authority,
    })
}

fn evolve(state: &mut State, tenant: &Tenant, body: &Body) {
    let hash = Hash::of(&state.size().to_be_bytes());
    state.evolve(&Fact {
        tenant,
        hash: &hash,
        ts: Timestamp::MIN,
        body,
    });
}

/// A log with a genesis and the tenant `acme`.
fn begun() -> State {
    let mut state = State::new(log());
    evolve(&mut state, &Tenant::ledger(), &Body::Genesis(genesis()));
    evolve(&mut state, &tenant("acme"), &Body::TenantCreated(created("acme")));
    state
}

#[test]
fn a_log_begins_with_exactly_one_genesis_on_the_ledgers_chain() {
    let (empty, ledger) = (State::new(log()), Tenant::ledger());
    let body = Body::Genesis(genesis());
    assert_eq!(decide(&empty, &ledger, &body), Ok(()));
    assert_eq!(decide(&empty, &tenant("acme"), &body), Err(Denial::GenesisMisplaced));
    for other in [
        Body::Plain,
        Body::TenantCreated(created("sigil-ledger")),
        Body::KeyRotated(rotation()),
    ] {
        assert_eq!(decide(&empty, &ledger, &other), Err(Denial::GenesisMisplaced));
    }
    assert_eq!(decide(&begun(), &ledger, &body), Err(Denial::GenesisMisplaced));
    assert_eq!(decide(&begun(), &tenant("acme"), &body), Err(Denial::GenesisMisplaced));
    for bad in [
        Genesis {
            record_key: "AAAA".to_owned(),
            ..genesis()
        },
        Genesis {
            record_key: public(ROOT).to_base64(),
            ..genesis()
        },
        Genesis {
            checkpoint_key: public(ROOT).to_base64(),
            ..genesis()
        },
        Genesis {
            checkpoint_key: public(RECORD).to_base64(),
            ..genesis()
        },
    ] {
        assert_eq!(
            decide(&empty, &ledger, &Body::Genesis(bad)),
            Err(Denial::GenesisMisplaced)
        );
    }
}

#[test]
fn a_caller_writes_neither_for_the_ledger_nor_what_is_the_ledgers() {
    let (state, ledger, acme) = (begun(), Tenant::ledger(), tenant("acme"));
    let protected = Err(Denial::SystemSpaceProtected);
    let (new, rotation) = (Body::TenantCreated(created("new")), Body::KeyRotated(rotation()));
    assert_eq!(
        decide_as(&state, &ledger, &Body::Plain, false, Authority::Caller),
        protected
    );
    assert_eq!(
        decide_as(&state, &acme, &Body::Plain, true, Authority::Caller),
        protected
    );
    assert_eq!(
        decide_as(&state, &tenant("new"), &new, true, Authority::Caller),
        protected
    );
    assert_eq!(
        decide_as(&state, &ledger, &rotation, true, Authority::Caller),
        protected
    );
    let body = Body::Genesis(genesis());
    assert_eq!(
        decide_as(&State::new(log()), &ledger, &body, true, Authority::Caller),
        protected
    );
    assert_eq!(decide_as(&state, &acme, &Body::Plain, false, Authority::Caller), Ok(()));
    assert_eq!(
        decide_as(&state, &ledger, &Body::Plain, true, Authority::Ledger),
        Ok(())
    );
}

#[test]
fn a_tenant_is_created_once_and_first() {
    let (state, new) = (begun(), tenant("new"));
    assert_eq!(decide(&state, &new, &Body::Plain), Err(Denial::TenantUnknown));
    assert_eq!(
        decide(&state, &new, &Body::TenantCreated(created("other"))),
        Err(Denial::TenantUnknown)
    );
    assert_eq!(decide(&state, &new, &Body::TenantCreated(created("new"))), Ok(()));
    assert_eq!(
        decide(&state, &tenant("acme"), &Body::TenantCreated(created("acme"))),
        Err(Denial::TenantExists)
    );
    let again = Body::TenantCreated(created("sigil-ledger"));
    assert_eq!(decide(&state, &Tenant::ledger(), &again), Err(Denial::TenantExists));
}

/// Record key 1 to 4, lawful.
fn rotation() -> KeyRotated {
    rotated(KeyRole::Record, RECORD, 4, 4, ROOT)
}

#[test]
fn a_rotation_needs_the_current_key_the_new_one_and_the_root() {
    use KeyRole::{Checkpoint, Record};
    let (state, ledger) = (begun(), Tenant::ledger());
    let check = |rotated: KeyRotated| decide(&state, &ledger, &Body::KeyRotated(rotated));
    assert_eq!(check(rotation()), Ok(()));
    assert_eq!(check(rotated(Checkpoint, CHECKPOINT, 4, 4, ROOT)), Ok(()));
    for stale in [
        rotated(Record, 5, 4, 4, ROOT),
        rotated(Record, CHECKPOINT, 4, 4, ROOT),
        rotated(Checkpoint, RECORD, 4, 4, ROOT),
        rotated(Record, RECORD, RECORD, RECORD, ROOT),
    ] {
        assert_eq!(check(stale), Err(Denial::RotationStale));
    }
    let unproven = Err(Denial::RotationUnproven);
    assert_eq!(
        check(rotated(Record, RECORD, 4, RECORD, ROOT)),
        unproven,
        "the old key proves nothing"
    );
    assert_eq!(
        check(rotated(Record, RECORD, 4, 4, RECORD)),
        unproven,
        "the old key is not the root"
    );
    assert_eq!(
        check(rotated(Record, RECORD, 4, 4, 4)),
        unproven,
        "the new key is not the root"
    );
    assert_eq!(
        check(rotated(Record, RECORD, CHECKPOINT, CHECKPOINT, ROOT)),
        unproven,
        "a key has one role"
    );
    assert_eq!(
        check(rotated(Record, RECORD, ROOT, ROOT, ROOT)),
        unproven,
        "the root stays offline"
    );
}

#[test]
fn a_rotation_is_signed_for_one_log_role_and_key() {
    use KeyRole::Checkpoint;
    let (state, ledger) = (begun(), Tenant::ledger());
    let check = |rotated: KeyRotated| decide(&state, &ledger, &Body::KeyRotated(rotated));
    let unproven = Err(Denial::RotationUnproven);
    let swapped = KeyRotated {
        pop: rotation().root_sig,
        root_sig: rotation().pop,
        ..rotation()
    };
    assert_eq!(check(swapped), unproven);
    assert_eq!(
        check(KeyRotated {
            role: Checkpoint,
            old: public(CHECKPOINT).to_base64(),
            ..rotation()
        }),
        unproven,
        "signed for another role"
    );
    assert_eq!(
        check(KeyRotated {
            new: public(6).to_base64(),
            ..rotation()
        }),
        unproven,
        "signed for another key"
    );
    for bad in ["", "AAAA", "*"] {
        assert_eq!(
            check(KeyRotated {
                pop: bad.to_owned(),
                ..rotation()
            }),
            unproven
        );
        assert_eq!(
            check(KeyRotated {
                new: bad.to_owned(),
                ..rotation()
            }),
            unproven
        );
    }
    let mut elsewhere = State::new(Origin::parse("example.com/other").unwrap());
    evolve(&mut elsewhere, &ledger, &Body::Genesis(genesis()));
    assert_eq!(
        decide(&elsewhere, &ledger, &Body::KeyRotated(rotation())),
        unproven,
        "signed for another log"
    );
    assert_eq!(
        decide(&state, &tenant("acme"), &Body::KeyRotated(rotation())),
        Err(Denial::RotationMisplaced)
    );
}

#[test]
fn a_rotation_takes_effect_once() {
    let (mut state, ledger) = (begun(), Tenant::ledger());
    let body = Body::KeyRotated(rotation());
    evolve(&mut state, &ledger, &body);
    let keys = state.keys().unwrap();
    assert_eq!(
        (keys.record, keys.checkpoint, keys.root),
        (public(4), public(CHECKPOINT), public(ROOT))
    );
    assert_eq!(decide(&state, &ledger, &body), Err(Denial::RotationStale));
    let thief = Body::KeyRotated(rotated(KeyRole::Record, RECORD, 5, 5, ROOT));
    assert_eq!(
        decide(&state, &ledger, &thief),
        Err(Denial::RotationStale),
        "the old key is of no use any more"
    );
    let next = Body::KeyRotated(rotated(KeyRole::Record, 4, 5, 5, ROOT));
    assert_eq!(decide(&state, &ledger, &next), Ok(()));
}

#[test]
fn the_fold_believes_no_rotation_that_decide_would_refuse() {
    use KeyRole::Record;
    let before = begun();
    for (on, forged) in [
        (Tenant::ledger(), rotated(Record, RECORD, 4, 4, 4)),
        (Tenant::ledger(), rotated(Record, 5, 4, 4, ROOT)),
        (tenant("acme"), rotation()),
    ] {
        let mut state = before.clone();
        evolve(&mut state, &on, &Body::KeyRotated(forged));
        assert_eq!(state.keys(), before.keys());
        assert_eq!(state.size(), before.size() + 1);
    }
    let mut state = before.clone();
    let second = Genesis {
        record_key: public(7).to_base64(),
        ..genesis()
    };
    evolve(&mut state, &Tenant::ledger(), &Body::Genesis(second));
    assert_eq!(state.keys(), before.keys(), "a second genesis pins nothing");
    let mut empty = State::new(log());
    evolve(&mut empty, &tenant("acme"), &Body::Genesis(genesis()));
    assert_eq!(empty.keys(), None, "nor does one outside the ledger's chain");
}

#[test]
fn a_recovery_stands_right_behind_what_was_recovered() {
    let (state, ledger) = (begun(), Tenant::ledger());
    let recovered = |to| {
        Body::Recovered(LedgerRecovered {
            from: 0,
            to,
            disclosures_lost: 0,
        })
    };
    assert_eq!(decide(&state, &ledger, &recovered(state.size())), Ok(()));
    for wrong in [state.size() - 1, state.size() + 1] {
        assert_eq!(
            decide(&state, &ledger, &recovered(wrong)),
            Err(Denial::RecoveryMisplaced)
        );
    }
    assert_eq!(
        decide(&state, &tenant("acme"), &recovered(state.size())),
        Err(Denial::RecoveryMisplaced)
    );
}

#[test]
fn a_map_root_covers_records_before_it_and_no_less_than_the_last_one() {
    let (mut state, ledger) = (begun(), Tenant::ledger());
    let root = |size| {
        Body::MapRoot(MapRoot {
            size,
            root: "0".repeat(64),
        })
    };
    let size = state.size();
    assert_eq!(decide(&state, &ledger, &root(size)), Ok(()));
    assert_eq!(decide(&state, &ledger, &root(0)), Ok(()));
    assert_eq!(decide(&state, &ledger, &root(size + 1)), Err(Denial::MapRootMisplaced));
    assert_eq!(
        decide(&state, &tenant("acme"), &root(size)),
        Err(Denial::MapRootMisplaced)
    );
    evolve(&mut state, &ledger, &root(size));
    assert_eq!(state.map_size(), size);
    assert_eq!(
        State::from_snapshot(&state.to_snapshot()).map(|state| state.map_size()),
        Ok(size)
    );
    assert_eq!(decide(&state, &ledger, &root(size - 1)), Err(Denial::MapRootMisplaced));
    assert_eq!(decide(&state, &ledger, &root(size)), Ok(()));
    // What decide refuses changes nothing where it is met all the same.
    evolve(&mut state, &ledger, &root(size - 1));
    let beyond = root(state.size() + 1);
    evolve(&mut state, &ledger, &beyond);
    evolve(&mut state, &tenant("acme"), &root(size + 1));
    assert_eq!(state.map_size(), size);
}

#[test]
fn denials_have_codes_of_their_own() {
    let all = [
        Denial::GenesisMisplaced,
        Denial::TenantUnknown,
        Denial::TenantExists,
        Denial::SystemSpaceProtected,
        Denial::RotationMisplaced,
        Denial::RecoveryMisplaced,
        Denial::MapRootMisplaced,
        Denial::RotationStale,
        Denial::RotationUnproven,
    ];
    let codes: std::collections::BTreeSet<_> = all.iter().map(|denial| denial.code()).collect();
    assert_eq!(codes.len(), all.len());
    assert!(
        codes
            .iter()
            .all(|code| code.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'))
    );
}

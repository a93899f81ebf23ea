//! Saved answers: every honest page verifies, and says what it proves.

use crate::build::{key, public};
use crate::world::{Asked, NOW, Name, World, options};
use ed25519_dalek::Signer as _;
use record::key::encode_base64;
use serde_json::{Value, json};
use verifier::{Check, Outcome, ProofOptions, ProofReport, Verdict, verify_answer};

pub const ACTOR: Name<'static> = Name("acme", "actor", "agent:a2");
pub const CHAIN: Name<'static> = Name("acme", "", "");

pub fn verify(world: &World, answer: &Value) -> ProofReport {
    let trust = world.trust();
    verify_answer(answer.to_string().as_bytes(), &options(&trust))
}

#[test]
fn every_honest_page_of_every_timeline_verifies() {
    let world = World::lively(40);
    let at = world.newest();
    let kind = Name("zeta", "kind", "audit.event");
    for name in [ACTOR, CHAIN, kind, Name("acme", "session", "session:s1")] {
        let count = world.timeline(name, at.map_size).len() as u64;
        assert!(count >= 4, "{name:?}");
        for newest_first in [true, false] {
            for (start, end) in [(0, count), (1, count), (0, count - 1), (1, count - 1), (2, 3)] {
                for (from, to) in [(false, false), (true, false), (false, true), (true, true)] {
                    let (head, tail) = (end == count || to, start == 0 || from);
                    let (first, last) = if newest_first { (head, tail) } else { (tail, head) };
                    let asked = Asked {
                        newest_first,
                        rows: start..end,
                        cursor: !first,
                        has_more: !last,
                        from,
                        to,
                    };
                    let report = verify(&world, &world.answer(name, &asked, &at));
                    let told = format!("{name:?} {asked:?}: {:#?} {:#?}", report.findings, report.verdicts);
                    assert_eq!(report.outcome(), Outcome::Verified, "{told}");
                    assert_eq!(report.facts.records, end - start, "{told}");
                }
            }
        }
    }
}

#[test]
fn an_answer_written_with_other_white_space_is_the_same_answer() {
    let world = World::lively(20);
    let answer = world.answer(ACTOR, &Asked::all(5), &world.newest());
    let trust = world.trust();
    let pretty = serde_json::to_vec_pretty(&answer).unwrap();
    let report = verify_answer(&pretty, &options(&trust));
    assert_eq!(report.outcome(), Outcome::Verified, "{:#?}", report.findings);
}

#[test]
fn absence_is_proven_and_a_row_of_an_absent_timeline_is_not() {
    let world = World::lively(20);
    let at = world.newest();
    let nobody = Name("acme", "subject", "agent:nobody");
    let mut answer = world.answer(nobody, &Asked::all(0), &at);
    let report = verify(&world, &answer);
    assert_eq!(report.outcome(), Outcome::Verified, "{:#?}", report.findings);
    answer["data"] = json!([world.json(4)]);
    let report = verify(&world, &answer);
    assert_eq!(report.findings[0].check, Check::Completeness);
}

#[test]
fn an_empty_span_is_proven_by_two_neighbours() {
    let world = World::lively(30);
    let at = world.newest();
    let asked = Asked {
        from: true,
        to: true,
        ..Asked::all(0)
    };
    let asked = Asked { rows: 3..3, ..asked };
    let mut answer = world.answer(ACTOR, &asked, &at);
    // The neighbours are positions 2 and 3; the span lies between them.
    let third = world.timeline(ACTOR, at.map_size)[3].record.ts;
    answer["query"]["recorded_from"] = json!(record::Timestamp::from_micros(third.micros() - 1).unwrap().to_string());
    let report = verify(&world, &answer);
    assert_eq!(report.outcome(), Outcome::Verified, "{:#?}", report.findings);
    let part = &mut answer["boundary"];
    part.as_object_mut().unwrap().remove("before");
    let report = verify(&world, &answer);
    assert_eq!(report.findings[0].check, Check::Completeness, "{:#?}", report.findings);
}

#[test]
fn rows_that_are_too_new_are_listed_and_not_claimed() {
    let mut world = World::lively(20);
    let at = world.newest();
    (0..8).for_each(|number| world.event(number));
    let count = world.timeline(CHAIN, at.map_size).len() as u64;
    let mut answer = world.answer(CHAIN, &Asked::all(count), &at);
    let report = verify(&world, &answer);
    assert_eq!(report.outcome(), Outcome::Verified, "{:#?}", report.findings);
    assert_eq!(report.facts.unproven.len(), 4);
    answer["unproven"].as_array_mut().unwrap().pop();
    assert_eq!(verify(&world, &answer).findings[0].check, Check::Completeness);
    // A page that is full of them proves nothing, and says so.
    let mut answer = world.answer(CHAIN, &Asked::all(count), &at);
    answer["data"].as_array_mut().unwrap().truncate(4);
    answer["has_more"] = json!(true);
    answer["proof"].as_object_mut().unwrap().remove("range");
    let report = verify(&world, &answer);
    assert_eq!(report.outcome(), Outcome::Unchecked, "{:#?}", report.findings);
    assert!(matches!(
        report.verdict(Check::Completeness),
        Some(Verdict::NotChecked(_))
    ));
}

/// Adds the records behind `as_of` that belong to the whole chain to a page, on the side on which they stand.
fn with_newer(world: &World, page: &Value, newest_first: bool) -> Value {
    let mut page = page.clone();
    let as_of = page["proof"]["as_of"].as_u64().unwrap();
    let newer = world
        .timeline(CHAIN, world.size())
        .into_iter()
        .map(|one| one.record.offset);
    let newer: Vec<u64> = newer.filter(|offset| *offset >= as_of).collect();
    let rows = page["data"].as_array_mut().unwrap();
    for offset in &newer {
        let at = if newest_first { 0 } else { rows.len() };
        rows.insert(at, world.json(*offset));
    }
    page["unproven"] = json!(newer);
    page
}

#[test]
fn nothing_is_left_out_between_the_proven_rows_and_newer_ones() {
    let mut world = World::lively(20);
    let at = world.newest();
    (0..8).for_each(|number| world.event(number));
    let count = world.timeline(CHAIN, at.map_size).len() as u64;
    for newest_first in [true, false] {
        for (end, outcome) in [(count, Outcome::Verified), (count - 2, Outcome::Failed)] {
            let asked = Asked {
                newest_first,
                rows: 1..end,
                cursor: true,
                has_more: true,
                from: false,
                to: false,
            };
            let page = with_newer(&world, &world.answer(CHAIN, &asked, &at), newest_first);
            let report = verify(&world, &page);
            assert_eq!(
                report.outcome(),
                outcome,
                "{newest_first} {end}: {:#?}",
                report.findings
            );
            let found = report
                .findings
                .iter()
                .all(|finding| finding.check == Check::Completeness);
            assert!(found, "{:#?}", report.findings);
        }
    }
}

#[test]
fn an_empty_page_has_nothing_behind_it() {
    let world = World::lively(30);
    let asked = Asked {
        rows: 3..3,
        to: true,
        has_more: true,
        ..Asked::all(0)
    };
    // The neighbour at the newer end alone: what lies at the older end is not shown.
    let report = verify(&world, &world.answer(ACTOR, &asked, &world.newest()));
    assert_eq!(report.findings[0].check, Check::Completeness, "{:#?}", report.verdicts);
}

#[test]
fn a_row_that_no_checkpoint_covers_is_signed_by_a_key_that_one_vouches_for() {
    let mut world = World::lively(20);
    let at = world.newest();
    (0..8).for_each(|number| world.event(number));
    let count = world.timeline(CHAIN, at.map_size).len() as u64;
    let mut answer = world.answer(CHAIN, &Asked::all(count), &at);
    let row = &mut answer["data"][0];
    assert_eq!(answer_key(row), public(4).to_base64());
    let hash = record::Hash::from_hex(row["hash"].as_str().unwrap()).unwrap();
    let forged = key(99).sign(&record::draft::signed_message(&hash));
    row["pub_key"] = json!(public(99).to_base64());
    row["sig"] = json!(encode_base64(&forged.to_bytes()));
    let report = verify(&world, &answer);
    assert_eq!(report.outcome(), Outcome::Unchecked, "{:#?}", report.findings);
    assert!(matches!(report.verdict(Check::Key), Some(Verdict::NotChecked(_))));
}

fn answer_key(row: &Value) -> &str {
    row["pub_key"].as_str().unwrap()
}

#[test]
fn a_newer_row_belongs_to_the_timeline_and_the_span_as_well() {
    let mut world = World::lively(20);
    let at = world.newest();
    (0..8).for_each(|number| world.event(number));
    let count = world.timeline(CHAIN, at.map_size).len() as u64;
    let honest = world.answer(CHAIN, &Asked::all(count), &at);
    let other = world.timeline(Name("zeta", "", ""), world.size());
    let other = other.last().unwrap().record.offset;
    assert!(other >= at.map_size);
    let mut foreign = honest.clone();
    foreign["data"][0] = world.json(other);
    foreign["unproven"][3] = json!(other);
    let mut late = honest;
    late["query"]["recorded_to"] = late["data"][1]["ts"].clone();
    for bent in [foreign, late] {
        let report = verify(&world, &bent);
        assert_eq!(report.outcome(), Outcome::Failed, "{:#?}", report.verdicts);
        assert_eq!(report.findings[0].check, Check::Completeness, "{:#?}", report.findings);
    }
}

#[test]
fn a_label_without_timelines_is_never_proven_absent() {
    let world = World::lively(20);
    let at = world.newest();
    for name in [Name("acme", "trace", "trace:t1"), Name("acme", "", "agent:a2")] {
        let report = verify(&world, &world.answer(name, &Asked::all(0), &at));
        assert_eq!(
            report.findings[0].check,
            Check::Readable,
            "{name:?} {:#?}",
            report.verdicts
        );
        let bundle = world.timeline_bundle(name, 0..0, &at);
        let trust = world.trust();
        let report = verifier::verify_bundle(bundle.into_iter().map(Ok), &options(&trust));
        assert_eq!(
            report.findings[0].check,
            Check::Readable,
            "{name:?} {:#?}",
            report.verdicts
        );
    }
}

#[test]
fn a_key_at_the_end_of_a_way_is_another_one_than_that_which_is_asked_about() {
    let world = World::lively(20);
    let honest = world.answer(ACTOR, &Asked::all(5), &world.newest());
    let keys = [
        ("top", tlog::MapKey::tenant("acme")),
        ("map", tlog::MapKey::timeline("actor", "agent:a2")),
    ];
    for (way, key) in keys {
        let mut answer = honest.clone();
        assert_eq!(verify(&world, &answer).outcome(), Outcome::Verified);
        answer["proof"][way]["end"]["key"] = json!(record::Hash::from(*key.as_bytes()).to_string());
        let report = verify(&world, &answer);
        assert_eq!(report.findings[0].check, Check::Maps, "{way} {:#?}", report.verdicts);
    }
}

#[test]
fn what_a_failed_proof_would_have_said_is_not_said() {
    let world = World::lively(20);
    let mut answer = world.answer(ACTOR, &Asked::all(5), &world.newest());
    assert_ne!(verify(&world, &answer).to_json()["claims"], json!([]));
    answer["data"].as_array_mut().unwrap().pop();
    assert_eq!(verify(&world, &answer).to_json()["claims"], json!([]));
}

#[test]
fn what_the_server_cannot_prove_is_not_called_right() {
    let world = World::lively(8);
    let answer = json!({
        "data": [world.json(3)], "has_more": false, "completeness": "not_provable",
        "reason": {"code": "TEXT_SEARCH", "text": "a free text is not provable"},
    });
    let report = verify(&world, &answer);
    assert_eq!(report.outcome(), Outcome::Unchecked);
    let lines = report.lines().join("\n");
    assert!(lines.contains("a free text is not provable"), "{lines}");
}

#[test]
fn without_a_trust_file_or_with_another_one_nothing_is_verified() {
    let world = World::lively(20);
    let answer = world.answer(ACTOR, &Asked::all(5), &world.newest()).to_string();
    let report = verify_answer(answer.as_bytes(), &ProofOptions::default());
    assert_eq!(report.outcome(), Outcome::Unchecked, "{:#?}", report.findings);
    let mut trust = world.trust();
    trust.origin = record::Origin::parse("example.com/other").unwrap();
    let report = verify_answer(answer.as_bytes(), &options(&trust));
    assert_eq!(report.findings[0].check, Check::Trust);
    let mut trust = world.trust();
    trust.checkpoint_keys.pop();
    let report = verify_answer(answer.as_bytes(), &options(&trust));
    assert_eq!(
        report.findings[0].check,
        Check::Checkpoints,
        "the key that signed is not pinned"
    );
}

#[test]
fn age_is_judged_by_the_witnesses_and_only_when_somebody_asks() {
    let world = World::lively(20);
    let answer = world.answer(ACTOR, &Asked::all(5), &world.newest()).to_string();
    let trust = world.trust();
    let verify = |now: Option<i64>, max_age: Option<u64>| {
        let options = ProofOptions {
            now,
            max_age,
            ..options(&trust)
        };
        verify_answer(answer.as_bytes(), &options)
    };
    let fresh = verify(Some(NOW), Some(5));
    assert_eq!((fresh.outcome(), fresh.facts.age), (Outcome::Verified, Some(5)));
    assert!(fresh.facts.dated.is_some_and(|dated| dated.by_witnesses));
    let stale = verify(Some(NOW + 1), Some(5));
    assert_eq!(stale.verdict(Check::Freshness), Some(&Verdict::Failed(1)));
    let early = verify(Some(NOW - 1_000), Some(5));
    assert_eq!(early.verdict(Check::Freshness), Some(&Verdict::Failed(1)));
    assert!(matches!(
        verify(None, Some(5)).verdict(Check::Freshness),
        Some(Verdict::NotChecked(_))
    ));
    assert_eq!(verify(Some(NOW), None).outcome(), Outcome::Verified);
}

#[test]
fn the_report_says_the_same_in_words_and_in_json() {
    let world = World::lively(20);
    let report = verify(&world, &world.answer(ACTOR, &Asked::all(5), &world.newest()));
    let json = report.to_json();
    assert_eq!(
        (&json["outcome"], &json["subject"]),
        (&json!("verified"), &json!("answer"))
    );
    assert_eq!(json["checks"].as_object().unwrap().len(), Check::PROOF.len());
    assert_eq!(json["witnesses"]["met"], true);
    let lines = report.lines();
    assert!(
        lines.iter().any(|line| line == "witnesses: 2 of 3, without w23"),
        "{lines:#?}"
    );
    assert_eq!(lines.last().map(String::as_str), Some("verified"));
}

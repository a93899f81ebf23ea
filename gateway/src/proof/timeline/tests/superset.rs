//! Pages of which several conditions hold at once, and what the verifier says to each way of falsifying one.

use super::{PATH, accepted, filled, offsets, report};
use crate::trial::{Trial, event};
use serde_json::{Value, json};
use verifier::{Check, Outcome, Verdict};

/// An event of an actor in a session.
fn step(actor: &str, session: &str) -> Value {
    let mut event = event(actor, "x", "success");
    let links = event["links"].as_array_mut().unwrap();
    links.push(json!({"label": "session", "target": session}));
    event
}

/// Offsets 2 to 25: agent:a1 and agent:a2 by turns, session:s1 in every third, and session:s2 in the others.
async fn sessions() -> Trial {
    let trial = Trial::new();
    for at in 0..24 {
        let actor = if at % 2 == 0 { "agent:a1" } else { "agent:a2" };
        let session = if at % 3 == 0 { "session:s1" } else { "session:s2" };
        trial.append(&step(actor, session)).await;
    }
    trial.memory.checkpoint();
    trial
}

const BOTH: &str = "actor=agent:a1&session=session:s1";

fn list(page: &Value, name: &str) -> Vec<u64> {
    let rows = page[name].as_array().unwrap();
    rows.iter().map(|row| row["offset"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn the_smaller_timeline_proves_every_page_of_both() {
    let trial = sessions().await;
    for question in [
        BOTH,
        "q=session:session:s1+actor:agent:a1",
        "kind=audit.event&actor=agent:a2",
        "kind=audit.event&actor=agent:a1&session=session:s2",
        "actor=agent:a1&session=session:s1&recorded_from=2026-11-20T12:00:05Z&recorded_to=2026-11-20T12:00:19Z",
        "kind=tenant.created&actor=agent:a1",
        "actor=agent:nobody&session=session:s1",
        "q=actor:agent:a1+actor:agent:a2",
        "actor=agent:a1&session=session:s1&recorded_to=2020-01-01",
    ] {
        for order in ["asc", "desc"] {
            for limit in ["1", "2", "50"] {
                let mut walked = Vec::new();
                let mut places = Vec::new();
                let mut query = format!("{question}&order={order}&limit={limit}");
                loop {
                    let page = accepted(&trial, &query, "superset").await;
                    walked.extend(offsets(&page));
                    places.extend([offsets(&page), list(&page, "others")].concat());
                    let Some(cursor) = page["next_cursor"].as_str() else {
                        break;
                    };
                    query = format!("{question}&order={order}&limit={limit}&cursor={cursor}");
                }
                let plain = trial.get(&format!("/v1/audit/timeline?{question}&order={order}")).await;
                assert_eq!(walked, offsets(&plain.json()), "{question} {order} {limit}");
                // Pages follow each other in the one timeline too: nothing of it is shown twice.
                let shown = places.len();
                places.sort_unstable();
                places.dedup();
                assert_eq!(places.len(), shown, "{question} {order} {limit}");
            }
        }
    }
    let page = accepted(&trial, BOTH, "superset").await;
    assert_eq!(
        (offsets(&page), list(&page, "others")),
        (vec![20, 14, 8, 2], vec![23, 17, 11, 5])
    );
    assert_eq!(
        (&page["query"]["label"], &page["query"]["and"]),
        (&json!("session"), &json!([{"label": "actor", "target": "agent:a1"}]))
    );
    let twice = trial.get(&format!("{PATH}&actor=agent:a1&q=actor:agent:a1")).await;
    assert_eq!(
        twice.json()["completeness"],
        "proven",
        "one condition is one, however often it is said"
    );
}

#[tokio::test]
async fn rows_that_are_too_new_are_listed() {
    let trial = sessions().await;
    trial.append(&step("agent:a1", "session:s1")).await;
    trial.append(&step("agent:a2", "session:s1")).await;
    for (order, rows) in [("desc", [27, 20, 14, 8, 2]), ("asc", [2, 8, 14, 20, 27])] {
        let page = accepted(&trial, &format!("{BOTH}&order={order}"), "superset").await;
        assert_eq!((offsets(&page), &page["unproven"]), (rows.to_vec(), &json!([27])));
        assert_eq!(
            list(&page, "others").len(),
            4,
            "the newest of the others is not covered either"
        );
    }
    let answer = trial.get(&format!("{PATH}&{BOTH}&limit=1")).await;
    assert_eq!(answer.json()["reason"]["code"], "not_yet");
}

#[tokio::test]
async fn what_stands_between_may_be_too_much() {
    let trial = Trial::new();
    trial.append(&step("agent:a1", "session:s1")).await;
    for _ in 0..501 {
        trial.append(&event("agent:a1", "x", "success")).await;
    }
    for _ in 0..700 {
        trial.append(&step("agent:a2", "session:s1")).await;
    }
    trial.append(&step("agent:a1", "session:s1")).await;
    trial.memory.checkpoint();
    for query in [
        BOTH.to_owned(),
        format!("{BOTH}&order=asc"),
        format!("{BOTH}&order=asc&limit=2"),
    ] {
        let answer = trial.get(&format!("{PATH}&{query}")).await;
        let page = answer.json();
        assert_eq!(
            (&page["completeness"], &page["reason"]["code"]),
            (&json!("not_provable"), &json!("stretch_too_long")),
            "{query}"
        );
        assert!(page["reason"]["text"].as_str().unwrap().contains("too many"));
        assert_eq!((page.get("others"), answer.header("etag")), (None, ""));
        assert_eq!(report(&trial.memory, &answer.body).outcome(), Outcome::Unchecked);
    }
    // A smaller page, or a shorter span, ends before it is too much.
    let page = accepted(&trial, &format!("{BOTH}&limit=1"), "superset").await;
    assert_eq!((offsets(&page).len(), list(&page, "others").len()), (1, 0));
    let late = accepted(
        &trial,
        &format!("{BOTH}&recorded_from=2026-11-20T12:20:00Z"),
        "superset",
    )
    .await;
    assert_eq!(offsets(&late).len(), 1);
}

#[tokio::test]
async fn large_records_are_too_much_sooner() {
    let trial = Trial::new();
    trial.append(&step("agent:a1", "session:s1")).await;
    for _ in 0..9 {
        let mut large = step("agent:a1", "session:s2");
        large["payload"]["data"] = json!({"text": "x".repeat(600_000)});
        trial.append(&large).await;
    }
    trial.append(&step("agent:a2", "session:s1")).await;
    for _ in 0..20 {
        trial.append(&step("agent:a3", "session:s1")).await;
    }
    trial.memory.checkpoint();
    let answer = trial.get(&format!("{PATH}&{BOTH}")).await;
    assert_eq!(answer.json()["reason"]["code"], "stretch_too_long");
}

#[tokio::test]
async fn a_read_model_that_has_lost_a_row_or_a_link_is_found_out() {
    for lost in [2, 5, 8, 20, 23] {
        let trial = sessions().await;
        trial.memory.lost.lock().unwrap().push(lost);
        let answer = trial.get(&format!("{PATH}&{BOTH}")).await;
        assert_eq!(answer.code(), "READ_MODEL_DAMAGED", "{lost}");
    }
    for unlinked in [2, 8, 20] {
        let trial = sessions().await;
        trial.memory.unlinked.lock().unwrap().push((unlinked, "actor"));
        let answer = trial.get(&format!("{PATH}&{BOTH}")).await;
        assert_eq!(answer.code(), "READ_MODEL_DAMAGED", "{unlinked}");
    }
}

type Change = fn(&mut Value, usize);

#[tokio::test]
async fn an_answer_that_was_changed_is_refused() {
    let trial = sessions().await;
    let remove: Change = |page, at| {
        page["data"].as_array_mut().unwrap().remove(at);
    };
    let remove_other: Change = |page, at| {
        page["others"].as_array_mut().unwrap().remove(at);
    };
    let hide: Change = |page, at| {
        let row = page["data"].as_array_mut().unwrap().remove(at);
        let others = page["others"].as_array_mut().unwrap();
        others.push(row);
        others.sort_by_key(|row| std::cmp::Reverse(row["offset"].as_u64()));
    };
    let show: Change = |page, at| {
        let row = page["others"].as_array_mut().unwrap().remove(at);
        let data = page["data"].as_array_mut().unwrap();
        data.push(row);
        data.sort_by_key(|row| std::cmp::Reverse(row["offset"].as_u64()));
    };
    let twice: Change = |page, at| {
        let row = page["data"][at].clone();
        page["others"].as_array_mut().unwrap().push(row);
    };
    let relabel: Change = |page, at| page["others"][at]["links"][0]["target"] = json!("agent:a1");
    let unlink: Change = |page, at| page["data"][at]["links"][0]["target"] = json!("agent:a2");
    for query in [BOTH.to_owned(), format!("{BOTH}&recorded_from=2026-11-20T12:00:05Z")] {
        let page = accepted(&trial, &query, "superset").await;
        let (rows, others) = (offsets(&page).len(), list(&page, "others").len());
        for (change, places, check, name) in [
            (remove, rows, Check::Completeness, "a row left out"),
            (remove_other, others, Check::Completeness, "another left out"),
            (hide, rows, Check::Completeness, "a row among the others"),
            (show, others, Check::Completeness, "another among the rows"),
            (twice, rows, Check::Completeness, "a row twice"),
            (relabel, others, Check::Hash, "another's actor changed"),
            (unlink, rows, Check::Hash, "a row's actor changed"),
        ] {
            for at in 0..places {
                let mut changed = page.clone();
                change(&mut changed, at);
                let report = report(&trial.memory, changed.to_string().as_bytes());
                assert_eq!(report.outcome(), Outcome::Failed, "{name} {at}");
                let failed = matches!(report.verdict(check), Some(Verdict::Failed(_)));
                assert!(failed, "{name} {at}: {:#?}", report.lines());
            }
        }
    }
}

#[tokio::test]
async fn the_form_of_one_proof_does_not_pass_for_the_other() {
    let trial = sessions().await;
    let page = accepted(&trial, BOTH, "superset").await;
    let alone = trial.get(&format!("{PATH}&session=session:s1")).await.json();
    let change = |page: &Value, change: fn(&mut Value)| {
        let mut changed = page.clone();
        change(&mut changed);
        report(&trial.memory, changed.to_string().as_bytes())
    };
    for (name, report) in [
        (
            "said to be proven",
            change(&page, |page| page["completeness"] = json!("proven")),
        ),
        (
            "without conditions",
            change(&page, |page| page["query"]["and"] = json!([])),
        ),
        (
            "without others",
            change(&page, |page| {
                page.as_object_mut().unwrap().remove("others");
            }),
        ),
        (
            "a condition that has no timelines",
            change(&page, |page| {
                page["query"]["and"][0]["label"] = json!("cause");
            }),
        ),
        (
            "another condition",
            change(&page, |page| {
                page["query"]["and"][0]["target"] = json!("agent:a2");
            }),
        ),
        (
            "a condition more",
            change(&page, |page| {
                let more = json!({"label": "kind", "target": "audit.other"});
                page["query"]["and"].as_array_mut().unwrap().push(more);
            }),
        ),
        (
            "conditions on one timeline's page",
            change(&alone, |page| {
                page["query"]["and"] = json!([{"label": "kind", "target": "audit.event"}]);
            }),
        ),
        (
            "others on one timeline's page",
            change(&alone, |page| page["others"] = json!([])),
        ),
        (
            "one timeline's page as several",
            change(&alone, |page| page["completeness"] = json!("superset")),
        ),
    ] {
        assert_eq!(report.outcome(), Outcome::Failed, "{name}: {:#?}", report.lines());
    }
    let filled = filled().await;
    let none = accepted(&filled, "actor=agent:a1&session=session:none", "superset").await;
    assert_eq!((offsets(&none), list(&none, "others")), (vec![], vec![]));
}

#[tokio::test]
async fn what_was_passed_by_before_a_newer_row_is_missed() {
    let trial = sessions().await;
    trial.append(&step("agent:a1", "session:s1")).await;
    let page = trial
        .get(&format!("{PATH}&actor=agent:a1&order=asc&limit=13"))
        .await
        .json();
    assert_eq!(
        (page["unproven"].clone(), page["has_more"].clone()),
        (json!([27]), json!(false))
    );
    // The same page cut short before the newer row, with the range of what is left: an honest proof of fewer rows.
    let short = trial
        .get(&format!("{PATH}&actor=agent:a1&order=asc&limit=5"))
        .await
        .json();
    let mut jumps = short.clone();
    let newer = page["data"][12].clone();
    jumps["data"].as_array_mut().unwrap().push(newer);
    jumps["unproven"] = json!([27]);
    assert_eq!(
        report(&trial.memory, short.to_string().as_bytes()).outcome(),
        Outcome::Verified
    );
    let report = report(&trial.memory, jumps.to_string().as_bytes());
    let failed = matches!(report.verdict(Check::Completeness), Some(Verdict::Failed(_)));
    assert!(failed, "{:#?}", report.lines());
}

//! How the witnesses are, on the board and in metrics. A log line is written by the board, and only on a change.

use gateway::ops::{Board, Kind};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tlog::Policy;
use witness::{Standing, Watching};

const PART: &str = "witnesses";
/// How often the board is brought up to date.
const PERIOD: Duration = Duration::from_millis(500);

/// Keeps the board's part `witnesses` true.
pub(super) async fn keep(board: Arc<Board>, watching: Watching, policy: Policy) {
    loop {
        match judged(&watching.standings(), &policy) {
            Ok(()) => board.works(PART),
            Err(Some(reason)) => board.limps(PART, reason),
            // Nobody was asked yet.
            Err(None) => {}
        }
        tokio::time::sleep(PERIOD).await;
    }
}

/// What is wrong with the witnesses, in one sentence.
fn judged(standings: &[Standing], policy: &Policy) -> Result<(), Option<String>> {
    let well: BTreeSet<&str> = names(standings.iter().filter(|standing| standing.is_well())).collect();
    if well.len() == standings.len() {
        return Ok(());
    }
    let failed = standings.iter().filter(|standing| standing.failure.is_some());
    let reasons: Vec<String> = failed
        .filter_map(|standing| Some(format!("{}: {}", standing.name, standing.failure.as_ref()?)))
        .collect();
    if reasons.is_empty() {
        return Err(None);
    }
    let quorum = if policy.is_met_by(&well) {
        "the quorum is met"
    } else {
        "the quorum is not met"
    };
    let (well, all) = (well.len(), standings.len());
    Err(Some(format!(
        "{well} of {all} cosign, {quorum}; {}",
        reasons.join("; ")
    )))
}

fn names<'a>(standings: impl Iterator<Item = &'a Standing>) -> impl Iterator<Item = &'a str> {
    standings.map(|standing| standing.name.as_str())
}

/// Shows numbers for alerts.
pub(super) fn meters(board: &Board, watching: &Watching, policy: &Policy) {
    let text = "Witnesses whose last answer was a cosignature.";
    let from = watching.clone();
    board.meter("witnesses_ok", Kind::Gauge, text, move || {
        Some(from.standings().iter().filter(|standing| standing.is_well()).count() as f64)
    });
    let text = "Witnesses that the policy says how to ask.";
    let asked = watching.standings().len();
    board.meter("witnesses_asked", Kind::Gauge, text, move || Some(asked as f64));
    let text = "1 while those that are well make a quorum.";
    let (from, policy) = (watching.clone(), policy.clone());
    board.meter("witnesses_quorum", Kind::Gauge, text, move || {
        let standings = from.standings();
        let well: BTreeSet<&str> = names(standings.iter().filter(|standing| standing.is_well())).collect();
        Some(f64::from(u8::from(policy.is_met_by(&well))))
    });
    each(board, watching, "witness_last_success_seconds", LAST, |standing| {
        Some(standing.last_success? as f64)
    });
    each(board, watching, "witness_size", SIZE, |standing| {
        Some(standing.size? as f64)
    });
    each(board, watching, "witness_up", UP, |standing| {
        Some(f64::from(u8::from(standing.is_well())))
    });
}

const LAST: &str = "When the witness last cosigned, in seconds since the Unix epoch.";
const SIZE: &str = "Records of the largest checkpoint that the witness has cosigned.";
const UP: &str = "1 while the witness's last answer was a cosignature.";

/// One metric with a value for each witness. Names are those of the policy, which somebody wrote on this machine.
fn each(
    board: &Board,
    watching: &Watching,
    name: &str,
    text: &'static str,
    value: impl Fn(&Standing) -> Option<f64> + Copy + Send + Sync + 'static,
) {
    for (place, standing) in watching.standings().iter().enumerate() {
        let label = standing.name.replace(['\\', '"'], "_");
        let from = watching.clone();
        let full = format!("{name}{{witness=\"{label}\"}}");
        board.meter(full, Kind::Gauge, text, move || {
            from.standings().get(place).and_then(value)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use witness::{Failing, Failure};

    fn standing(name: &str, last_success: Option<u64>, reason: Option<&str>) -> Standing {
        Standing {
            name: name.to_owned(),
            size: None,
            last_success,
            failure: reason.map(|reason| Failure {
                kind: Failing::Unreachable,
                reason: reason.to_owned(),
            }),
        }
    }

    #[test]
    fn what_is_missing_is_said_with_the_quorum() {
        let key = |name: &str, seed| {
            witness::CosignerKey::new(name, &[seed; 32])
                .unwrap()
                .public()
                .to_string()
        };
        let text = format!(
            "witness a {}\nwitness b {}\ngroup g any a b\nquorum g\n",
            key("a", 1),
            key("b", 2)
        );
        let policy = Policy::parse(&text).unwrap();
        let judge = |a, b| judged(&[a, b], &policy);
        let well = |name| standing(name, Some(1), None);
        assert_eq!(judge(well("a"), well("b")), Ok(()));
        assert_eq!(judge(well("a"), standing("b", None, None)), Err(None), "not asked yet");
        let down = standing("b", Some(1), Some("connection refused"));
        assert_eq!(
            judge(well("a"), down.clone()),
            Err(Some(
                "1 of 2 cosign, the quorum is met; b: connection refused".to_owned()
            ))
        );
        let both = judge(standing("a", None, Some("no answer")), down)
            .unwrap_err()
            .unwrap();
        assert!(
            both.starts_with("0 of 2 cosign, the quorum is not met; a: no answer; b:"),
            "{both}"
        );
    }
}

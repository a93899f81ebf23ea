//! A witness's decision: the published request, each refusal with its status, and a log that forks.

use crate::known_answers::{LEAVES, node};
use crate::naive::{leaves, mth};
use crate::vectors::{CHECKPOINT, ORIGIN, log_key, secret};
use tlog::{AddCheckpoint, Checkpoint, EMPTY_ROOT, Error, Node, Perfect, Refusal, Seen, prove_consistency};

const LABEL: &str = "audit-ledger test vector: log key";

fn log_only() -> String {
    // The log's own line, without the witness's.
    let lines: Vec<&str> = CHECKPOINT.lines().take(5).collect();
    format!("{}\n", lines.join("\n"))
}

fn sign(size: u64, root: Node) -> Checkpoint {
    Checkpoint::sign(size, root, &log_key(), &secret(LABEL))
}

fn request(old: u64, new: u64, all: &[Node]) -> AddCheckpoint {
    let source = |Perfect { height, index }: Perfect| {
        let start = (index << height) as usize;
        Ok::<_, Error>(mth(&all[start..start + (1 << height)]))
    };
    let proof = prove_consistency(old, new, source).unwrap();
    let checkpoint = sign(new, mth(&all[..new as usize]));
    AddCheckpoint::parse(&AddCheckpoint::text(old, &proof, checkpoint.note())).unwrap()
}

fn seen(size: u64, all: &[Node]) -> Seen {
    Seen {
        size,
        root: mth(&all[..size as usize]),
    }
}

#[test]
fn the_published_request_is_what_we_would_write_and_is_granted() {
    let body = format!("old 1\n{}\n{}\n\n{}", base64_of(1), base64_of(2), log_only());
    let request = AddCheckpoint::parse(&body).unwrap();
    assert_eq!(AddCheckpoint::text(1, &request.proof, request.checkpoint.note()), body);
    let known = Seen {
        size: 1,
        root: node(LEAVES[0]),
    };
    assert_eq!(request.judge(ORIGIN, &[log_key()], Some(&known)).unwrap().size(), 3);
}

fn base64_of(leaf: usize) -> &'static str {
    [
        "G7CJKXiZYvWKExZ15qRaGF8u7R2nRNW48t6zbr3EgjE=",
        "JOtn5tZSYS7tElMbyxUNoOcOJEvgA+d5f58fotWa8fE=",
        "TqNtFmcLBWAQ6lqCXCZ7V14XtGnWQQqjxZfWsPzxYdg=",
    ][leaf]
}

#[test]
fn a_log_that_goes_on_is_cosigned_at_every_step() {
    let all = leaves(70);
    let mut known: Option<Seen> = None;
    for size in [0, 1, 2, 7, 8, 8, 31, 70] {
        let old = known.map_or(0, |seen| seen.size);
        let checkpoint = request(old, size, &all)
            .judge(ORIGIN, &[log_key()], known.as_ref())
            .unwrap();
        known = Some(Seen {
            size: checkpoint.size(),
            root: *checkpoint.root(),
        });
    }
}

#[test]
fn each_refusal_has_its_status() {
    let all = leaves(20);
    let keys = [log_key()];
    let status = |request: AddCheckpoint, known: &Seen| request.judge(ORIGIN, &keys, Some(known)).unwrap_err().status();
    assert_eq!(status(request(5, 9, &all), &seen(6, &all)), 409);
    assert_eq!(
        request(5, 9, &all).judge(ORIGIN, &keys, None),
        Err(Refusal::Stale { size: 0 })
    );
    let mut backwards = request(9, 9, &all);
    backwards.old = 12;
    assert_eq!(status(backwards, &seen(12, &all)), 400);
    let mut bent = request(5, 9, &all);
    bent.proof[0] = EMPTY_ROOT;
    assert_eq!(status(bent, &seen(5, &all)), 422);
    let mut short = request(5, 9, &all);
    short.proof.pop();
    assert_eq!(status(short, &seen(5, &all)), 422);
    // A proof where none belongs.
    let mut needless = request(0, 9, &all);
    needless.proof.push(EMPTY_ROOT);
    assert_eq!(needless.judge(ORIGIN, &keys, None).unwrap_err().status(), 422);
    let foreign = request(5, 9, &all).judge("example.com/other", &keys, Some(&seen(5, &all)));
    assert_eq!(foreign.unwrap_err().status(), 403);
    let unsigned = request(5, 9, &all).judge(ORIGIN, &[], Some(&seen(5, &all)));
    assert_eq!(unsigned.unwrap_err().status(), 403);
}

#[test]
fn a_fork_is_not_cosigned() {
    let mut all = leaves(20);
    let known = seen(10, &all);
    // The operator changes a record below what the witness knows and signs the new history.
    all[4] = EMPTY_ROOT;
    for size in [10, 11, 20] {
        let refused = request(10, size, &all).judge(ORIGIN, &[log_key()], Some(&known));
        assert!(
            matches!(refused, Err(Refusal::Inconsistent { size: 10, .. })),
            "{refused:?}"
        );
    }
}

#[test]
fn requests_of_another_form_are_refused() {
    let good = format!("old 1\n{}\n{}\n\n{}", base64_of(1), base64_of(2), log_only());
    for (from, to) in [
        ("old 1", "old 01"),
        ("old 1", "old -1"),
        ("old 1\n", ""),
        ("8fE=", "8fF="),
        ("\n\n", "\n"),
        ("old 1", "new 1"),
    ] {
        assert!(
            AddCheckpoint::parse(&good.replacen(from, to, 1)).is_err(),
            "{from} -> {to}"
        );
    }
    let long = format!("old 1\n{}\n{}", format!("{}\n", base64_of(1)).repeat(64), log_only());
    assert!(AddCheckpoint::parse(&long).is_err());
}

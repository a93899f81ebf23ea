//! A quorum with some witnesses down, retries after 409, forks and rollbacks named, and lines that are not taken.

use crate::log::{Behaviour, Network, ORIGIN, TestLog, cosigner};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tlog::{CheckpointText, Policy};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use witness::{Client, Cosigner, Failing, Head, Watching};

const NAMES: [&str; 3] = ["alpha", "beta", "gamma"];

struct Trial {
    log: Arc<TestLog>,
    network: Arc<Network>,
    cosigners: Vec<Arc<Cosigner>>,
    heads: watch::Sender<Option<Arc<Head>>>,
    watching: Watching,
    running: JoinHandle<()>,
}

fn policy(cosigners: &[Arc<Cosigner>]) -> Policy {
    let mut text = String::new();
    for (name, cosigner) in NAMES.iter().zip(cosigners) {
        writeln!(text, "witness {name} {} https://{name}.example.com", cosigner.public()).unwrap();
    }
    text.push_str("group all 2 alpha beta gamma\nquorum all\n");
    Policy::parse(&text).unwrap()
}

/// A log with three witnesses that all work, and a client that asks them with this timeout.
fn trial(dir: &Path, timeout: Duration) -> Trial {
    let log = TestLog::new("a");
    let cosigners: Vec<_> = NAMES.iter().map(|name| cosigner(name, dir, &log.key)).collect();
    let network = Arc::new(Network::default());
    for (name, cosigner) in NAMES.iter().zip(&cosigners) {
        network.set(name, Behaviour::Real(Arc::clone(cosigner)));
    }
    let client = Client::new(policy(&cosigners), timeout);
    let (heads, receiver) = watch::channel(None);
    let watching = client.watching();
    let running = tokio::spawn(client.run(
        receiver,
        Arc::clone(&log) as _,
        Arc::clone(&network) as _,
        Arc::new(|| 1_800_000_000),
    ));
    Trial {
        log,
        network,
        cosigners,
        heads,
        watching,
        running,
    }
}

impl Trial {
    /// Waits until the witness's last attempt has failed so.
    async fn fails(&self, name: &str, kind: Failing) -> String {
        let found = || {
            let standings = self.watching.standings();
            let standing = standings.iter().find(|standing| standing.name == name).unwrap();
            let failure = standing.failure.as_ref().filter(|failure| failure.kind == kind);
            failure.map(|failure| failure.reason.clone())
        };
        let polled = async {
            loop {
                if let Some(reason) = found() {
                    return reason;
                }
                tokio::time::sleep(Duration::from_millis(5)).await; // waits for: the standing of a witness
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(60), polled).await;
        waited.unwrap_or_else(|_| panic!("{name} does not fail as {kind:?}: {:?}", self.watching.standings()))
    }

    async fn end(self) {
        drop(self.heads);
        self.running.await.unwrap();
    }
}

const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(100);

#[tokio::test]
async fn three_witnesses_cosign_each_checkpoint_and_the_note_satisfies_the_policy() {
    let dir = tempfile::tempdir().unwrap();
    let trial = trial(dir.path(), LONG);
    for size in [1, 2, 50, 100] {
        trial.heads.send_replace(trial.log.head(size));
        let mut names = trial.log.lines(size, 3).await;
        names.sort();
        assert_eq!(names, NAMES);
    }
    let standings = trial.watching.standings();
    assert!(
        standings
            .iter()
            .all(|standing| standing.is_well() && standing.size == Some(100))
    );
    assert_eq!(standings[0].last_success, Some(1_800_000_000));
    let shown = trial.cosigners[0].checkpoint(&witness::origin_hash(ORIGIN)).unwrap();
    assert_eq!(CheckpointText::parse(&shown).unwrap().size(), 100);
    trial.end().await;
}

#[tokio::test]
async fn a_client_that_knows_nothing_goes_on_from_the_size_in_the_409() {
    let dir = tempfile::tempdir().unwrap();
    let trial = trial(dir.path(), LONG);
    trial.heads.send_replace(trial.log.head(33));
    trial.log.lines(33, 3).await;
    // A second client of the same log, as after a restart.
    let again = Client::new(policy(&trial.cosigners), LONG);
    let (heads, receiver) = watch::channel(trial.log.head(77));
    let running = tokio::spawn(again.run(
        receiver,
        Arc::clone(&trial.log) as _,
        Arc::clone(&trial.network) as _,
        Arc::new(|| 1),
    ));
    assert_eq!(trial.log.lines(77, 3).await.len(), 3);
    drop(heads);
    running.await.unwrap();
    // And the first one hears that they have moved on.
    trial.heads.send_replace(trial.log.head(99));
    assert_eq!(trial.log.lines(99, 3).await.len(), 3);
    trial.end().await;
}

#[tokio::test]
async fn a_witness_that_is_silent_or_gone_holds_up_nobody_and_is_asked_again() {
    let dir = tempfile::tempdir().unwrap();
    let trial = trial(dir.path(), SHORT);
    trial.network.set("beta", Behaviour::Silent);
    for size in [1, 2, 3] {
        trial.heads.send_replace(trial.log.head(size));
        let mut names = trial.log.lines(size, 2).await;
        names.sort();
        assert_eq!(names, ["alpha", "gamma"], "a quorum without the silent one");
    }
    let reason = trial.fails("beta", Failing::Unreachable).await;
    assert!(reason.contains("100 ms"), "{reason}");
    assert!(!trial.watching.standings()[1].is_well());
    // Back again, and no new checkpoint comes: it is asked about the newest all the same.
    trial
        .network
        .set("beta", Behaviour::Real(Arc::clone(&trial.cosigners[1])));
    assert!(trial.log.lines(3, 3).await.contains(&"beta".to_owned()));
    assert!(trial.watching.standings()[1].is_well());
    trial.end().await;
}

#[tokio::test]
async fn a_fork_and_a_rollback_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let trial = trial(dir.path(), LONG);
    trial.heads.send_replace(trial.log.head(60));
    trial.log.lines(60, 3).await;
    // The same key, another history.
    let other = TestLog::new("b");
    let client = Client::new(policy(&trial.cosigners), LONG);
    let watching = client.watching();
    let (heads, receiver) = watch::channel(other.head(80));
    let running = tokio::spawn(client.run(
        receiver,
        Arc::clone(&other) as _,
        Arc::clone(&trial.network) as _,
        Arc::new(|| 1),
    ));
    let forked = Trial {
        log: Arc::clone(&other),
        watching,
        heads,
        running,
        network: Arc::clone(&trial.network),
        cosigners: trial.cosigners.clone(),
    };
    for name in NAMES {
        forked.fails(name, Failing::Fork).await;
    }
    assert_eq!(other.count(80), 0, "nobody has cosigned the fork");
    forked.end().await;
    // An older copy of the log goes on from 20 leaves.
    let client = Client::new(policy(&trial.cosigners), LONG);
    let watching = client.watching();
    let (heads, receiver) = watch::channel(trial.log.head(20));
    let running = tokio::spawn(client.run(
        receiver,
        Arc::clone(&trial.log) as _,
        Arc::clone(&trial.network) as _,
        Arc::new(|| 1),
    ));
    let rolled_back = Trial {
        log: Arc::clone(&trial.log),
        watching,
        heads,
        running,
        network: Arc::clone(&trial.network),
        cosigners: trial.cosigners.clone(),
    };
    let reason = rolled_back.fails("alpha", Failing::Ahead).await;
    assert!(reason.contains("60 leaves"), "{reason}");
    rolled_back.end().await;
    trial.end().await;
}

#[tokio::test]
async fn only_lines_of_the_asked_witness_that_verify_are_taken() {
    let dir = tempfile::tempdir().unwrap();
    let trial = trial(dir.path(), LONG);
    // A line by somebody that the policy has under another name, one that is forged, and no lines at all.
    let stranger =
        trial.cosigners[2].add_checkpoint(tlog::AddCheckpoint::text(0, &[], trial.log.checkpoint(9).note()).as_bytes());
    assert_eq!(stranger.status, 200);
    trial.network.set(
        "alpha",
        Behaviour::Chatty(Arc::clone(&trial.cosigners[0]), stranger.body.clone()),
    );
    trial.network.set("beta", Behaviour::Fixed(200, stranger.body));
    trial.heads.send_replace(trial.log.head(9));
    let mut names = trial.log.lines(9, 2).await;
    names.sort();
    assert_eq!(names, ["alpha", "gamma"]);
    trial.fails("beta", Failing::Signature).await;
    assert_eq!(trial.log.count(9), 2);
    trial.end().await;
}

#[tokio::test]
async fn what_a_witness_answers_instead_is_named() {
    for (status, body, kind) in [
        (200, "hello\n", Failing::Signature),
        (200, "", Failing::Signature),
        (403, "", Failing::Unknown),
        (404, "", Failing::Unknown),
        (409, "many\n", Failing::Answer),
        (409, "9\n", Failing::Fork),
        (409, "4\n", Failing::Answer),
        (409, "18446744073709551615\n", Failing::Ahead),
        (422, "", Failing::Fork),
        (500, "", Failing::Answer),
        (302, "", Failing::Answer),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let trial = trial(dir.path(), LONG);
        trial.network.set("beta", Behaviour::Fixed(status, body.to_owned()));
        trial.heads.send_replace(trial.log.head(9));
        trial.fails("beta", kind).await;
        trial.end().await;
    }
}

#[tokio::test]
async fn a_cosignature_of_another_checkpoint_is_none_of_this_one() {
    let dir = tempfile::tempdir().unwrap();
    let trial = trial(dir.path(), LONG);
    let other =
        trial.cosigners[1].add_checkpoint(tlog::AddCheckpoint::text(0, &[], trial.log.checkpoint(3).note()).as_bytes());
    trial.network.set("beta", Behaviour::Fixed(200, other.body));
    trial.heads.send_replace(trial.log.head(9));
    trial.fails("beta", Failing::Signature).await;
    let mut names = trial.log.lines(9, 2).await;
    names.sort();
    assert_eq!(names, ["alpha", "gamma"]);
    trial.end().await;
}

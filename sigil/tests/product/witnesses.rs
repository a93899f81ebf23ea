//! Logs and witnesses of two parties through the real program: a quorum that writes wait for, a witness that is down, and
//! an older copy of a log that no witness cosigns.

use crate::client::{Client, TOKEN};
use crate::cosigner::{init, serve as cosign};
use crate::log::{Log, Ran, event};
use crate::server::Server;
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};
use tlog::{CheckpointText, Policy};

struct House {
    alpha: Log,
    beta: Log,
    names: [&'static str; 2],
}

impl House {
    /// A log, the witnesses of its owner and of another party, and a policy that asks for both.
    fn new() -> (Self, [Server; 2], String) {
        let (alpha, beta) = (Log::new(), Log::new());
        let house = Self {
            alpha,
            beta,
            names: ["alpha.example.com", "beta.example.com"],
        };
        let keys = [init(&house.alpha, house.names[0]), init(&house.beta, house.names[1])];
        let servers = [house.witness(0, "127.0.0.1:0"), house.witness(1, "127.0.0.1:0")];
        let line = |n: usize| {
            let url = servers[n].said["url"].as_str().expect("an address");
            format!("witness {} {} {url}\n", house.names[n], keys[n])
        };
        let [a, b] = house.names;
        let policy = format!("{}{}group both all {a} {b}\nquorum both\n", line(0), line(1));
        (house, servers, policy)
    }

    /// The witness of one party, which cosigns the log of `alpha`.
    fn witness(&self, n: usize, listen: &str) -> Server {
        let own = [&self.alpha, &self.beta][n];
        let trust = self.alpha.trust_file().display().to_string();
        cosign(own, self.names[n], &["--trust", &trust, "--listen", listen])
    }
}

fn service(log: &Log, policy: &str, set: &[&str]) -> Server {
    let policy = log.write("policy", policy).display().to_string();
    let token = log.write("token", format!("{TOKEN}\n")).display().to_string();
    let policy = format!("witnesses.policy_file={policy}");
    let mut args = vec!["--role", "embedded", "--listen", "127.0.0.1:0", "--token-file", &token];
    args.extend(["--set", "log.checkpoint_interval_ms=50", "--set", &policy]);
    set.iter().for_each(|set| args.extend(["--set", set]));
    Server::run(log, "serve", &args)
}

fn until<T>(what: &str, mut poll: impl FnMut() -> Result<T, Value>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match poll() {
            Ok(done) => return done,
            Err(last) => assert!(Instant::now() < deadline, "{what}: {last}"),
        }
        std::thread::sleep(Duration::from_millis(20)); // waits for: what is polled
    }
}

fn witnesses(client: &mut Client) -> Value {
    client.get("/healthz").is(200).json()["parts"]["witnesses"].clone()
}

fn checkpoint(client: &mut Client) -> String {
    String::from_utf8(client.get("/tlog/checkpoint").is(200).body).expect("text")
}

/// Metrics of a log whose witnesses are all well.
fn numbers_say_that_all_is_witnessed(client: &mut Client) {
    let metrics = String::from_utf8(client.get("/metrics").is(200).body).expect("text");
    for line in [
        "witnesses_ok 2",
        "witnesses_quorum 1",
        "witness_up{witness=\"beta.example.com\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    let value = |metrics: &str, name: &str| {
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse::<f64>().ok())
    };
    until("a checkpoint that a quorum has cosigned covers everything", || {
        let metrics = String::from_utf8(client.get("/metrics").is(200).body).expect("text");
        let sizes = ["ledger_head_offset", "checkpoint_size", "witnessed_size"].map(|name| value(&metrics, name));
        let ages = ["checkpoint_age_seconds", "witnessed_age_seconds"].map(|name| value(&metrics, name));
        let is_even = sizes[0].is_some() && sizes.iter().all(|size| *size == sizes[0]);
        let is_young = ages
            .iter()
            .all(|age| age.is_some_and(|age| (0.0..600.0).contains(&age)));
        let is_whole = value(&metrics, "map_backlog_records") == Some(0.0);
        if is_even && is_young && is_whole {
            Ok(())
        } else {
            Err(Value::String(metrics))
        }
    });
}

/// The policy that everybody is given: the same keys, without addresses.
fn the_policy_is_served(client: &mut Client, judge: &Policy) {
    let served = client.get("/v1/checkpoints/policy").is(200);
    let served = Policy::parse(std::str::from_utf8(&served.body).expect("text")).expect("a policy");
    assert!(
        served.witnesses().iter().all(|witness| witness.url.is_none()),
        "{served:?}"
    );
    let keys = |policy: &Policy| {
        policy
            .witnesses()
            .iter()
            .map(|one| one.key.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(keys(&served), keys(judge));
    let note = CheckpointText::parse(&checkpoint(client)).expect("a checkpoint");
    assert!(served.judge(note.note()).expect("they verify").is_met);
}

/// A write without a quorum says where the record is, which is there for readers, and how to hear of the quorum. Gives the
/// record's offset.
fn stored_without_a_quorum(client: &mut Client, record: &Value) -> u64 {
    let missed = client.post(record).expect("an answer");
    assert_eq!(
        (missed.status, missed.problem().as_str()),
        (503, "WITNESS_QUORUM_MISSING")
    );
    let problem = missed.json();
    let offset = problem["offset"].as_u64().expect("an offset");
    assert_eq!(
        (&problem["state"], &problem["retryable"]),
        (&"committed".into(), &true.into())
    );
    assert_eq!(missed.header("sigil-offset"), offset.to_string());
    let (detail, action) = (problem["detail"].to_string(), problem["action"].to_string());
    assert!(
        detail.contains(&crate::log::id(7)) && action.contains("with the same id"),
        "{problem}"
    );
    let path = format!(
        "/v1/records/{}?min_position={}&timeout=20s",
        crate::log::id(7),
        offset + 1
    );
    assert_eq!(client.get(&path).is(200).json()["offset"], offset);
    let many = [("Content-Type", "application/x-ndjson")];
    let many = client.ask("POST /v1/records", &many, record.to_string().as_bytes());
    let line = many.expect("an answer").is(200).json();
    assert_eq!(
        (&line["code"], &line["offset"], &line["line"]),
        (&"WITNESS_QUORUM_MISSING".into(), &offset.into(), &1.into())
    );
    offset
}

#[test]
fn a_write_waits_for_the_quorum_of_two_parties_and_says_when_it_is_missed() {
    let (house, [alpha, beta], policy) = House::new();
    let judge = Policy::parse(&policy).expect("a policy");
    let set = [
        "witnesses.required=true",
        "witnesses.required_wait_ms=20000",
        "witnesses.timeout_ms=1000",
    ];
    let server = service(&house.alpha, &policy, &set);
    let mut client = server.client();
    client.post(&event("agent:a", "one")).expect("an answer").is(201);
    // It is answered, so both have cosigned a checkpoint that covers it.
    let note = CheckpointText::parse(&checkpoint(&mut client)).expect("a checkpoint");
    assert!(judge.judge(note.note()).expect("they verify").is_met);
    until("both are well", || match witnesses(&mut client) {
        part if part["status"] == "ok" => Ok(()),
        part => Err(part),
    });
    numbers_say_that_all_is_witnessed(&mut client);
    the_policy_is_served(&mut client, &judge);
    server.stop();
    // One party's witness is down: the record is stored, the answer says that nobody may rely on it yet.
    let address = beta.said["url"].as_str().expect("an address").replace("http://", "");
    beta.stop();
    let set = [
        "witnesses.required=true",
        "witnesses.required_wait_ms=500",
        "witnesses.timeout_ms=1000",
    ];
    let server = service(&house.alpha, &policy, &set);
    let mut client = server.client();
    let mut record = event("agent:a", "two");
    record["id"] = crate::log::id(7).into();
    let offset = stored_without_a_quorum(&mut client, &record);
    let part = until("it is seen", || match witnesses(&mut client) {
        part if part["status"] == "degraded" => Ok(part),
        part => Err(part),
    });
    let detail = part["detail"].as_str().expect("a sentence");
    assert!(
        detail.contains("1 of 2 cosign, the quorum is not met; beta.example.com: connect"),
        "{detail}"
    );
    assert_eq!(client.get("/readyz").status, 200, "reads and other writes go on");
    // It comes back, and the same record sent again is answered.
    let beta = house.witness(1, &address);
    until("the quorum is met again", || {
        match client.post(&record).expect("an answer") {
            answer if answer.status == 200 => {
                assert_eq!(answer.json()["offset"], offset, "it is stored once");
                Ok(())
            }
            answer => Err(answer.json()),
        }
    });
    server.stop();
    // The log verifies with the quorum in the trust file.
    let trust = std::fs::read(house.alpha.trust_file()).expect("a trust file");
    let mut trust: Value = serde_json::from_slice(&trust).expect("JSON");
    trust["policy"] = policy.into();
    let trust = house.alpha.write("with-policy.trust", trust.to_string());
    let report = house.alpha.verify(&trust).exits(0).json();
    assert_eq!(report["checks"]["witnesses"]["verdict"], "passed", "{report}");
    alpha.stop();
    beta.stop();
}

#[test]
fn two_parties_witness_each_others_logs() {
    let logs = ["alpha.example/audit", "beta.example/audit"].map(Log::named);
    let names = ["witness.alpha.example", "witness.beta.example"];
    let keys = [0, 1].map(|n| init(&logs[n], names[n]));
    // Each party runs one witness, which knows the other party's log and no other.
    let witnesses = [0, 1].map(|n| {
        let trust = logs[1 - n].trust_file().display().to_string();
        cosign(&logs[n], names[n], &["--trust", &trust, "--listen", "127.0.0.1:0"])
    });
    let policies = [0, 1].map(|n| {
        let (name, key) = (names[1 - n], &keys[1 - n]);
        let url = witnesses[1 - n].said["url"].as_str().expect("an address");
        format!("witness {name} {key} {url}\nquorum {name}\n")
    });
    let servers = [0, 1].map(|n| {
        let set = ["witnesses.required=true", "witnesses.required_wait_ms=20000"];
        service(&logs[n], &policies[n], &set)
    });
    for (n, server) in servers.into_iter().enumerate() {
        let mut client = server.client();
        client.post(&event("agent:a", "one")).expect("an answer").is(201);
        let note = CheckpointText::parse(&checkpoint(&mut client)).expect("a checkpoint");
        let judge = |policy: &str| {
            let policy = Policy::parse(policy).expect("a policy");
            policy.judge(note.note()).expect("they verify").is_met
        };
        assert!(judge(&policies[n]), "the other party has cosigned");
        assert!(!judge(&policies[1 - n]), "its own witness has not");
        server.stop();
        let trust = std::fs::read(logs[n].trust_file()).expect("a trust file");
        let mut trust: Value = serde_json::from_slice(&trust).expect("JSON");
        trust["policy"] = policies[n].clone().into();
        let trust = logs[n].write("with-policy.trust", trust.to_string());
        let report = logs[n].verify(&trust).exits(0).json();
        assert_eq!(report["checks"]["witnesses"]["verdict"], "passed", "{report}");
    }
    witnesses.into_iter().for_each(Server::stop);
}

#[test]
fn an_older_copy_of_a_log_is_cosigned_by_nobody() {
    let (house, [alpha, beta], policy) = House::new();
    let old = house.alpha.path("older");
    copy(&house.alpha.data_dir(), &old);
    let server = service(&house.alpha, &policy, &["witnesses.required=true"]);
    let mut client = server.client();
    client.post(&event("agent:a", "one")).expect("an answer").is(201);
    client.post(&event("agent:a", "two")).expect("an answer").is(201);
    server.stop();
    std::fs::remove_dir_all(house.alpha.data_dir()).expect("the log");
    std::fs::rename(&old, house.alpha.data_dir()).expect("the older copy");
    let server = service(&house.alpha, &policy, &[]);
    let mut client = server.client();
    let part = until("it is seen", || match witnesses(&mut client) {
        part if part["status"] == "degraded" => Ok(part),
        part => Err(part),
    });
    let detail = part["detail"].as_str().expect("a sentence");
    assert!(detail.contains("0 of 2 cosign, the quorum is not met"), "{detail}");
    assert!(
        detail.contains("an older copy of the log") || detail.contains("another history"),
        "{detail}"
    );
    let note = CheckpointText::parse(&checkpoint(&mut client)).expect("a checkpoint");
    assert_eq!(note.note().lines().len(), 1, "the log's own line alone");
    server.stop();
    alpha.stop();
    beta.stop();
}

#[test]
fn a_policy_that_cannot_be_used_ends_the_service_before_anything_is_opened() {
    let log = Log::new();
    let key = init(&log, "w.example.com");
    let token = log.write("token", format!("{TOKEN}\n")).display().to_string();
    for (policy, part) in [
        ("nonsense\n".to_owned(), "not a tlog-policy"),
        (
            format!("witness w {key} http://w.example.com\nquorum w\n"),
            "only over https",
        ),
    ] {
        let policy = format!("witnesses.policy_file={}", log.write("policy", policy).display());
        let ran = Ran::of(
            log.command(&["serve", "--listen", "127.0.0.1:0", "--token-file", &token])
                .args(["--set", &policy, "--set", "log.checkpoint_interval_ms=1000"]),
        );
        let ran = ran.exits(2);
        assert!(ran.err.contains(part), "{}", ran.err);
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

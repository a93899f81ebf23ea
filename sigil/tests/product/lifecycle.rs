//! How a server begins and ends: signals, a taken directory or port, keys that do not fit, disks that refuse.

use crate::client::{Client, TOKEN};
use crate::log::{Log, Ran, event, id, sigil};
use crate::server::{Server, errors_of};
use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Appends until the connection ends; every number that was acknowledged, and whether the last one got no answer.
fn append_until_closed(mut client: Client, next: &AtomicU64) -> (Vec<u64>, bool) {
    let mut acknowledged = Vec::new();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let mut record = event("agent:a1", "drain.test");
        record["id"] = id(number).into();
        match client.post(&record) {
            Ok(answer) => {
                assert_eq!(answer.status, 201, "{answer:?}");
                acknowledged.push(number);
                // An orderly server announces its end with the last answer.
                if answer.header("connection") == "close" {
                    return (acknowledged, false);
                }
            }
            Err(_) => return (acknowledged, true),
        }
    }
}

#[test]
fn sigterm_during_writes_drains_and_keeps_everything_acknowledged() {
    let log = Log::new();
    let server = Server::start(&log);
    let next = AtomicU64::new(0);
    let clients: Vec<Client> = (0..8).map(|_| server.client()).collect();
    let (acknowledged, code) = std::thread::scope(|scope| {
        let next = &next;
        let loads: Vec<_> = clients
            .into_iter()
            .map(|client| scope.spawn(move || append_until_closed(client, next)))
            .collect();
        let deadline = Instant::now() + Duration::from_secs(60);
        while next.load(Ordering::Relaxed) < 100 {
            assert!(Instant::now() < deadline, "the server takes records");
            std::thread::sleep(Duration::from_millis(2)); // waits for: writes under way on every connection
        }
        server.signal("TERM");
        let code = server.ended().code();
        let acknowledged: Vec<u64> = loads
            .into_iter()
            .flat_map(|load| load.join().expect("no answer was wrong").0)
            .collect();
        (acknowledged, code)
    });
    assert_eq!(code, Some(0), "{}", errors_of(&log));
    assert!(errors_of(&log).contains("requests under way are finished first"));
    let stored: Vec<String> = log
        .records()
        .iter()
        .map(|record| record["id"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert!(acknowledged.len() >= 50, "{} records are no load", acknowledged.len());
    for number in &acknowledged {
        assert!(stored.contains(&id(*number)), "record {number} was acknowledged");
    }
    let verified = log.verify(&log.trust_file()).exits(0).json();
    assert_eq!(verified["size"], stored.len() as u64);
}

#[test]
fn a_request_whose_body_is_under_way_is_answered_after_sigterm() {
    use std::io::{Read as _, Write as _};
    let log = Log::new();
    let server = Server::start(&log);
    let body = event("agent:a1", "slow").to_string();
    let (first, rest) = body.split_at(10);
    let mut stream = std::net::TcpStream::connect(server.peer).expect("the server listens");
    let head = format!(
        "POST /v1/records HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\
         Expect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut continued = [0; 25];
    // The server asks for the body, so the request is under way.
    stream.read_exact(&mut continued).unwrap();
    assert!(continued.starts_with(b"HTTP/1.1 100 Continue"));
    stream.write_all(first.as_bytes()).unwrap();
    server.signal("TERM");
    let deadline = Instant::now() + Duration::from_secs(30);
    while !errors_of(&log).contains("stopping") {
        assert!(Instant::now() < deadline, "the server does not stop");
        std::thread::sleep(Duration::from_millis(2)); // waits for: the message that the server stops
    }
    stream.write_all(rest.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert_eq!(server.ended().code(), Some(0));
    assert_eq!(log.asked().len(), 3);
}

#[test]
fn ctrl_c_exits_130_and_leaves_a_whole_log() {
    let log = Log::new();
    let server = Server::start(&log);
    server.client().post(&event("agent:a1", "x")).unwrap().is(201);
    server.signal("INT");
    assert_eq!(server.ended().code(), Some(130), "{}", errors_of(&log));
    assert_eq!(log.asked().len(), 3);
    log.verify(&log.trust_file()).exits(0);
}

#[test]
fn a_second_process_on_the_directory_is_refused_by_name() {
    let log = Log::new();
    let server = Server::start(&log);
    let pid = server.pid().to_string();
    for args in [
        &["dev", "--listen", "127.0.0.1:0"][..],
        &["timeline"],
        &["record", "list"],
        &["projection", "status"],
        &["verify"],
    ] {
        let refused = log.run(args).exits(6);
        assert!(
            refused.err.contains("in use") && refused.err.contains(&pid),
            "{args:?}: {refused:?}"
        );
        assert_eq!(refused.out, "", "{args:?}");
    }
    server.client().post(&event("agent:a1", "x")).unwrap().is(201);
    server.kill();
    assert_eq!(log.asked().len(), 3, "a killed process leaves no lock behind");
}

/// One failing run: its code, and words that its one message must hold.
#[track_caller]
fn fails(ran: Ran, code: i32, words: &[&str]) {
    let ran = ran.exits(code);
    assert_eq!(ran.out, "", "nothing failed is data");
    for word in words {
        assert!(ran.err.contains(word), "{word}: {ran:?}");
    }
}

#[test]
fn keys_that_do_not_fit_are_refused_with_what_to_do() {
    let (log, other) = (Log::new(), Log::new());
    let key = log.key_file();
    let path = key.to_str().expect("text").to_owned();
    let wrong = other.key_file();
    fails(
        log.run(&["timeline", "--key-file", wrong.to_str().expect("text")]),
        3,
        &["does not open", "key of another log"],
    );
    std::fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    fails(log.run(&["timeline"]), 1, &[&path, "set its mode to 0600"]);
    std::fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    let whole = std::fs::read(&key).unwrap();
    std::fs::write(&key, b"sigil-key\n").unwrap();
    fails(log.run(&["timeline"]), 1, &[&path]);
    std::fs::remove_file(&key).unwrap();
    fails(log.run(&["timeline"]), 1, &[&path]);
    fails(log.run(&["dev", "--listen", "127.0.0.1:0"]), 1, &[&path]);
    fails(log.run(&["verify"]), 5, &[&path]);
    assert!(!key.exists(), "a missing key is never made up");
    std::fs::write(&key, whole).unwrap();
    std::fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    assert_eq!(log.records().len(), 2);
}

#[test]
fn a_directory_without_a_log_is_told_from_one_with_a_log() {
    let log = Log::new();
    fails(log.run(&["init"]), 1, &["exists already"]);
    let nowhere = log.path("nowhere");
    let args = ["timeline", "--data-dir", nowhere.to_str().expect("text")];
    let ran = Ran::of(sigil().args(args));
    fails(ran, 1, &["holds no log", "sigil init"]);
    assert!(!nowhere.exists(), "opening never creates a log");
}

#[test]
fn where_a_server_may_listen() {
    let log = Log::new();
    fails(
        log.run(&["dev", "--listen", "0.0.0.0:0"]),
        2,
        &["loopback", "127.0.0.1"],
    );
    fails(Ran::of(sigil().args(["demo", "--listen", "[::]:0"])), 2, &["loopback"]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    fails(log.run(&["dev", "--listen", &address]), 6, &[&address]);
    let short = log.write("short", "0123456789abcde\n");
    let short = short.to_str().expect("text");
    fails(
        log.run(&["dev", "--listen", "127.0.0.1:0", "--token-file", short]),
        2,
        &["16 characters"],
    );
    let missing = log.path("missing");
    let missing = missing.to_str().expect("text");
    fails(
        log.run(&["dev", "--listen", "127.0.0.1:0", "--token-file", missing]),
        1,
        &[missing],
    );
}

#[test]
fn a_token_of_the_server_s_own_is_printed_and_one_from_a_file_is_not() {
    let log = Log::new();
    let server = Server::start(&log);
    assert!(!server.said.to_string().contains(TOKEN), "{}", server.said);
    server.client().get("/v1/head").is(200);
    server.stop();
    assert!(!errors_of(&log).contains(TOKEN));
    let server = Server::bare(&log, &[]);
    let own = server.said["token"]
        .as_str()
        .expect("the server says its token")
        .to_owned();
    let bearer = format!("Bearer {own}");
    let asked = server.client().send("GET /v1/head", &[("Authorization", &bearer)], b"");
    asked.unwrap().is(200);
    assert_eq!(own.len(), 32, "128 bits in hex");
    server.stop();
    let server = Server::bare(&log, &[]);
    assert_ne!(server.said["token"], own, "each start has a token of its own");
}

/// A file system of its own, taken away at the end.
struct Disk(PathBuf);

impl Disk {
    /// Mounts a tmpfs of `size` on a new directory; nothing when this process may not.
    fn mount(path: PathBuf, size: &str) -> Option<Self> {
        std::fs::create_dir(&path).expect("a directory to mount on");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(&path)
            .output();
        if mounted.is_ok_and(|mounted| mounted.status.success()) {
            return Some(Self(path));
        }
        eprintln!("skipped: mounting a file system of {size} needs root");
        None
    }

    fn remount(&self, options: &str) {
        let remounted = Command::new("mount")
            .args(["-o", &format!("remount,{options}")])
            .arg(&self.0)
            .status();
        assert!(remounted.is_ok_and(|status| status.success()), "{options}");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("{} stays mounted", self.0.display());
        }
    }
}

#[test]
fn a_read_only_disk_is_a_clear_error() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let Some(disk) = Disk::mount(dir.path().join("disk"), "256m") else {
        return;
    };
    let log = Log::in_dir(tempfile::tempdir_in(&disk.0).expect("a directory on the disk"));
    disk.remount("ro");
    for args in [
        &["record", "append"][..],
        &["timeline"],
        &["dev", "--listen", "127.0.0.1:0"],
    ] {
        let refused = log.feed(args, &event("agent:a1", "x").to_string()).exits(1);
        assert!(refused.err.contains("Read-only file system"), "{refused:?}");
        assert_eq!(refused.out, "");
    }
    disk.remount("rw");
    assert_eq!(log.asked().len(), 2);
}

#[test]
fn a_full_disk_acknowledges_nothing_that_is_not_stored_and_goes_on_when_there_is_space() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let Some(disk) = Disk::mount(dir.path().join("disk"), "160m") else {
        return;
    };
    let log = Log::in_dir(tempfile::tempdir_in(&disk.0).expect("a directory on the disk"));
    let server = Server::start(&log);
    let ballast = disk.0.join("ballast");
    let (mut client, mut acknowledged, mut refusals) = (server.client(), Vec::new(), Vec::new());
    let numbered = |number: u64| {
        let mut record = event("agent:a1", "full");
        record["id"] = id(number).into();
        record["payload"]["data"] = serde_json::json!({"ballast": "x".repeat(100_000)});
        record
    };
    fill(&ballast);
    for number in 0..3_000 {
        let answer = client.post(&numbered(number)).expect("the server answers");
        match answer.status {
            201 => acknowledged.push(number),
            _ => refusals.push((number, answer.status, answer.problem())),
        }
        if refusals.len() > 3 {
            break;
        }
    }
    eprintln!(
        "{} records before the disk was full, then {refusals:?}",
        acknowledged.len()
    );
    assert!(!refusals.is_empty(), "the disk is full at some point");
    for (_, status, code) in &refusals {
        assert_eq!(*status, 503, "{refusals:?}");
        assert!(
            ["LEDGER_UNAVAILABLE", "COMMIT_UNKNOWN"].contains(&code.as_str()),
            "{refusals:?}"
        );
    }
    std::fs::remove_file(&ballast).expect("the ballast is there");
    let deadline = Instant::now() + Duration::from_secs(60);
    for (number, ..) in &refusals {
        while ![200, 201].contains(&client.post(&numbered(*number)).expect("the server answers").status) {
            assert!(
                Instant::now() < deadline,
                "the ledger goes on when there is space: {}",
                errors_of(&log)
            );
            std::thread::sleep(Duration::from_millis(50)); // waits for: the ledger to notice the space
        }
        acknowledged.push(*number);
    }
    server.stop();
    let stored = log.asked();
    assert_eq!(stored.len(), acknowledged.len() + 2);
    log.verify(&log.trust_file()).exits(0);
}

#[test]
fn a_read_model_without_space_stands_still_and_catches_up() {
    let log = Log::new();
    let Some(disk) = Disk::mount(log.data_dir().join("read-model"), "8m") else {
        return;
    };
    let server = Server::start(&log);
    let ballast = disk.0.join("ballast");
    fill(&ballast);
    let mut client = server.client();
    let mut end = 0;
    for number in 0..100 {
        let mut record = event("agent:a1", "full");
        record["id"] = id(number).into();
        record["payload"]["data"] = serde_json::json!({"ballast": "x".repeat(20_000)});
        let answer = client
            .post(&record)
            .expect("the ledger does not depend on the read model")
            .is(201);
        end = answer.header("sigil-offset").parse::<u64>().expect("an offset") + 1;
    }
    let behind = client
        .get(&format!("/v1/head?min_position={end}&timeout=500ms"))
        .is(503);
    assert_eq!(behind.problem(), "PROJECTION_LAGGING");
    assert!(
        errors_of(&log).contains("the read model stands still"),
        "{}",
        errors_of(&log)
    );
    std::fs::remove_file(&ballast).expect("the ballast is there");
    let caught_up = client.get(&format!("/v1/head?min_position={end}&timeout=29s"));
    assert!(caught_up.is(200).json()["position"].as_u64() >= Some(end));
    server.stop();
    assert_eq!(log.asked().len(), 102);
    log.verify(&log.trust_file()).exits(0);
}

/// Writes zeros until there is no space left.
fn fill(path: &Path) {
    use std::io::Write as _;
    let mut file = std::fs::File::create(path).expect("a file on the disk");
    let chunk = vec![0; 64 * 1_024];
    while file.write_all(&chunk).is_ok() {}
}

//! Anchors against a real log, real files and a real server over TLS. Addresses of this machine stand for those of the
//! internet here: 127.0.0.2 is public, 127.0.0.1 is private. No build but a test's can be told so.

use super::dir::Dir;
use super::https::{Https, RECEIPT_BYTES};
use super::keep::{Keeper, Round};
use super::show::Standing;
use super::{Anchoring, Target, accept_url, known};
use crate::config::Anchors;
use crate::http::{Client, Options, Reach, Url};
use crate::tls;
use domain::payload::AnchorError;
use gateway::ops::{Board, State};
use ledger::{CheckpointConfig, Config, Handle, Init, KeySource};
use ledger_client::LedgerClient as _;
use ledger_client::proof::{Answer, Question, SignedCheckpoint};
use record::{Origin, Record, Slug, Tenant};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use testbed::Certificates;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

const PUBLIC: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const PRIVATE: Ipv4Addr = Ipv4Addr::LOCALHOST;
const ORIGIN: &str = "example.com/audit";
const HOUR: Duration = Duration::from_secs(3_600);

/// A log in a temporary directory that signs checkpoints.
struct Log {
    dir: TempDir,
    handle: Handle,
}

impl Log {
    async fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        ledger::create(Init {
            config: config(dir.path()),
            root_key_file: dir.path().join("root"),
            log: Origin::parse(ORIGIN).expect("an origin"),
            slug: Slug::parse("audit").expect("a slug"),
            tenants: Vec::new(),
        })
        .await
        .expect("a log");
        let handle = Handle::open(config(dir.path())).expect("opens");
        Self { dir, handle }
    }

    fn anchors(&self) -> PathBuf {
        let path = self.dir.path().join("anchors");
        std::fs::create_dir_all(&path).expect("a directory");
        path
    }

    fn keeper(&self, target: Target) -> Keeper {
        let standing = Standing::of(target.kind());
        Keeper::new(self.handle.clone(), target, HOUR, standing, None)
    }

    /// Writes something that is worth an anchor; gives the checkpoint that covers it.
    async fn grow(&self, name: &str) -> SignedCheckpoint {
        let tenant = Tenant::parse(name).expect("a tenant");
        self.handle
            .create_tenant(tenant, name.to_owned())
            .await
            .expect("is written");
        self.covered().await
    }

    /// The checkpoint behind which nothing is left to be covered, so that no other one comes by itself.
    async fn covered(&self) -> SignedCheckpoint {
        let records = self.handle.read(0, 10_000).await.expect("reads");
        let is_worth_one = |bytes: &[u8]| !String::from_utf8_lossy(bytes).contains("\"kind\":\"ledger.map_root\"");
        let last = records
            .iter()
            .rfind(|one| is_worth_one(&one.bytes))
            .expect("a genesis")
            .offset;
        let mut covering = last + 1;
        loop {
            let question = Question::Checkpoint {
                covering,
                witnessed: false,
                wait_ms: 30_000,
            };
            match self.handle.prove(question).await.expect("answers") {
                Answer::Checkpoint(Some(checkpoint)) if checkpoint.map_size > last => return checkpoint,
                Answer::Checkpoint(Some(checkpoint)) if checkpoint.size >= covering => covering = checkpoint.size + 1,
                other => panic!("no checkpoint of {covering} records: {other:?}"),
            }
        }
    }

    /// Payloads of the records of this kind.
    async fn said(&self, kind: &str) -> Vec<serde_json::Value> {
        let records = self.handle.read(0, 10_000).await.expect("reads");
        let records = records
            .iter()
            .map(|one| Record::parse(one.bytes.to_vec()).expect("a record"));
        let of_kind = records.filter(|record| record.kind.as_str() == kind);
        of_kind.map(|record| record.payload).collect()
    }
}

fn config(dir: &Path) -> Config {
    let mut checkpoints = CheckpointConfig::new();
    checkpoints.interval = Duration::from_millis(10);
    Config {
        checkpoints: Some(checkpoints),
        ..Config::new(dir.join("log"), KeySource::File(dir.join("key")))
    }
}

/// What an endpoint does with a connection.
#[derive(Debug, Clone)]
enum Answers {
    /// These bytes, as they are.
    With(String),
    /// These bytes, and then nothing for ever.
    Hanging(String),
}

impl Answers {
    fn receipt(text: &str) -> Self {
        Self::With(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}",
            text.len()
        ))
    }
}

/// An endpoint over TLS at `127.0.0.2`.
struct Endpoint {
    port: u16,
    certificates: Certificates,
    /// What it answers next.
    next: Arc<std::sync::Mutex<Answers>>,
    /// What it was asked.
    asked: mpsc::UnboundedReceiver<String>,
}

impl Endpoint {
    async fn start(answers: Answers) -> Self {
        let certificates = Certificates::new();
        let server = certificates.server();
        let config = tls::server(&server.certificate, &server.key).expect("a certificate");
        let listener = TcpListener::bind((PUBLIC, 0))
            .await
            .expect("an address of this machine");
        let port = listener.local_addr().expect("it listens").port();
        let next = Arc::new(std::sync::Mutex::new(answers));
        let (asking, asked) = mpsc::unbounded_channel();
        let (acceptor, says) = (TlsAcceptor::from(Arc::new(config)), Arc::clone(&next));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, asking, says) = (acceptor.clone(), asking.clone(), Arc::clone(&says));
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let request = request(&mut stream).await;
                    let answers = says.lock().expect("no test panics with it").clone();
                    let _gone = asking.send(request);
                    let (Answers::With(bytes) | Answers::Hanging(bytes)) = &answers;
                    let _gone = stream.write_all(bytes.as_bytes()).await;
                    if matches!(answers, Answers::Hanging(_)) {
                        let _ended = stream.read(&mut [0; 16]).await;
                    }
                    let _gone = stream.shutdown().await;
                });
            }
        });
        Self {
            port,
            certificates,
            next,
            asked,
        }
    }

    fn answers(&self, answers: Answers) {
        *self.next.lock().expect("no test panics with it") = answers;
    }

    /// A target that asks it under the name of its certificate.
    fn target(&self, timeout: Duration) -> Https {
        self.target_by(timeout, |port| vec![SocketAddr::from((PUBLIC, port))])
    }

    fn target_by(&self, timeout: Duration, names: impl Fn(u16) -> Vec<SocketAddr> + Send + Sync + 'static) -> Https {
        let client = Client::new(Options {
            ca_file: Some(self.certificates.authority()),
            timeout,
            answer_bytes: RECEIPT_BYTES,
            bearer: Some("the-secret".to_owned()),
            reach: Reach::Judged(|ip| ip == IpAddr::V4(PUBLIC)),
        });
        let client = client.resolving(Arc::new(move |_, port| names(port)));
        let url = Url::parse(&format!("https://localhost:{}/checkpoints", self.port)).expect("an address");
        Https::with(client, url)
    }
}

/// One request with its body.
async fn request(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.and_then(|length| length.parse().ok()).unwrap_or(0) {
                return text;
            }
        }
        let mut some = [0; 1_024];
        match stream.read(&mut some).await {
            Ok(count) if count > 0 => read.extend_from_slice(some.get(..count).unwrap_or_default()),
            _ => return text,
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn an_endpoint_gets_the_newest_checkpoint_and_its_receipt_is_a_record() {
    let (log, mut endpoint) = (Log::new().await, Endpoint::start(Answers::receipt("stamp 1")).await);
    let mut keeper = log.keeper(Target::Https(endpoint.target(PATIENCE)));
    let checkpoint = log.grow("acme").await;
    assert_eq!(keeper.round().await, Round::Anchored);
    let asked = endpoint.asked.recv().await.expect("it was asked");
    assert!(asked.starts_with("POST /checkpoints HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("authorization: Bearer the-secret\r\n"), "{asked}");
    assert!(asked.ends_with(&checkpoint.note), "{asked}");
    let said = log.said("checkpoint.anchored").await;
    assert_eq!(said.len(), 1, "{said:?}");
    let place = format!("localhost:{}", endpoint.port);
    assert_eq!(
        (&said[0]["size"], &said[0]["anchor"]),
        (&checkpoint.size.into(), &"https".into())
    );
    assert_eq!(
        (said[0]["place"].as_str(), said[0]["receipt"].as_str()),
        (Some(place.as_str()), Some("c3RhbXAgMQ=="))
    );
    assert_eq!(said[0]["note"], checkpoint.note);
    // Its record brings another checkpoint about, which is not worth another anchor: else there would be no end.
    log.covered().await;
    assert_eq!(keeper.round().await, Round::Nothing);
    assert!(endpoint.asked.try_recv().is_err(), "nobody asks again");
    endpoint.answers(Answers::With("HTTP/1.1 204 No Content\r\n\r\n".to_owned()));
    log.grow("beta").await;
    assert_eq!(keeper.round().await, Round::Anchored);
    let said = log.said("checkpoint.anchored").await;
    assert_eq!(
        (said.len(), said[1].get("receipt")),
        (2, None),
        "an empty answer is no receipt"
    );
}

#[tokio::test]
async fn what_is_no_receipt_fails_once_in_the_log_and_holds_nothing_up() {
    let (log, endpoint) = (Log::new().await, Endpoint::start(Answers::receipt("x")).await);
    let mut keeper = log.keeper(Target::Https(endpoint.target(Duration::from_secs(2))));
    let large = "x".repeat(RECEIPT_BYTES + 1);
    let cases = [
        (
            Answers::With("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".to_owned()),
            AnchorError::Status,
        ),
        (
            Answers::With(format!(
                "HTTP/1.1 307 Go\r\nLocation: https://{PRIVATE}:{}/\r\nContent-Length: 0\r\n\r\n",
                endpoint.port
            )),
            AnchorError::Status,
        ),
        (Answers::receipt(&large), AnchorError::Oversized),
        (
            Answers::Hanging("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nslow".to_owned()),
            AnchorError::Timeout,
        ),
        (Answers::With("SSH-2.0-no\r\n".to_owned()), AnchorError::Unreachable),
    ];
    for (number, (answers, class)) in cases.into_iter().enumerate() {
        endpoint.answers(answers);
        log.grow(&format!("t{number}")).await;
        assert_eq!(keeper.round().await, Round::Failed);
        assert_eq!(keeper.round().await, Round::Failed);
        let failed = log.said("checkpoint.anchor_failed").await;
        assert_eq!(failed.len(), number + 1, "one record for each outage: {failed:?}");
        assert_eq!(failed[number]["error_class"], class.as_str(), "{failed:?}");
        assert_eq!(log.said("checkpoint.anchored").await.len(), number);
        endpoint.answers(Answers::receipt("x"));
        assert_eq!(keeper.round().await, Round::Anchored);
    }
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_the_second_time_is_resolved_once() {
    let (log, endpoint) = (Log::new().await, Endpoint::start(Answers::receipt("x")).await);
    let inside = TcpListener::bind((PRIVATE, endpoint.port))
        .await
        .expect("the same port inside");
    let resolved = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&resolved);
    let https = endpoint.target_by(PATIENCE, move |port| {
        let ip = match count.fetch_add(1, Ordering::Relaxed) {
            0 => PUBLIC,
            _ => PRIVATE,
        };
        vec![SocketAddr::from((ip, port))]
    });
    let mut keeper = log.keeper(Target::Https(https));
    log.grow("acme").await;
    assert_eq!(keeper.round().await, Round::Anchored);
    assert_eq!(
        resolved.load(Ordering::Relaxed),
        1,
        "the judged address is the one that is asked"
    );
    // From now on it leads inside: nothing is sent there.
    log.grow("beta").await;
    assert_eq!(keeper.round().await, Round::Failed);
    assert_eq!(log.said("checkpoint.anchor_failed").await[0]["error_class"], "rejected");
    // One private address among public ones is enough.
    let https = endpoint.target_by(PATIENCE, |port| {
        vec![SocketAddr::from((PUBLIC, port)), SocketAddr::from((PRIVATE, port))]
    });
    let mixed = https.post("note".to_owned()).await.expect_err("is refused");
    assert_eq!(mixed.class, AnchorError::Rejected);
    assert!(mixed.to_string().starts_with("ANCHOR_FAILED: "), "{mixed}");
    let nobody = std::pin::pin!(inside.accept());
    assert!(futures_util::poll!(nobody).is_pending(), "nobody came in");
}

#[tokio::test]
async fn as_it_is_built_an_endpoint_of_this_machine_is_never_asked() {
    let listener = TcpListener::bind((PRIVATE, 0)).await.expect("an address");
    let port = listener.local_addr().expect("it listens").port();
    let certificates = Certificates::new();
    let anchors = Anchors {
        https_ca_file: Some(certificates.authority()),
        ..Anchors::default()
    };
    for host in [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
    ] {
        // Past what the configuration refuses: what the name leads to decides.
        let url = Url::parse(&format!("https://{host}:{port}/")).expect("an address");
        let https = Https::new(url, &anchors).expect("is set up");
        let refused = https.post("note".to_owned()).await.expect_err("is refused");
        let unresolved = refused.to_string().contains("does not resolve");
        assert!(
            refused.class == AnchorError::Rejected || unresolved,
            "{host}: {refused}"
        );
    }
    let nobody = std::pin::pin!(listener.accept());
    assert!(futures_util::poll!(nobody).is_pending(), "nobody asked");
}

#[test]
fn an_address_that_is_not_of_the_internet_is_refused_before_it_is_asked() {
    for text in [
        "https://anchor.example.com",
        "https://anchor.example.com:8443/v1/checkpoints",
        "https://8.8.8.8/",
        "https://[2606:4700::1111]/",
    ] {
        assert!(accept_url(text).is_ok(), "{text}");
    }
    for text in [
        "http://anchor.example.com",
        "http://127.0.0.1",
        "file:///etc/passwd",
        "ftp://anchor.example.com",
        "gopher://anchor.example.com",
        "https://user:pa55word@anchor.example.com",
        "https://anchor.example.com/?token=pa55word",
        "https://anchor.example.com/#pa55word",
        "https://localhost/",
        "https://LOCALHOST./",
        "https://a.localhost/",
        "https://metadata.internal/",
        "https://printer.local/",
        "https://127.0.0.1/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest",
        "https://[::1]/",
        "https://[::ffff:169.254.169.254]/",
        "https://[fd00::1]/",
        "https://",
        "anchor.example.com",
        "",
    ] {
        let refused = accept_url(text).expect_err(text);
        assert!(refused.starts_with("ANCHOR_URL_REJECTED: "), "{text}: {refused}");
        assert!(!refused.contains("pa55word"), "{refused}");
    }
}

#[tokio::test]
async fn a_directory_gets_one_file_for_each_checkpoint_and_none_is_ever_changed() {
    let log = Log::new().await;
    let path = log.anchors();
    let mut keeper = log.keeper(Target::Dir(Dir::new(&path)));
    let first = log.grow("acme").await;
    assert_eq!(keeper.round().await, Round::Anchored);
    log.covered().await;
    assert_eq!(keeper.round().await, Round::Nothing);
    let second = log.grow("beta").await;
    assert_eq!(keeper.round().await, Round::Anchored);
    let kept = Dir::new(&path).all(ORIGIN).expect("reads");
    let notes: Vec<&str> = kept.iter().map(|kept| kept.note.as_str()).collect();
    assert_eq!(notes, [&first.note, &second.note]);
    // `printf %s example.com/audit | sha256sum`
    let name = format!("f02bc92b2809f8bb-{:020}.checkpoint", first.size);
    assert_eq!(kept[0].name, name);
    let said = log.said("checkpoint.anchored").await;
    assert_eq!(
        (said.len(), said[0]["place"].as_str()),
        (2, Some(kept[0].name.as_str()))
    );
    let mode = std::fs::metadata(path.join(&kept[0].name))
        .expect("is there")
        .permissions();
    assert!(mode.readonly());
}

#[tokio::test]
async fn between_the_file_and_its_record_a_crash_costs_nothing() {
    let log = Log::new().await;
    let (path, checkpoint) = (log.anchors(), log.grow("acme").await);
    let dir = Dir::new(&path);
    let name = dir.put(ORIGIN, checkpoint.size, &checkpoint.note).expect("is written");
    // The process ended here. The next one anchors the same checkpoint, or a later one.
    let mut keeper = log.keeper(Target::Dir(dir.clone()));
    assert_eq!(keeper.resume().await, Duration::ZERO, "the log says nothing of it");
    assert_eq!(keeper.round().await, Round::Anchored);
    assert_eq!(log.said("checkpoint.anchored").await[0]["place"], name);
    assert_eq!(dir.all(ORIGIN).expect("reads").len(), 1);
    // A crash within the file leaves it incomplete: it stays, and the checkpoint gets another name.
    let next = log.grow("beta").await;
    let half = name.replace(&format!("{:020}", checkpoint.size), &format!("{:020}", next.size));
    std::fs::write(path.join(&half), &next.note[..20]).expect("is written");
    assert_eq!(keeper.round().await, Round::Anchored);
    let place = log.said("checkpoint.anchored").await[1]["place"].clone();
    assert_eq!(place, half.replace(".checkpoint", "-2.checkpoint"));
    assert_eq!(
        std::fs::read_to_string(path.join(&half)).expect("is there"),
        next.note[..20]
    );
    assert_eq!(dir.newest().expect("reads").len(), 2, "what is incomplete is no anchor");
}

#[tokio::test]
async fn another_checkpoint_under_the_same_name_is_a_conflict() {
    let log = Log::new().await;
    let (path, checkpoint) = (log.anchors(), log.grow("acme").await);
    let dir = Dir::new(&path);
    let name = dir.put(ORIGIN, checkpoint.size, &checkpoint.note).expect("is written");
    let root = checkpoint.note.lines().nth(2).expect("a root").to_owned();
    let forked = checkpoint
        .note
        .replace(&root, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    let refused = dir.put(ORIGIN, checkpoint.size, &forked).expect_err("is refused");
    assert_eq!(refused.class, AnchorError::Conflict);
    let kept = std::fs::read_to_string(path.join(name)).expect("is there");
    assert_eq!(kept, checkpoint.note);
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_is_shown_and_holds_nothing_up() {
    let log = Log::new().await;
    let path = log.anchors();
    let board = Board::new("ledger");
    let anchors = Anchors {
        dir: Some(path.clone()),
        interval_s: 1,
        ..Anchors::default()
    };
    let moved = log.dir.path().join("unmounted");
    std::fs::rename(&path, &moved).expect("it goes");
    let anchoring = Anchoring::configured(&anchors)
        .expect("is right")
        .expect("is asked for");
    let running = anchoring.start(&log.handle, Some(&board));
    log.grow("acme").await;
    let shown = || match board.state("anchor_dir") {
        Some(State::Degraded(reason)) => reason.contains("ANCHOR_FAILED: the directory"),
        _ => false,
    };
    let deadline = Instant::now() + PATIENCE;
    while !shown() {
        assert!(Instant::now() < deadline, "{board:?}");
        tokio::time::sleep(Duration::from_millis(5)).await; // waits for: what the board shows
    }
    assert!(known(&anchors).is_err(), "and no log is opened without it");
    log.grow("beta").await;
    std::fs::rename(&moved, &path).expect("it comes back");
    // At the end at the latest, what came since is anchored.
    let newest = log.covered().await;
    running.finish().await;
    assert_eq!(board.state("anchor_dir"), Some(State::Works));
    let said = log.said("checkpoint.anchored").await;
    assert!(
        said.last().and_then(|said| said["size"].as_u64()) >= Some(newest.size),
        "{said:?}"
    );
    assert_eq!(log.said("checkpoint.anchor_failed").await.len(), 1);
    assert_eq!(known(&anchors).expect("reads").len(), said.len());
}

#[tokio::test]
async fn the_next_process_goes_on_where_the_one_before_ended() {
    let (log, endpoint) = (Log::new().await, Endpoint::start(Answers::receipt("x")).await);
    let mut keeper = log.keeper(Target::Https(endpoint.target(PATIENCE)));
    log.grow("acme").await;
    assert_eq!(keeper.round().await, Round::Anchored);
    let mut next = log.keeper(Target::Https(endpoint.target(PATIENCE)));
    let waits = next.resume().await;
    assert!(waits > HOUR - PATIENCE && waits <= HOUR, "{waits:?}");
    log.covered().await;
    assert_eq!(next.round().await, Round::Nothing, "it has what there is");
    endpoint.answers(Answers::With("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n".to_owned()));
    log.grow("beta").await;
    assert_eq!(next.round().await, Round::Failed);
    // Another start in the same outage says nothing new.
    let mut third = log.keeper(Target::Https(endpoint.target(PATIENCE)));
    third.resume().await;
    assert_eq!(third.round().await, Round::Failed);
    assert_eq!(log.said("checkpoint.anchor_failed").await.len(), 1);
    // A directory that is new has nothing, whatever the one before had.
    let mut filed = log.keeper(Target::Dir(Dir::new(&log.anchors())));
    assert_eq!(filed.resume().await, Duration::ZERO);
    assert_eq!(filed.round().await, Round::Anchored);
    std::fs::remove_dir_all(log.anchors()).expect("it goes");
    let mut filed = log.keeper(Target::Dir(Dir::new(&log.anchors())));
    assert_eq!(filed.resume().await, Duration::ZERO);
}

#[test]
fn names_are_ours_or_left_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let note = |origin: &str, size: u64| {
        format!("{origin}\n{size}\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n— x AAAAAAAA\n")
    };
    let own = Dir::new(dir.path());
    for size in 1..=70 {
        own.put(ORIGIN, size, &note(ORIGIN, size)).expect("is written");
    }
    own.put("example.org/other", 7, &note("example.org/other", 7))
        .expect("is written");
    for name in [
        "README",
        "f02bc92b2809f8bb-00000000000000000071.checkpoint.tmp",
        "f02bc92b2809f8bb-71.checkpoint",
        "F02BC92B2809F8BB-00000000000000000071.checkpoint",
        "f02bc92b2809f8bb-00000000000000000071-1.checkpoint",
        "f02bc92b2809f8bb-99999999999999999999.checkpoint",
    ] {
        std::fs::write(dir.path().join(name), note(ORIGIN, 71)).expect("is written");
    }
    assert_eq!(own.all(ORIGIN).expect("reads").len(), 70);
    assert_eq!(own.all("example.org/other").expect("reads").len(), 1);
    let newest = own.newest().expect("reads");
    assert_eq!(newest.len(), 65, "the newest 64 of one log, and the other log's");
    assert!(newest.iter().any(|kept| kept.note == note(ORIGIN, 70)));
    assert!(!newest.iter().any(|kept| kept.note == note(ORIGIN, 6)));
}

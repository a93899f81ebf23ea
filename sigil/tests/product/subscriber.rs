//! The subscriber of `docs/examples/subscriber`, as its README says to run it, on what a real feed publishes to a real
//! nats-server: killed, cut off from the broker, and led to a new stream, it has every record once.
//!
//! Python and three packages are needed. Where they cannot be had the test says so, in words, and checks nothing.

use crate::python::{example, python};
use async_nats::jetstream;
use gateway::{App, LocalAuth};
use ledger::feed::{Config, Feed, Status};
use ledger::{Clock as _, Handle, Init, SystemClock};
use ledger_client::LedgerClient as _;
use projector_sqlite::ReadModel;
use record::{Auth, Author, Hash, Kind, Link, NewRecord, Origin, Slug, Space, Tenant};
use serde_json::{Value, json};
use sigil::place::Place;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use testbed::Nats;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::{oneshot, watch};

/// However loaded the machine is, this is long enough.
const PATIENCE: Duration = Duration::from_secs(120);
const TOKEN: &str = "subscriber-token";
/// What the subscriber stored, in its own words.
const DUMP: &str = "import sqlite3, sys\n\
    for row in sqlite3.connect(sys.argv[1]).execute('SELECT body FROM records ORDER BY \"offset\"'): print(row[0].hex())";

/// An open log and its feed.
struct Log {
    handle: Handle,
    genesis: Hash,
    status: watch::Receiver<Status>,
    /// Ends the feed when it goes.
    _stop: oneshot::Sender<()>,
    dir: TempDir,
}

impl Log {
    async fn fed_to(nats: &Nats) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let place = Place::below(dir.path());
        let init = Init {
            config: place.config(),
            root_key_file: place.root_key_file(),
            log: Origin::parse("example.com/audit").expect("an origin"),
            slug: Slug::parse("audit").expect("a slug"),
            tenants: ["default", "acme"]
                .map(|tenant| Tenant::parse(tenant).expect("a tenant"))
                .into(),
        };
        let genesis = ledger::create(init).await.expect("creates").genesis_hash;
        // A test beside this one that starts a process holds every lock of ours between its fork and its exec.
        let handle = loop {
            match Handle::open(place.config()) {
                Err(ledger::Error::InUse { .. }) => tokio::task::yield_now().await,
                opened => break opened.expect("opens"),
            }
        };
        let client = async_nats::connect(nats.url()).await.expect("connects");
        let config = Config {
            rebuild_automatically: true,
            ..Config::default()
        };
        let feed = Feed::new(handle.clone(), client, config);
        let (stop, stopped) = oneshot::channel::<()>();
        let status = feed.status();
        tokio::spawn(feed.run(async {
            let _either = stopped.await;
        }));
        Self {
            handle,
            genesis,
            status,
            _stop: stop,
            dir,
        }
    }

    async fn grow(&self, events: usize) -> u64 {
        let records = (0..events).map(event).collect();
        for result in self.handle.append_many(records).await.expect("appends") {
            result.expect("is written");
        }
        self.size().await
    }

    async fn size(&self) -> u64 {
        self.handle.head().await.expect("a head").size
    }

    async fn records(&self) -> Vec<Arc<[u8]>> {
        let (mut all, size) = (Vec::new(), self.size().await);
        while (all.len() as u64) < size {
            let read = self.handle.read(all.len() as u64, 1_000).await.expect("reads");
            all.extend(read.into_iter().map(|record| record.bytes));
        }
        all
    }

    async fn published(&mut self, records: u64) -> Status {
        let published = self.status.wait_for(|status| status.published >= records);
        let published = tokio::time::timeout(PATIENCE, published).await.expect("in time");
        published.expect("the feed runs").clone()
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("records.sqlite")
    }
}

fn event(n: usize) -> NewRecord {
    NewRecord {
        tenant: Tenant::parse(if n.is_multiple_of(3) { "acme" } else { "default" }).expect("a tenant"),
        kind: Kind::parse("audit.event").expect("a kind"),
        schema_version: 1,
        id: ledger::fresh_id(SystemClock.read().wall).expect("entropy"),
        space: Space::User,
        author: Author::new("local:test", Auth::Local),
        // What a reader of bytes may stumble over.
        payload: json!({"action": format!("a\"}}{{{n}\\"), "outcome": "success", "source": "test", "data": {"hash": "é\u{2028}"}}),
        links: vec![Link::new("actor", format!("user:{n} é\"")).expect("a link")],
        disclosures: Vec::new(),
    }
}

/// The subscriber, running.
struct Subscriber {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Subscriber {
    fn start(python: &Path, nats: &Nats, log: &Log, state: &Path, more: &[&str]) -> Self {
        let mut child = Command::new(python)
            .arg("-B")
            .arg(example("subscriber/subscriber.py"))
            .args([
                "--server",
                &nats.url(),
                "--log",
                "audit",
                "--genesis",
                &log.genesis.to_string(),
            ])
            .arg("--state")
            .arg(state)
            .args(more)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it starts");
        let stdout = child.stdout.take().expect("it is piped");
        Self {
            child,
            lines: BufReader::new(stdout).lines(),
        }
    }

    /// Waits until it says that it has come so far; gives the last line.
    async fn reaches(&mut self, offset: u64) -> Value {
        loop {
            let line = tokio::time::timeout(PATIENCE, self.lines.next_line())
                .await
                .expect("in time");
            let line = line
                .expect("a pipe")
                .unwrap_or_else(|| panic!("it ended before {offset}"));
            let said: Value = serde_json::from_str(&line).expect("JSON");
            if said["next"].as_u64().expect("an offset") >= offset {
                return said;
            }
        }
    }

    /// SIGKILL.
    async fn kill(mut self) {
        self.child.kill().await.expect("it ran");
    }

    async fn exits(mut self, code: i32) {
        while let Ok(Some(_)) = self.lines.next_line().await {}
        let ended = tokio::time::timeout(PATIENCE, self.child.wait())
            .await
            .expect("in time");
        assert_eq!(ended.expect("a child").code(), Some(code));
    }
}

async fn stored(python: &Path, state: &Path) -> Vec<String> {
    let output = Command::new(python).args(["-c", DUMP]).arg(state).output().await;
    let output = output.expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout)
        .expect("text")
        .lines()
        .map(str::to_owned)
        .collect()
}

/// The ledger's own API, for what no stream holds.
async fn serve(log: &Log) -> SocketAddr {
    let origin = log.handle.origin().clone();
    let read_model = ReadModel::open(&log.dir.path().join("read-model"), origin)
        .await
        .expect("opens");
    let config = gateway::Config::default();
    let app = App {
        ledger: Arc::new(log.handle.clone()),
        queries: Arc::new(read_model),
        auth: LocalAuth::new(TOKEN, false),
        cursor_key: [0; 32],
        config: config.clone(),
        board: None,
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let router = app.router();
    tokio::spawn(async move { gateway::serve(listener, router, &config, std::future::pending()).await });
    address
}

/// A message in the place of the next record: the newest record with another outcome and the next offset.
async fn forge(log: &Log, nats: &Nats) {
    let last = log.records().await.pop().expect("a record");
    let record: Value = serde_json::from_slice(&last).expect("JSON");
    let offset = record["offset"].as_u64().expect("an offset");
    let text = String::from_utf8(last.to_vec()).expect("text");
    let text = text.replace("\"outcome\":\"success\"", "\"outcome\":\"failure\"");
    let text = text.replace(&format!("\"offset\":{offset}"), &format!("\"offset\":{}", offset + 1));
    let context = jetstream::new(async_nats::connect(nats.url()).await.expect("connects"));
    let sent = context.publish("sigil.v1.audit.default.audit.event", text.into()).await;
    sent.expect("publishes").await.expect("is acknowledged");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_has_every_record_once_whatever_happens() {
    let found = tokio::task::spawn_blocking(|| python("subscriber", "subscriber", "blake3, cryptography, nats"));
    let python = match found.await.expect("it ends") {
        Ok(python) => python,
        Err(reason) => return eprintln!("NOT CHECKED: no Python with the example's packages: {reason}"),
    };
    let mut nats = Nats::start().await;
    let mut log = Log::fed_to(&nats).await;
    let state = log.state();

    // Killed at any point while records come: somewhere in a batch, or between a batch and its acknowledgement.
    let mut end = log.grow(300).await;
    log.published(end).await;
    for round in 1..=4 {
        let mut subscriber = Subscriber::start(&python, &nats, &log, &state, &[]);
        let growing = log.grow(300);
        let (_, size) = tokio::join!(subscriber.reaches(round * 250), growing);
        subscriber.kill().await;
        end = size;
    }

    // The broker goes away and comes back.
    let mut subscriber = Subscriber::start(&python, &nats, &log, &state, &[]);
    subscriber.reaches(end).await;
    nats.kill().await;
    end = log.grow(100).await;
    nats.restart().await;
    subscriber.reaches(end).await;

    // A forged message takes the place of a record, and the ledger begins a new stream there.
    forge(&log, &nats).await;
    let base = end;
    end = log.grow(200).await;
    let status = log.published(end).await;
    assert_eq!(
        status.stream.as_deref(),
        Some(format!("SIGIL_AUDIT_{base:020}").as_str())
    );
    subscriber.reaches(end).await;
    subscriber.kill().await;

    end = log.grow(50).await;
    let until = end.to_string();
    Subscriber::start(&python, &nats, &log, &state, &["--until", &until])
        .exits(0)
        .await;
    let expected: Vec<String> = log.records().await.iter().map(|record| hex_of(record)).collect();
    assert_eq!(expected.len() as u64, end);
    assert!(
        stored(&python, &state).await == expected,
        "every record, once, in order, byte for byte"
    );

    // A second one begins when only the newest stream is left: the ledger has what lies below it.
    let context = jetstream::new(async_nats::connect(nats.url()).await.expect("connects"));
    context
        .delete_stream("SIGIL_AUDIT_00000000000000000000")
        .await
        .expect("deletes");
    let fresh = log.dir.path().join("fresh.sqlite");
    let alone = Subscriber::start(&python, &nats, &log, &fresh, &["--until", &until, "--patience", "0"]);
    alone.exits(3).await;
    let token = log.dir.path().join("token");
    std::fs::write(&token, TOKEN).expect("a file");
    let (url, token) = (
        format!("http://{}", serve(&log).await),
        token.to_str().expect("text").to_owned(),
    );
    let helped = ["--until", &until, "--ledger", &url, "--token-file", &token];
    Subscriber::start(&python, &nats, &log, &fresh, &helped).exits(0).await;
    assert!(
        stored(&python, &fresh).await == expected,
        "from ledger and stream together"
    );
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

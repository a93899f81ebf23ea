//! The servers are real, their faults happen, and nothing of them is left behind.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on shall fail"
)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use async_nats::jetstream;
use testbed::{Certificates, Cluster, ClusterOptions, Nats, NatsOptions, Postgres};
use tokio::time::timeout;

/// Long enough for an answer to have come if it were to come.
const A_WHILE: Duration = Duration::from_millis(500);
/// Longer than any machine takes.
const LONG: Duration = Duration::from_secs(60);

async fn stream(url: &str) -> jetstream::stream::Stream {
    let context = jetstream::new(async_nats::connect(url).await.unwrap());
    let config = jetstream::stream::Config {
        name: "S".to_owned(),
        subjects: vec!["s".to_owned()],
        ..Default::default()
    };
    context.get_or_create_stream(config).await.unwrap()
}

async fn publish(url: &str) {
    stream(url).await;
    let context = jetstream::new(async_nats::connect(url).await.unwrap());
    context.publish("s", "x".into()).await.unwrap().await.unwrap();
}

async fn stored(url: &str) -> u64 {
    stream(url).await.get_info().await.unwrap().state.messages
}

#[tokio::test]
async fn a_stream_survives_a_kill_and_a_stop_and_not_a_wipe() {
    let mut nats = Nats::start().await;
    assert!(nats.version().starts_with("2."), "{}", nats.version());
    let port = nats.port();
    publish(&nats.url()).await;
    nats.kill().await;
    assert!(async_nats::connect(nats.url()).await.is_err());
    nats.restart().await;
    publish(&nats.url()).await;
    nats.stop().await;
    nats.restart().await;
    assert_eq!(stored(&nats.url()).await, 2);
    nats.restart().await;
    assert_eq!(stored(&nats.url()).await, 2, "a restart of a running server is a kill");
    nats.wipe().await;
    assert_eq!((stored(&nats.url()).await, nats.port()), (0, port));
}

#[tokio::test]
async fn a_paused_broker_keeps_its_connections_and_says_nothing() {
    let nats = Nats::start().await;
    let client = async_nats::connect(nats.url()).await.unwrap();
    client.flush().await.unwrap();
    let mut echo = client.subscribe("a").await.unwrap();
    client.flush().await.unwrap();
    nats.pause().await;
    client.publish("a", "x".into()).await.unwrap();
    let next = futures_util::StreamExt::next(&mut echo);
    assert!(timeout(A_WHILE, next).await.is_err());
    nats.resume().await;
    let next = futures_util::StreamExt::next(&mut echo);
    assert!(timeout(LONG, next).await.unwrap().is_some());
}

#[tokio::test]
async fn options_reach_the_broker() {
    let options = NatsOptions {
        max_payload: Some(4_096),
        configuration: "authorization { token: \"t\" }\n".to_owned(),
        ..NatsOptions::default()
    };
    let nats = Nats::with(options).await;
    assert!(async_nats::connect(nats.url()).await.is_err());
    let client = async_nats::ConnectOptions::with_token("t".to_owned())
        .connect(nats.url())
        .await
        .unwrap();
    assert_eq!(client.server_info().max_payload, 4_096);
}

#[tokio::test]
async fn a_broker_with_certificates_wants_one_of_the_same_authority() {
    let (ours, theirs) = (Certificates::new(), Certificates::new());
    let nats = Nats::with(NatsOptions {
        certificates: Some(ours.clone()),
        ..NatsOptions::default()
    })
    .await;
    let connect = async |authority: &Certificates, client: Option<&Certificates>| {
        let mut options = async_nats::ConnectOptions::new().add_root_certificates(authority.authority());
        if let Some(certificates) = client {
            let client = certificates.client();
            options = options.add_client_certificate(client.certificate.clone(), client.key.clone());
        }
        match options.connect(nats.url()).await {
            // The refusal of a client certificate can come after the handshake.
            Ok(client) => timeout(LONG, client.flush()).await.unwrap().is_ok(),
            Err(_) => false,
        }
    };
    assert!(connect(&ours, Some(&ours)).await);
    assert!(!connect(&ours, None).await);
    assert!(!connect(&ours, Some(&theirs)).await);
    assert!(!connect(&theirs, Some(&ours)).await);
}

#[tokio::test]
async fn a_database_is_fresh_and_gone_at_the_end() {
    let (one, other) = (Postgres::database().await, Postgres::database().await);
    one.psql("create table t (a int)").await;
    assert!(other.try_psql("select * from t").await.is_err());
    let name = one.psql("select current_database()").await;
    drop(one);
    let count = format!("select count(*) from pg_database where datname = '{}'", name.trim());
    assert_eq!(other.psql(&count).await.trim(), "0");
}

#[tokio::test]
async fn a_role_logs_in_and_has_no_right() {
    let database = Postgres::database().await;
    database.psql("create table t (a int)").await;
    let (first, again) = (
        database.url_as("sigil_test_reader").await,
        database.url_as("sigil_test_reader").await,
    );
    assert_eq!(first, again);
    assert_eq!(query(&first, "select current_user").unwrap(), "sigil_test_reader\n");
    assert!(
        query(&first, "select * from t")
            .unwrap_err()
            .contains("permission denied")
    );
}

#[tokio::test]
async fn a_cluster_survives_a_kill_without_losing_a_commit() {
    let mut cluster = Postgres::cluster().await;
    let version = cluster.version().await;
    assert!(version.chars().next().is_some_and(|c| c.is_ascii_digit()), "{version}");
    cluster.psql("create table t (a int); insert into t values (1)").await;
    cluster.kill().await;
    assert!(query(&cluster.url(), "select 1").is_err());
    cluster.restart().await;
    query(&cluster.url(), "insert into t values (2)").unwrap();
    cluster.restart().await;
    query(&cluster.url(), "insert into t values (3)").unwrap();
    cluster.stop().await;
    cluster.restart().await;
    assert_eq!(query(&cluster.url(), "select count(*) from t").unwrap(), "3\n");
    let database = cluster.database().await;
    database.psql("create table only_here (a int)").await;
    assert!(query(&cluster.url(), "select * from only_here").is_err());
}

#[tokio::test]
async fn a_paused_cluster_answers_nobody_until_it_is_resumed() {
    let cluster = Postgres::cluster().await;
    let url = cluster.url();
    cluster.pause().await;
    let mut asked = tokio::task::spawn_blocking(move || query(&url, "select 1"));
    assert!(timeout(A_WHILE, &mut asked).await.is_err());
    cluster.resume().await;
    assert_eq!(timeout(LONG, asked).await.unwrap().unwrap().unwrap(), "1\n");
}

#[tokio::test]
async fn a_cluster_with_certificates_wants_one_of_the_same_authority() {
    let (ours, theirs) = (Certificates::new(), Certificates::new());
    let cluster = Cluster::with(ClusterOptions {
        certificates: Some(ours.clone()),
        settings: vec!["work_mem=5MB".to_owned()],
        ..ClusterOptions::default()
    })
    .await;
    let asked = "show work_mem";
    assert_eq!(
        query(&cluster.url_over_tls(&ours.client_named("reader")), asked).unwrap(),
        "5MB\n"
    );
    assert!(query(&cluster.url_over_tls(theirs.client()), asked).is_err());
    let without = format!("{}?sslmode=require&sslcert=none&sslkey=none", cluster.url());
    assert!(query(&without, asked).is_err());
    assert!(query(&format!("{}?sslmode=disable", cluster.url()), asked).is_err());
    let untrusted = cluster.url_over_tls(ours.client()).replace(
        &ours.authority().display().to_string(),
        &theirs.authority().display().to_string(),
    );
    assert!(query(&untrusted, asked).is_err());
}

/// With `psql`, as a client of its own.
fn query(url: &str, sql: &str) -> Result<String, String> {
    let output = Command::new("psql")
        .args(["-X", "-A", "-t", "-c", sql, "-d", url])
        .output()
        .unwrap();
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

const OWNER: &str = "SIGIL_TESTBED_OWNER";

/// Plays both parts: the process that is killed, and the one that looks at what it left.
#[tokio::test]
async fn nothing_outlives_a_killed_process() {
    if std::env::var_os(OWNER).is_some() {
        let (_nats, _cluster, _certificates) = (Nats::start().await, Postgres::cluster().await, Certificates::new());
        println!("\nstarted");
        std::future::pending::<()>().await;
    }
    let folder = tempfile::Builder::new().prefix("sigil-owner-").tempdir().unwrap();
    // As open as the folder of temporary files: the account that runs Postgres removes its own in there.
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o1777)).unwrap();
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "nothing_outlives_a_killed_process", "--nocapture"])
        .env(OWNER, "1")
        .env("TMPDIR", folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(owner.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "started"), "the owner ended early");
    let running = processes(folder.path());
    assert!(
        running.len() >= 6,
        "two servers, their holders, children of Postgres: {running:?}"
    );
    owner.kill().unwrap();
    owner.wait().unwrap();
    let begin = Instant::now();
    let left = || -> (Vec<String>, Vec<PathBuf>) {
        let entries = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().path());
        // Certificates are only files: a killed process leaves them among the temporary ones.
        let files = entries.filter(|path| !path.display().to_string().contains("sigil-certificates-"));
        (
            running.iter().filter(|pid| is_alive(pid)).cloned().collect(),
            files.collect(),
        )
    };
    while left() != (vec![], vec![]) {
        assert!(begin.elapsed() < LONG, "left behind: {:?}", left());
        tokio::task::yield_now().await;
    }
}

/// The processes whose command line names `folder`, and those that such a process started.
fn processes(folder: &Path) -> Vec<String> {
    let named = |pid: &String| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(&folder.display().to_string())
    };
    let entries = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    let all: Vec<String> = entries.filter(|name| name.parse::<u32>().is_ok()).collect();
    let servers: Vec<String> = all.iter().filter(|pid| named(pid)).cloned().collect();
    let parent = |pid: &String| stat(pid).and_then(|fields| fields.get(1).cloned()).unwrap_or_default();
    all.into_iter()
        .filter(|pid| servers.contains(pid) || servers.contains(&parent(pid)))
        .collect()
}

fn is_alive(pid: &str) -> bool {
    stat(pid).is_some_and(|fields| !matches!(fields[0].as_str(), "Z" | "X"))
}

/// State, parent and what follows of `/proc/<pid>/stat`.
fn stat(pid: &str) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(text.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect())
}

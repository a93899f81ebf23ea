//! A log in a temporary directory, and records for it.

use ledger::{Config, Handle, Init, KeySource, SystemClock};
use ledger_client::{Append, LedgerClient as _, Receipt};
use record::{Auth, Author, Kind, Link, NewRecord, Origin, Record, RecordId, Slug, Space, Tenant};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A directory that holds one log; removed at the end.
pub struct Log {
    pub dir: TempDir,
}

impl Log {
    pub async fn create() -> Self {
        Self::create_in(tempfile::tempdir().expect("a directory"), |config| config).await
    }

    /// A log in this directory, created with another configuration.
    pub async fn create_in(dir: TempDir, change: impl FnOnce(Config) -> Config) -> Self {
        let log = Self { dir };
        let init = Init {
            config: change(log.config()),
            root_key_file: log.dir.path().join("root"),
            log: Origin::parse("example.com/audit").expect("an origin"),
            slug: Slug::parse("audit").expect("a slug"),
            tenants: vec![tenant("default")],
        };
        ledger::create(init).await.expect("creates");
        log
    }

    pub fn config(&self) -> Config {
        let key = KeySource::File(self.dir.path().join("key"));
        Config {
            snapshot_every: 8,
            ..Config::new(self.dir.path().join("log"), key)
        }
    }

    /// Opens the log. A test beside this one that starts a process holds every lock of ours between its fork and its exec,
    /// so a log that was closed just now may still be locked.
    pub fn open(&self) -> Handle {
        loop {
            match Handle::open(self.config()) {
                Err(ledger::Error::InUse { .. }) => std::thread::yield_now(),
                opened => return opened.expect("opens"),
            }
        }
    }
}

pub fn tenant(name: &str) -> Tenant {
    Tenant::parse(name).expect("a tenant")
}

pub fn fresh_id() -> RecordId {
    use ledger::Clock as _;
    ledger::fresh_id(SystemClock.read().wall).expect("entropy")
}

/// An audit event with this action and some links.
pub fn event(action: &str) -> NewRecord {
    let links = [("actor", "agent:a1"), ("session", "session:s1")];
    NewRecord {
        tenant: tenant("default"),
        kind: Kind::parse("audit.event").expect("a kind"),
        schema_version: 1,
        id: fresh_id(),
        space: Space::User,
        author: Author::new("local:test", Auth::Local),
        payload: json!({"action": action, "outcome": "success", "source": "test"}),
        links: links
            .into_iter()
            .map(|(label, target)| Link::new(label, target).expect("a link"))
            .collect(),
        disclosures: Vec::new(),
    }
}

/// The same event with a sealed member.
pub fn private(action: &str, secret: Value) -> NewRecord {
    let mut record = event(action);
    record.payload["private"] = secret;
    record
}

pub fn plain(record: NewRecord) -> Append {
    Append { record, guard: None }
}

pub async fn append(handle: &Handle, record: NewRecord) -> Receipt {
    handle.append(plain(record)).await.expect("appends")
}

/// Every record of the log, parsed and so checked for canonical form and hash.
pub async fn all(handle: &Handle) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    loop {
        let next = handle.read(records.len() as u64, 1_000).await.expect("reads");
        if next.is_empty() {
            return records;
        }
        for committed in next {
            assert_eq!(committed.offset, records.len() as u64, "offsets are gapless");
            records.push(Record::parse(committed.bytes.to_vec()).expect("a record"));
        }
    }
}

//! The birth of a log: directory, key file, keys, and the first records. Opening never creates one.

use crate::clock::{Clock as _, SystemClock};
use crate::entropy::{fresh_id, random};
use crate::handle::{Config, Handle};
use crate::head::HeadFile;
use crate::keyring::{Keyring, Secrets};
use crate::scopes::Scopes;
use crate::store::{FORMAT, Store, name};
use crate::{Error, keyring};
use domain::payload::genesis::Predecessor;
use domain::payload::{Genesis, TenantCreated};
use ed25519_dalek::SigningKey;
use ledger_client::{Receipt, Report};
use record::{Auth, Author, Hash, Kind, NewRecord, Origin, PublicKey, RecordId, Slug, Space, Tenant};
use serde::Serialize;
use std::fs;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// What a new log is made of.
#[derive(Debug, Clone)]
pub struct Init {
    /// Where the log goes and which key encrypts it; the directory must not exist, or be empty.
    pub config: Config,
    /// The file that the root key is written to, mode 0600: to be taken offline.
    pub root_key_file: PathBuf,
    /// The log's origin.
    pub log: Origin,
    /// The log's short name.
    pub slug: Slug,
    /// Tenants that begin with the log.
    pub tenants: Vec<Tenant>,
}

/// What a verifier has to pin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// The log's origin.
    pub log: Origin,
    /// Hash of the record at offset 0.
    pub genesis_hash: Hash,
    /// The key that agrees to every rotation.
    pub root_key: PublicKey,
    /// The key that signs checkpoints.
    pub checkpoint_key: PublicKey,
}

/// Creates a log and writes its first records.
///
/// # Errors
/// [`Error::Exists`] when there is anything in the way, or an I/O error. What was created before an error is left for
/// inspection.
pub async fn create(init: Init) -> Result<Created, Error> {
    create_behind(init, None).await
}

/// Creates a log that continues another one, which was closed after a loss: its genesis names where that one ends.
///
/// # Errors
/// As [`create`].
pub async fn create_successor(init: Init, predecessor: Predecessor) -> Result<Created, Error> {
    create_behind(init, Some(predecessor)).await
}

async fn create_behind(init: Init, predecessor: Option<Predecessor>) -> Result<Created, Error> {
    let dir = &init.config.data_dir;
    if dir.exists() && fs::read_dir(dir).map_err(Error::io("read", dir))?.next().is_some() {
        return Err(Error::Exists(dir.clone()));
    }
    fs::create_dir_all(dir).map_err(Error::io("create", dir))?;
    init.config.key.create()?;
    let root = SigningKey::from_bytes(&random()?);
    let text = Zeroizing::new(format!("sigil-root-key-v1:{}\n", hex::encode(root.to_bytes())));
    keyring::write_secret(&init.root_key_file, &text)?;
    let secrets = Secrets::fresh()?;
    let [record_key, checkpoint_key] = public_keys(&secrets)?;
    create_files(&init, secrets)?;
    // A log begins with its genesis; the first start makes the first checkpoint.
    let handle = Handle::open(Config {
        checkpoints: None,
        ..init.config.clone()
    })?;
    let genesis = Genesis {
        format_version: 1,
        slug: init.slug.to_string(),
        record_key: record_key.to_base64(),
        checkpoint_key: checkpoint_key.to_base64(),
        root_key: PublicKey::from(root.verifying_key()).to_base64(),
        predecessor,
    };
    let receipt = own(&handle, Tenant::ledger(), "ledger.genesis", &genesis).await?;
    for tenant in &init.tenants {
        let created = TenantCreated {
            tenant: tenant.to_string(),
            name: tenant.to_string(),
        };
        own(&handle, tenant.clone(), "tenant.created", &created).await?;
    }
    handle.close();
    Ok(Created {
        log: init.log,
        genesis_hash: receipt.hash,
        root_key: root.verifying_key().into(),
        checkpoint_key,
    })
}

fn public_keys(secrets: &Secrets) -> Result<[PublicKey; 2], Error> {
    let keys: Vec<PublicKey> = secrets
        .seeds
        .iter()
        .map(|seed| SigningKey::from_bytes(seed).verifying_key().into())
        .collect();
    keys.try_into().map_err(|_| Error::Entropy)
}

fn create_files(init: &Init, secrets: Secrets) -> Result<(), Error> {
    let config = &init.config;
    Scopes::create(&config.scopes_path())?;
    HeadFile::create(&config.head_path())?;
    let store = Store::open(&config.store_path(), config.cache_bytes, config.memtable_bytes)?;
    let mut batch = store.batch();
    batch.insert(&store.meta, name::FORMAT, FORMAT.to_be_bytes());
    batch.commit()?;
    drop(store);
    // Written last: a directory without a keyring is no log yet.
    Keyring::create(&config.keyring_path(), &init.log, &config.key, secrets).map(drop)
}

async fn own(handle: &Handle, tenant: Tenant, kind: &str, payload: &impl Serialize) -> Result<Receipt, Error> {
    let record = own_record(tenant, kind, payload)?;
    handle
        .append_own(record)
        .await
        .map_err(|error| Error::Store(error.to_string()))
}

/// A record that the ledger itself writes.
pub(crate) fn own_record(tenant: Tenant, kind: &str, payload: &impl Serialize) -> Result<NewRecord, Error> {
    Ok(NewRecord {
        tenant,
        kind: Kind::parse(kind).expect("the ledger's own kinds follow the grammar"),
        schema_version: 1,
        id: fresh_id(SystemClock.read().wall)?,
        space: Space::System,
        author: Author::new("ledger", Auth::Ledger),
        payload: serde_json::to_value(payload).map_err(|error| Error::Store(error.to_string()))?,
        links: Vec::new(),
        disclosures: Vec::new(),
    })
}

/// The record that begins a tenant.
pub(crate) fn tenant_record(tenant: Tenant, name: String, id: RecordId) -> Result<NewRecord, ledger_client::Error> {
    let created = TenantCreated {
        tenant: tenant.to_string(),
        name,
    };
    let record = own_record(tenant, "tenant.created", &created).map_err(unavailable)?;
    Ok(NewRecord { id, ..record })
}

/// The record that says what a role did.
pub(crate) fn report_record(report: &Report, id: RecordId) -> Result<NewRecord, ledger_client::Error> {
    let payload = report.payload().map_err(|error| ledger_client::Error::Unavailable {
        reason: error.to_string(),
    })?;
    let record = own_record(Tenant::ledger(), report.kind(), &payload).map_err(unavailable)?;
    let links = report.links()?;
    Ok(NewRecord { id, links, ..record })
}

impl Handle {
    pub(crate) async fn append_tenant(&self, tenant: Tenant, name: String) -> Result<Receipt, ledger_client::Error> {
        let id = fresh_id(SystemClock.read().wall).map_err(unavailable)?;
        self.append_own(tenant_record(tenant, name, id)?).await
    }

    pub(crate) async fn append_report(&self, report: Report) -> Result<Receipt, ledger_client::Error> {
        let id = fresh_id(SystemClock.read().wall).map_err(unavailable)?;
        self.append_own(report_record(&report, id)?).await
    }
}

fn unavailable(error: Error) -> ledger_client::Error {
    ledger_client::Error::Unavailable {
        reason: error.to_string(),
    }
}

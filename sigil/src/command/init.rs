//! `sigil init`: creates a log, and the trust file that a verifier will need.

use crate::cli::Init;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::place::Place;
use ledger::Created;
use record::{Origin, Slug, Tenant};
use serde_json::json;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use verifier::{KeyType, Trust, VerifierKey};

/// Creates the log.
pub async fn run(args: Init, output: &Output) -> Result<Exit, Failure> {
    let place = Place::of(&args.log)?;
    let trust_file = args.trust_file.clone().unwrap_or_else(|| place.trust_file());
    if trust_file.exists() {
        return Err(ledger::Error::Exists(trust_file).into());
    }
    let init = ledger::Init {
        config: place.config(),
        root_key_file: args.root_key_file.clone().unwrap_or_else(|| place.root_key_file()),
        log: named(
            Origin::parse(&args.origin),
            "--log",
            "printable ASCII without spaces and `+`, at most 255 bytes",
        )?,
        slug: named(Slug::parse(&args.slug), "--slug", "[a-z0-9-]{1,32}")?,
        tenants: args.tenants.iter().map(|name| tenant(name)).collect::<Result<_, _>>()?,
    };
    let root_key_file = init.root_key_file.clone();
    let created = create(init, &trust_file).await?;
    let value = json!({
        "log": created.log.as_str(), "genesis_hash": created.genesis_hash.to_string(),
        "data_dir": place.data_dir, "trust_file": trust_file, "root_key_file": root_key_file,
    });
    let text = format!(
        "created log {} in {}\n\
         trust file  {}   give it to whoever verifies\n\
         root key    {}   take it offline: it agrees to key rotations\n\
         genesis     {}",
        created.log,
        place.data_dir.display(),
        trust_file.display(),
        root_key_file.display(),
        created.genesis_hash,
    );
    output.data(&value, &text);
    Ok(Exit::Ok)
}

/// Creates a log and writes its trust file.
pub async fn create(init: ledger::Init, trust_file: &Path) -> Result<Created, Failure> {
    let created = ledger::create(init).await?;
    let checkpoint_key = VerifierKey::new(
        created.log.as_str(),
        KeyType::Ed25519,
        created.checkpoint_key.as_bytes(),
    );
    let trust = Trust {
        origin: created.log.clone(),
        genesis_hash: created.genesis_hash,
        root_key: created.root_key,
        checkpoint_keys: vec![checkpoint_key.map_err(anyhow::Error::from)?],
        policy: None,
    };
    let mut file = OpenOptions::new().write(true).create_new(true).open(trust_file)?;
    file.write_all(trust.to_text().as_bytes())
        .and_then(|()| file.sync_all())?;
    Ok(created)
}

/// A tenant from the command line.
pub fn tenant(name: &str) -> Result<Tenant, Failure> {
    named(Tenant::parse(name), "--tenant", "[a-z0-9][a-z0-9-]{0,62}")
}

fn named<T>(parsed: Option<T>, flag: &str, form: &str) -> Result<T, Failure> {
    parsed.ok_or_else(|| Failure::new(Exit::Usage, format!("{flag} is {form}")))
}

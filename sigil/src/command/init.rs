//! `sigil init`: creates a log, and the trust file that a verifier will need.

use crate::cli::{Init, LogArgs};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::place::Place;
use domain::payload::genesis::Predecessor;
use ledger::Created;
use ledger::inspect::Inspection;
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
    let predecessor = args
        .predecessor
        .as_ref()
        .map(|dir| predecessor(dir, &args, &init.log))
        .transpose()?;
    let created = write(init, predecessor, &trust_file).await?;
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
    write(init, None, trust_file).await
}

/// Where the closed log in `dir` ends.
fn predecessor(dir: &Path, args: &Init, origin: &Origin) -> Result<Predecessor, Failure> {
    let place = Place::of(&LogArgs {
        data_dir: Some(dir.to_owned()),
        key_file: args.predecessor_key_file.clone(),
        passphrase_file: args.log.passphrase_file.clone(),
    })?;
    let inspection = Inspection::open(&place.config(), &place.scratch("verify"))?;
    let usage = |message: String| Failure::new(Exit::Usage, message);
    if !inspection.is_closed()? {
        let message = format!(
            "{} is a log that goes on: only `sigil restore --close` makes one that is continued by another",
            dir.display()
        );
        return Err(usage(message));
    }
    if inspection.origin() == origin {
        return Err(usage(format!(
            "{origin} is the closed log's own origin: name the new log with --log"
        )));
    }
    let (size, hash, root) = inspection
        .ends()
        .tip
        .ok_or_else(|| Failure::new(Exit::VerificationFailed, "the closed log has no record"))?;
    Ok(Predecessor {
        log: inspection.origin().to_string(),
        size,
        root: tlog::Node::from(root).to_string(),
        hash: hash.to_string(),
    })
}

async fn write(init: ledger::Init, predecessor: Option<Predecessor>, trust_file: &Path) -> Result<Created, Failure> {
    let created = match predecessor {
        None => ledger::create(init).await?,
        Some(predecessor) => ledger::create_successor(init, predecessor).await?,
    };
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

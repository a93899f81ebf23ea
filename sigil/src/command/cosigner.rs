//! `sigil cosigner init|serve`: a witness of one's own, for other people's logs. Two parties can cosign one another.

use crate::cli::{CosignerInit, CosignerServe, CosignerVerb};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::roles::{bind, exit};
use crate::stop::Signals;
use crate::tls;
use gateway::Door;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use tlog::{Policy, VerifierKey};
use tokio::sync::watch;
use verifier::Trust;
use witness::{Config, Cosigner, CosignerKey, OpenError};

/// Makes a key, or serves.
pub async fn run(verb: CosignerVerb, output: &Output) -> Result<Exit, Failure> {
    match verb {
        CosignerVerb::Init(args) => init(&args, output),
        CosignerVerb::Serve(args) => serve(args, output).await,
    }
}

fn init(args: &CosignerInit, output: &Output) -> Result<Exit, Failure> {
    if let Some(url) = &args.url {
        crate::http::Url::parse(url).map_err(|reason| usage(format!("--url: {reason}")))?;
    }
    let key = fresh(&args.name)?;
    key.write(&args.key_file)
        .map_err(|error| Failure::new(Exit::Failure, format!("write {}: {error}", args.key_file.display())))?;
    let short = args.name.split('/').next().unwrap_or(&args.name);
    let url = args.url.as_ref().map(|url| format!(" {url}")).unwrap_or_default();
    let line = format!("witness {short} {}{url}", key.public());
    let value = json!({"key": key.public().to_string(), "key_file": args.key_file, "policy_line": line});
    let text = format!(
        "key file    {}\nverifier key {}\na line for the policy of a log that asks it:\n{line}",
        args.key_file.display(),
        key.public(),
    );
    output.data(&value, &text);
    Ok(Exit::Ok)
}

/// A key that nobody had before.
pub fn fresh(name: &str) -> Result<CosignerKey, Failure> {
    let seed = ledger::fresh_secret()?;
    CosignerKey::new(name, &seed).map_err(|error| usage(format!("--name: {error}")))
}

/// Seconds since the Unix epoch.
pub fn seconds() -> u64 {
    let micros = ledger::Clock::read(&ledger::SystemClock).wall.micros();
    u64::try_from(micros / 1_000_000).unwrap_or_default()
}

async fn serve(args: CosignerServe, output: &Output) -> Result<Exit, Failure> {
    // Before anybody is told that it runs: a signal from then on ends it in order.
    let mut signals = Signals::listen()?;
    let confidential = args.tls_cert_file.is_some() || args.plaintext_behind_proxy;
    if !args.listen.ip().is_loopback() && !confidential {
        let message = "--listen: beyond this machine only with --tls-cert-file and --tls-key-file, or with \
                       --plaintext-behind-proxy where a proxy does the TLS";
        return Err(usage(message.to_owned()));
    }
    let key = CosignerKey::read(&args.key_file)
        .map_err(|error| usage(format!("--key-file {}: {error}", args.key_file.display())))?;
    let config = Config {
        key,
        logs: logs(&args)?,
        state_dir: args.state_dir.clone(),
        clock: Box::new(seconds),
    };
    let cosigner = Arc::new(Cosigner::open(config).map_err(unopened)?);
    let tls = match (&args.tls_cert_file, &args.tls_key_file) {
        (Some(cert), Some(key)) => Some(Arc::new(tls::server(cert, key)?)),
        _ => None,
    };
    let listener = bind(args.listen).await?;
    let address = listener.local_addr()?;
    let (scheme, door) = match tls {
        Some(tls) => ("https", Door::tls(listener, tls)),
        None => ("http", Door::from(listener)),
    };
    let origins: Vec<&str> = cosigner.origins().collect();
    let url = format!("{scheme}://{address}");
    let value = json!({"url": url, "key": cosigner.public().to_string(), "logs": origins});
    let text = format!("{} cosigns {} at {url}", cosigner.public().name(), origins.join(", "));
    output.data(&value, &text);
    let serving = Serving::start(Arc::clone(&cosigner), door);
    let stopped = signals.requested().await;
    output.note("stopping: requests under way are finished first");
    serving.stop().await?;
    Ok(exit(stopped))
}

/// The logs that the command line names.
fn logs(args: &CosignerServe) -> Result<Vec<VerifierKey>, Failure> {
    let mut keys = Vec::new();
    for text in &args.logs {
        let key = VerifierKey::parse(text).map_err(|error| usage(format!("--log: {error}")))?;
        if key.kind() != tlog::KeyType::Ed25519 {
            return Err(usage("--log: the key of a log is of the type 01".to_owned()));
        }
        keys.push(key);
    }
    if let Some(path) = &args.policy {
        let policy = Policy::parse(&read(path)?).map_err(|error| usage(format!("{}: {error}", path.display())))?;
        keys.extend(policy.logs().iter().map(|log| log.key.clone()));
    }
    for path in &args.trust {
        let trust = Trust::parse(read(path)?.as_bytes());
        keys.extend(
            trust
                .map_err(|error| usage(format!("{}: {error}", path.display())))?
                .checkpoint_keys,
        );
    }
    if keys.is_empty() {
        return Err(usage("name a log to cosign with --log, --policy or --trust".to_owned()));
    }
    keys.dedup();
    Ok(keys)
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| usage(format!("read {}: {error}", path.display())))
}

fn usage(message: String) -> Failure {
    Failure::new(Exit::Usage, message)
}

/// Why a cosigner's state is not opened.
pub fn unopened(error: OpenError) -> Failure {
    let exit = match &error {
        OpenError::InUse(_) => Exit::Unavailable,
        OpenError::Damaged { .. } => Exit::VerificationFailed,
        OpenError::Io { .. } => Exit::Failure,
    };
    Failure::new(exit, error)
}

/// A cosigner that answers over HTTP.
pub struct Serving {
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<bool>,
}

impl Serving {
    /// Answers at `door` until it is stopped.
    pub fn start(cosigner: Arc<Cosigner>, door: Door) -> Self {
        let (stop, mut stopped) = watch::channel(false);
        let task = tokio::spawn(async move {
            let stop = async {
                // Told, or nobody is left who could tell.
                let _gone = stopped.wait_for(|stop| *stop).await;
            };
            let router = gateway::cosigner::router(cosigner);
            gateway::serve(door, router, &gateway::cosigner::limits(), stop).await
        });
        Self { stop, task }
    }

    /// Finishes the requests under way and ends.
    pub async fn stop(self) -> Result<(), Failure> {
        self.stop.send_replace(true);
        self.task.await.map_err(anyhow::Error::from)?;
        Ok(())
    }
}

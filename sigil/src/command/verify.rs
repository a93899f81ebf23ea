//! `sigil verify`: a whole log, one of its records, a file with a proof, or a running server, against a trust file.
//!
//! A directory is only read: the store is opened on a shadow. After the log, the read model beside it is compared with a
//! replay, so that a changed row is found as well. What a file is, its content says. Exit 3: something is wrong; 5: it
//! could not be checked.

mod anchors;
pub mod file;
mod keys;
mod monitor;
pub mod replay;
mod store;

use crate::cli::Verify;
use crate::command::init::tenant;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::place::Place;
use crate::{cli, policy, progress};
use ledger::Config;
use ledger::inspect::Inspection;
use record::RecordId;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use tlog::Policy;
use verifier::{Anchor, Check, Claims, Options, Outcome, Report, Trust, Verdict};

/// What `--anchor` belongs to.
const ANCHORED: &str = "--anchor is checked with a whole log: name its directory, without --record";

/// Verifies what the arguments name.
pub async fn run(args: Verify, output: &Output) -> Result<Exit, Failure> {
    let is_alone = |what: &Path| what.is_file() || what.to_str().is_some_and(is_url);
    if !args.anchors.is_empty() && (args.record.is_some() || args.what.as_deref().is_some_and(is_alone)) {
        return Err(Failure::new(Exit::Usage, ANCHORED));
    }
    let url = args.what.as_deref().and_then(Path::to_str).filter(|what| is_url(what));
    let file = args.what.as_deref().filter(|path| path.is_file());
    refuse_unused(&args, url.is_some(), file.is_some())?;
    if let Some(url) = url {
        return monitor::run(url, &args, output).await;
    }
    if let Some(path) = file {
        return file::run(path, &args, output).await;
    }
    let log = cli::LogArgs {
        data_dir: args.what.clone(),
        key_file: args.key_file.clone(),
        passphrase_file: args.passphrase_file.clone(),
    };
    let place = Place::of(&log)?;
    let trust = args.trust.as_deref().map(read_trust).transpose()?;
    let depth = Depth {
        log_only: args.log_only,
        thorough: args.thorough,
        policy: args.policy.as_deref().map(read_policy).transpose()?,
        checkpoints: args
            .checkpoints
            .iter()
            .map(|path| read_text(path))
            .collect::<Result<_, _>>()?,
        anchors: Vec::new(),
    };
    let inspection = open(&place).await?;
    let anchors = anchors::read(&args.anchors, inspection.origin().as_str())?;
    let depth = Depth { anchors, ..depth };
    match &args.record {
        Some(id) => record(&inspection, id, &args, trust.as_ref(), output),
        None => check(&place, inspection, trust, depth, output).await,
    }
}

/// Verifies a log that this process made, read model included.
pub async fn place(place: &Place, trust_file: &Path, output: &Output) -> Result<Exit, Failure> {
    let (trust, inspection) = (read_trust(trust_file)?, open(place).await?);
    check(place, inspection, Some(trust), Depth::default(), output).await
}

/// Bytes of a log's files that are kept while it is read from one end to the other.
pub const CACHE_BYTES: u64 = 8 << 20;

/// How much is checked, and what is known beside the log.
#[derive(Debug, Clone, Default)]
struct Depth {
    log_only: bool,
    thorough: bool,
    policy: Option<Policy>,
    /// Checkpoints that are known from elsewhere.
    checkpoints: Vec<String>,
    /// Checkpoints that were anchored.
    anchors: Vec<Anchor>,
}

async fn open(place: &Place) -> Result<Arc<Inspection>, Failure> {
    let config = Config {
        // Everything is read once: what is kept in memory would only grow with the log.
        cache_bytes: CACHE_BYTES,
        ..place.config()
    };
    let scratch = place.scratch("verify");
    let opened = tokio::task::spawn_blocking(move || Inspection::open(&config, &scratch)).await;
    match opened.map_err(anyhow::Error::from)? {
        Ok(inspection) => Ok(Arc::new(inspection)),
        Err(error) => {
            let unchecked = is_unchecked(&error);
            let mut failure = Failure::from(error);
            if unchecked {
                failure.exit = Exit::Unchecked;
            }
            Err(failure)
        }
    }
}

/// Whether a log could not even be looked at: nothing is known to be wrong with it.
const fn is_unchecked(error: &ledger::Error) -> bool {
    use ledger::Error::{Absent, Entropy, FormatTooNew, Io, Key, Store};
    matches!(
        error,
        Absent(_) | Key { .. } | Io { .. } | Store(_) | FormatTooNew { .. } | Entropy
    )
}

async fn check(
    place: &Place,
    inspection: Arc<Inspection>,
    trust: Option<Trust>,
    depth: Depth,
    output: &Output,
) -> Result<Exit, Failure> {
    let (log, log_only) = (Arc::clone(&inspection), depth.log_only);
    let sealed = store::SealedCheck::default();
    let work = tokio::task::spawn_blocking(move || whole_log(&log, trust.as_ref(), &depth, sealed));
    let (report, mut findings) = work.await.map_err(anyhow::Error::from)?;
    if !log_only {
        findings.extend(replay::compare(place, &inspection).await?);
    }
    Ok(tell(&report, &findings, output))
}

/// Refuses flags that say nothing about what is checked: who asks for a check must not take silence for a pass. What a file
/// cannot be asked is said when it is known what it is.
fn refuse_unused(args: &Verify, is_url: bool, is_file: bool) -> Result<(), Failure> {
    let watch = &args.watch;
    let watched = [
        ("--follow", watch.follow),
        ("--state", watch.state.is_some()),
        ("--token-file", watch.token_file.is_some()),
        ("--ca-file", watch.ca_file.is_some()),
    ];
    let kept = [
        ("--proof", args.proof.is_some()),
        ("--continues", args.continues.is_some()),
        ("--disclosures", args.disclosures.is_some()),
    ];
    if is_url {
        refuse(&kept, "a server")?;
        let of_logs = [
            ("--record", args.record.is_some()),
            ("--checkpoint", !args.checkpoints.is_empty()),
            ("--thorough", args.thorough),
        ];
        return refuse(&of_logs, "a server");
    }
    refuse(&watched, "what is no server")?;
    if is_file {
        return Ok(());
    }
    refuse(&kept, "a directory")?;
    // The end of a directory's log is its own HEAD, which has no date.
    refuse(&[("--max-age", args.max_age.is_some())], "a directory")?;
    let whole = args.record.is_some() && !args.checkpoints.is_empty();
    refuse(&[("--checkpoint", whole)], "one record of a directory")
}

/// Refuses the flags that are set.
fn refuse(flags: &[(&str, bool)], what: &str) -> Result<(), Failure> {
    let set = flags.iter().find(|(_, set)| *set);
    set.map_or(Ok(()), |(flag, _)| {
        Err(Failure::new(Exit::Usage, format!("{flag} says nothing about {what}")))
    })
}

fn is_url(what: &str) -> bool {
    what.starts_with("https://") || what.starts_with("http://")
}

/// Reads a text that the arguments name.
fn read_text(path: &Path) -> Result<String, Failure> {
    let wrong = |error| Failure::new(Exit::Unchecked, format!("{}: {error}", path.display()));
    std::fs::read_to_string(path).map_err(wrong)
}

/// Reads a tlog-policy.
fn read_policy(path: &Path) -> Result<Policy, Failure> {
    policy::read(path, "policy", Exit::Unchecked).map(|read| read.policy)
}

/// Reads a trust file.
pub fn read_trust(path: &Path) -> Result<Trust, Failure> {
    let wrong = |error: &dyn std::fmt::Display| {
        Failure::new(Exit::Unchecked, format!("trust file {}: {error}", path.display()))
    };
    let bytes = std::fs::read(path).map_err(|error| wrong(&error))?;
    Trust::parse(&bytes).map_err(|error| wrong(&error))
}

/// The first thing that is wrong with a log in which `lost` sealed values are known to be lost; `None` when it is whole.
pub fn first_wrong(inspection: &Inspection, trust: Option<&Trust>, lost: u64) -> Option<String> {
    let (report, findings) = whole_log(
        inspection,
        trust,
        &Depth::default(),
        store::SealedCheck::admitting(lost),
    );
    let failed = report.findings.first().map(ToString::to_string);
    let unchecked = || {
        let mut verdicts = report.verdicts.iter();
        let unchecked = verdicts.find(|(check, verdict)| is_due(*check) && matches!(verdict, Verdict::NotChecked(_)));
        unchecked.map(|(check, verdict)| format!("{check}: {verdict:?}"))
    };
    failed.or_else(|| findings.into_iter().next()).or_else(unchecked)
}

/// Whether a log without this check is not whole. Who is trusted is not asked here, and a log that was made from copies of
/// its records has none of its checkpoints any more.
const fn is_due(check: Check) -> bool {
    !matches!(check, Check::Trust | Check::Checkpoints | Check::Witnesses)
}

/// The verifier's report, and what else is wrong with the store.
fn whole_log(
    inspection: &Inspection,
    trust: Option<&Trust>,
    depth: &Depth,
    sealed: store::SealedCheck,
) -> (Report, Vec<String>) {
    let mut unreadable = Vec::new();
    let mut checkpoints = store::checkpoints(inspection, &mut unreadable);
    checkpoints.extend_from_slice(&depth.checkpoints);
    let claims = Claims {
        anchors: depth.anchors.clone(),
        ..store::claims(inspection, checkpoints)
    };
    let total = claims.head.map(|head| head.size);
    let bar = progress::bar("verifying", "records", total.unwrap_or(0));
    let show = |done: u64, _total: Option<u64>| bar.set_position(done);
    let mut derived = store::Stored::of(inspection);
    let options = Options {
        trust,
        policy: depth.policy.as_ref(),
        thorough: depth.thorough,
        total,
        progress: Some(&show),
        ..Options::default()
    };
    let report = verifier::verify_log(store::items(inspection, &sealed), Some(&mut derived), &claims, &options);
    bar.finish_and_clear();
    let mut findings = unreadable;
    findings.extend(sealed.findings());
    findings.extend(store::scan(&derived, total.unwrap_or(0)));
    (report, findings)
}

fn record(
    inspection: &Inspection,
    id: &str,
    args: &Verify,
    trust: Option<&Trust>,
    output: &Output,
) -> Result<Exit, Failure> {
    let id = RecordId::parse(id).ok_or_else(|| Failure::new(Exit::Usage, "a record id is a lower-case UUIDv7"))?;
    let offset = inspection.offset_of(&tenant(&args.tenant)?, &id)?;
    let missing = || Failure::new(Exit::Failure, format!("tenant {} has no record {id}", args.tenant));
    let stored = inspection.record(offset.ok_or_else(missing)?)?.ok_or_else(missing)?;
    let keys = keys::of_log(inspection, trust)?;
    let report = verifier::verify_record(&stored.bytes, &keys, trust);
    output.data(&report.to_json(), &report.lines().join("\n"));
    Ok(exit(report.outcome()))
}

fn tell(report: &Report, findings: &[String], output: &Output) -> Exit {
    let mut value = report.to_json();
    if let Some(members) = value.as_object_mut() {
        members.insert("size".to_owned(), json!(report.counts.records));
        members.insert(
            "store_findings".to_owned(),
            findings.iter().cloned().map(Value::String).collect(),
        );
    }
    let mut lines = report.lines();
    lines.extend(findings.iter().map(|finding| format!("FAILED   store: {finding}")));
    output.data(&value, &lines.join("\n"));
    if findings.is_empty() {
        exit(report.outcome())
    } else {
        Exit::VerificationFailed
    }
}

const fn exit(outcome: Outcome) -> Exit {
    match outcome {
        Outcome::Verified => Exit::Ok,
        Outcome::Failed => Exit::VerificationFailed,
        Outcome::Unchecked => Exit::Unchecked,
    }
}

//! `sigil export proof`: a proof bundle (docs/FORMAT.md), from a data directory.
//!
//! The log is passed over twice: once for where the records are, once to copy them, so that memory does not grow with
//! them. Disclosures are never exported.

mod ask;
mod head;
mod records;
mod sink;

use crate::cli::{ExportProof, ExportVerb};
use crate::command::init::tenant;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::place::Place;
use crate::stop::Signals;
use head::Plan;
use ledger::{CheckpointConfig, Handle};
use ledger_client::LedgerClient;
use record::link::TIMELINE_LABELS;
use serde_json::json;
use sink::Sink;

/// Runs the verb.
pub async fn run(verb: ExportVerb, output: &Output) -> Result<Exit, Failure> {
    let ExportVerb::Proof(args) = verb;
    let (scope, place) = (Scope::of(&args)?, Place::of(&args.log)?);
    let policy = args.policy.as_deref().map(read_policy).transpose()?;
    let mut signals = Signals::listen()?;
    let handle = open(&place).await?;
    let exported = tokio::select! {
        exported = export(&handle, &scope, (policy, place.has_stream()), &args, output) => exported,
        _ = signals.requested() => return Ok(Exit::Interrupted),
    };
    tokio::task::spawn_blocking(move || handle.close())
        .await
        .map_err(anyhow::Error::from)?;
    exported.map(|()| Exit::Ok)
}

/// What is exported.
#[derive(Debug)]
pub enum Scope {
    /// The records of all tenants, by offset.
    Log { from: u64, until: Option<u64> },
    /// A timeline, by position.
    Timeline { name: Name, from: u64, until: Option<u64> },
}

/// Which timeline. Label and target are empty for a whole chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    pub tenant: String,
    pub label: &'static str,
    pub target: String,
}

impl Scope {
    fn of(args: &ExportProof) -> Result<Self, Failure> {
        if args.all_tenants {
            let (from, until) = (args.from.unwrap_or(0), args.until);
            return sound(from, until).map(|()| Self::Log { from, until });
        }
        let targets = [
            &args.kind,
            &args.actor,
            &args.subject,
            &args.resource,
            &args.session,
            &args.proposal,
        ];
        let mut named = TIMELINE_LABELS.into_iter().zip(targets);
        let named = named.find_map(|(label, target)| Some((label, target.clone()?)));
        let (label, target) = named.unwrap_or_default();
        let tenant = tenant(&args.tenant)?.to_string();
        let (from, until) = (args.from_position.unwrap_or(0), args.until_position);
        let name = Name { tenant, label, target };
        sound(from, until).map(|()| Self::Timeline { name, from, until })
    }
}

fn sound(from: u64, until: Option<u64>) -> Result<(), Failure> {
    match until {
        Some(until) if until <= from => Err(Failure::new(
            Exit::Usage,
            format!("a stretch from {from} to before {until} has no records"),
        )),
        _ => Ok(()),
    }
}

fn read_policy(path: &std::path::Path) -> Result<String, Failure> {
    let wrong = |error: &dyn std::fmt::Display| {
        let message = format!("policy {}: {error}", path.display());
        Failure::new(Exit::Failure, message)
    };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
    tlog::Policy::parse(&text).map_err(|error| wrong(&error))?;
    Ok(text)
}

/// The log alone, with checkpoints: a read model is not needed. A log with a stream is not signed here: its checkpoints
/// follow the stream, and nobody publishes meanwhile.
async fn open(place: &Place) -> Result<Handle, Failure> {
    let mut config = place.config();
    config.checkpoints = Some(CheckpointConfig {
        after_stream: place.has_stream(),
        ..CheckpointConfig::new()
    });
    let opened = tokio::task::spawn_blocking(move || Handle::open(config)).await;
    Ok(opened.map_err(anyhow::Error::from)??)
}

async fn export(
    client: &dyn LedgerClient,
    scope: &Scope,
    (policy, has_stream): (Option<String>, bool),
    args: &ExportProof,
    output: &Output,
) -> Result<(), Failure> {
    if !has_stream {
        // Otherwise the newest checkpoint that there is has to do: no other one comes.
        ask::everything_covered(client).await?;
    }
    let plan = Plan::make(client, scope, policy).await?;
    let mut sink = Sink::open(args.out.as_deref())?;
    sink.line(&plan.head)?;
    records::copy(client, &plan, &mut sink).await?;
    sink.finish()?;
    tell(&plan, args, output);
    Ok(())
}

/// Data goes to standard output, and so does a bundle without `--out`: then this is for people.
fn tell(plan: &Plan, args: &ExportProof, output: &Output) {
    let size = plan.head.len();
    let text = format!(
        "{} records as of offset {}, proven by {size} bytes; no sealed values are in it",
        plan.records, plan.as_of
    );
    match &args.out {
        Some(path) => {
            let value = json!({
                "out": path.display().to_string(), "records": plan.records, "as_of": plan.as_of, "proof_bytes": size,
            });
            output.data(&value, &format!("{}: {text}", path.display()));
        }
        None => output.note(&text),
    }
}

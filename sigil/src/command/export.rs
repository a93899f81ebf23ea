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
use crate::command::verify::CACHE_BYTES;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::place::Place;
use crate::policy;
use crate::stop::Signals;
use head::Plan;
use ledger::{CheckpointConfig, Config, Handle};
use ledger_client::LedgerClient;
use record::link::TIMELINE_LABELS;
use serde_json::json;
use sink::Sink;

/// Runs the verb.
pub async fn run(verb: ExportVerb, output: &Output) -> Result<Exit, Failure> {
    let ExportVerb::Proof(args) = verb;
    let (scope, place) = (Scope::of(&args)?, Place::of(&args.log)?);
    let policy = policy_of(&place, &args)?;
    let mut signals = Signals::listen()?;
    let handle = open(&place, policy.as_ref()).await?;
    let exported = tokio::select! {
        exported = export(&handle, &scope, (policy.as_ref(), place.has_stream()), &args, output) => exported,
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

/// The policy that the arguments name, else that of the configuration, when it is the configuration of this log.
fn policy_of(place: &Place, args: &ExportProof) -> Result<Option<policy::Text>, Failure> {
    let (path, what) = match &args.policy {
        Some(path) => (Some(path), "policy"),
        None => (place.policy_file.as_ref(), "witnesses.policy_file"),
    };
    path.map(|path| policy::read(path, what, Exit::Failure)).transpose()
}

/// The log alone, with checkpoints: a read model is not needed. A log with a stream is not signed here: its checkpoints
/// follow the stream, and nobody publishes meanwhile.
async fn open(place: &Place, policy: Option<&policy::Text>) -> Result<Handle, Failure> {
    let config = Config {
        cache_bytes: CACHE_BYTES,
        checkpoints: Some(CheckpointConfig {
            policy: policy.map(|policy| policy.policy.clone()),
            after_stream: place.has_stream(),
            ..CheckpointConfig::new()
        }),
        ..place.config()
    };
    let opened = tokio::task::spawn_blocking(move || Handle::open(config)).await;
    Ok(opened.map_err(anyhow::Error::from)??)
}

async fn export(
    client: &dyn LedgerClient,
    scope: &Scope,
    (policy, has_stream): (Option<&policy::Text>, bool),
    args: &ExportProof,
    output: &Output,
) -> Result<(), Failure> {
    if !has_stream {
        // Otherwise the newest checkpoint that there is has to do: no other one comes.
        ask::everything_covered(client).await?;
    }
    let plan = Plan::make(client, scope, policy.map(|policy| policy.text.clone())).await?;
    let mut sink = Sink::open(args.out.as_deref())?;
    sink.line(&plan.head)?;
    records::copy(client, &plan, &mut sink).await?;
    sink.finish()?;
    tell(&plan, policy, args, output);
    Ok(())
}

/// How many witnesses have cosigned the bundle's checkpoint, and whether they are a quorum, by the policy.
fn witnessed(plan: &Plan, policy: &policy::Text) -> Option<(usize, bool)> {
    let text = tlog::CheckpointText::parse(&plan.checkpoint).ok()?;
    let judged = policy.policy.judge(text.note()).ok()?;
    Some((judged.seen.len(), judged.is_met))
}

/// Data goes to standard output, and so does a bundle without `--out`: then this is for people.
fn tell(plan: &Plan, policy: Option<&policy::Text>, args: &ExportProof, output: &Output) {
    let size = plan.head.len();
    let witnessed = policy.and_then(|policy| Some((policy, witnessed(plan, policy)?)));
    let cosigned = witnessed.map_or_else(String::new, |(policy, (seen, is_met))| {
        let (total, quorum) = (policy.policy.witnesses().len(), if is_met { "a" } else { "no" });
        format!("; cosigned by {seen} of {total} witnesses, {quorum} quorum")
    });
    let text = format!(
        "{} records as of offset {}, proven by {size} bytes; no sealed values are in it{cosigned}",
        plan.records, plan.as_of
    );
    match &args.out {
        Some(path) => {
            let value = json!({
                "out": path.display().to_string(), "records": plan.records, "as_of": plan.as_of, "proof_bytes": size,
                "witnessed": witnessed.map(|(_, (_, is_met))| is_met),
            });
            output.data(&value, &format!("{}: {text}", path.display()));
        }
        None => output.note(&text),
    }
}

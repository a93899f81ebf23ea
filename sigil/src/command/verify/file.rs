//! One file: a record, a `.tlog-proof`, a record with its proof as the API answers it, a saved answer, a proof bundle or a
//! checkpoint. What it is, its content says.
//!
//! Everything needed is in the files that the arguments name: nothing is fetched, no log is opened. Invariant: a flag that
//! asks for what this file cannot show is refused; a check that was asked for is never left out in silence.

use super::{exit, read_policy, read_text, read_trust};
use crate::cli::Verify;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::progress;
use record::key::decode_base64;
use serde_json::Value;
use serde_json::value::RawValue;
use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;
use tlog::{Node, Policy};
use verifier::{ProofOptions, ProofReport, Trust};

/// Bytes of a file that is read as a whole, and of one line of a bundle.
const WHOLE_BYTES: u64 = 512 << 20;
const LINE_BYTES: u64 = 64 << 20;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Answer,
    Bundle,
    Note,
    /// A record with its proof, in JSON.
    ProvenRecord,
    Record,
    RecordProof,
}

/// What is believed beforehand, read from the files that the arguments name.
pub struct Beliefs {
    /// The trust file.
    pub trust: Option<Trust>,
    /// A policy in place of the trust file's.
    pub policy: Option<Policy>,
    /// How old a checkpoint may be, in seconds.
    pub max_age: Option<u64>,
}

impl Beliefs {
    /// Reads the files.
    pub fn read(args: &Verify) -> Result<Self, Failure> {
        Ok(Self {
            trust: args.trust.as_deref().map(read_trust).transpose()?,
            policy: args.policy.as_deref().map(read_policy).transpose()?,
            max_age: args.max_age,
        })
    }
}

/// Verifies the file at `path`.
pub async fn run(path: &Path, args: &Verify, output: &Output) -> Result<Exit, Failure> {
    let beliefs = Beliefs::read(args)?;
    let (path, args) = (path.to_owned(), args.clone());
    let work = tokio::task::spawn_blocking(move || check(&path, &args, &beliefs));
    let report = work.await.map_err(anyhow::Error::from)??;
    output.data(&report.to_json(), &report.lines().join("\n"));
    Ok(exit(report.outcome()))
}

/// The verifier's options, with the time that it is now.
pub fn options(beliefs: &Beliefs) -> ProofOptions<'_> {
    let now = ledger::Clock::read(&ledger::SystemClock).wall;
    ProofOptions {
        trust: beliefs.trust.as_ref(),
        policy: beliefs.policy.as_ref(),
        now: Some(now.micros().div_euclid(1_000_000)),
        max_age: beliefs.max_age,
        ..ProofOptions::default()
    }
}

fn check(path: &Path, args: &Verify, beliefs: &Beliefs) -> Result<ProofReport, Failure> {
    let options = options(beliefs);
    let form = form_of(path)?;
    refuse_unused(args, form)?;
    match form {
        Form::Bundle => bundle(path, &options),
        Form::Answer => Ok(verifier::verify_answer(&whole(path)?, &options)),
        Form::Note => note(path, args, &options),
        Form::Record => {
            let proof = args.proof.as_deref().map(read_text).transpose()?;
            record(&whole(path)?, proof, args, &options)
        }
        Form::ProvenRecord => {
            let bytes = whole(path)?;
            let proven: ProvenRecord<'_> =
                serde_json::from_slice(&bytes).map_err(|error| unchecked(path, &error.to_string()))?;
            record(proven.record.get().as_bytes(), Some(proven.proof), args, &options)
        }
        Form::RecordProof => match &args.record {
            Some(file) => record(&whole(Path::new(file))?, Some(read_text(path)?), args, &options),
            None => Err(unchecked(
                path,
                "a proof of a record: name the record's file with --record",
            )),
        },
    }
}

/// What `GET /v1/records/{id}/proof` answers as JSON. Its other members say again what the proof's text says.
#[derive(serde::Deserialize)]
struct ProvenRecord<'a> {
    #[serde(borrow)]
    record: &'a RawValue,
    proof: String,
}

/// Refuses flags that say nothing about a file of this form.
fn refuse_unused(args: &Verify, form: Form) -> Result<(), Failure> {
    let (one_record, note) = (
        matches!(form, Form::Record | Form::ProvenRecord | Form::RecordProof),
        form == Form::Note,
    );
    let unused = [
        ("--record", args.record.is_some() && form != Form::RecordProof),
        ("--proof", args.proof.is_some() && form != Form::Record && !note),
        (
            "--proof without --continues",
            args.proof.is_some() && note && args.continues.is_none(),
        ),
        ("--continues", args.continues.is_some() && !note),
        ("--disclosures", args.disclosures.is_some() && !one_record),
        ("--checkpoint", !args.checkpoints.is_empty()),
    ];
    super::refuse(&unused, "this file")
}

fn record(
    record: &[u8],
    proof: Option<String>,
    args: &Verify,
    options: &ProofOptions<'_>,
) -> Result<ProofReport, Failure> {
    // A file that was saved by an editor or a pipe ends with a line end that is not the record's.
    let record = record.trim_ascii_end();
    match (&args.disclosures, proof) {
        (None, Some(proof)) => Ok(verifier::verify_record_proof(record, &proof, options)),
        (Some(path), proof) => Ok(verifier::verify_disclosures(
            record,
            &whole(path)?,
            proof.as_deref(),
            options,
        )),
        (None, None) => Ok(verifier::verify_disclosures(record, b"[]", None, options)),
    }
}

fn note(path: &Path, args: &Verify, options: &ProofOptions<'_>) -> Result<ProofReport, Failure> {
    let note = read_text(path)?;
    let (Some(older), Some(proof)) = (&args.continues, &args.proof) else {
        return Ok(verifier::verify_checkpoint(&note, options));
    };
    let form = "a consistency proof is JSON with `nodes`, base64 of 32 bytes each";
    let nodes = nodes(&whole(proof)?).ok_or_else(|| unchecked(proof, form))?;
    Ok(verifier::verify_consistency(&read_text(older)?, &note, &nodes, options))
}

/// The nodes of a consistency proof, as the API answers it.
pub fn nodes(bytes: &[u8]) -> Option<Vec<Node>> {
    let document = record::json::parse(bytes).ok()?;
    let nodes = document.get("nodes")?.as_array()?.iter();
    nodes
        .map(|node| decode_base64::<32>(node.as_str()?).map(Node::from))
        .collect()
}

fn bundle(path: &Path, options: &ProofOptions<'_>) -> Result<ProofReport, Failure> {
    let file = File::open(path).map_err(|error| unchecked(path, &error.to_string()))?;
    let bar = progress::bar("verifying", "records", 0);
    let show = |done: u64, total: Option<u64>| {
        bar.set_length(total.unwrap_or_default());
        bar.set_position(done);
    };
    let options = ProofOptions {
        progress: Some(&show),
        ..*options
    };
    let report = verifier::verify_bundle(lines(BufReader::new(file)), &options);
    bar.finish_and_clear();
    Ok(report)
}

/// The lines of a bundle, one at a time.
fn lines(mut reader: impl BufRead) -> impl Iterator<Item = Result<Vec<u8>, String>> {
    std::iter::from_fn(move || {
        let mut line = Vec::new();
        match reader.by_ref().take(LINE_BYTES).read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) if line.last() == Some(&b'\n') => {
                line.pop();
                Some(Ok(line))
            }
            Ok(_) => Some(Err(
                "the last line is not ended, or one is longer than 64 MiB".to_owned()
            )),
            Err(error) => Some(Err(error.to_string())),
        }
    })
}

fn whole(path: &Path) -> Result<Vec<u8>, Failure> {
    let wrong = |error: std::io::Error| unchecked(path, &error.to_string());
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(wrong)?;
    file.take(WHOLE_BYTES + 1).read_to_end(&mut bytes).map_err(wrong)?;
    match bytes.len() as u64 > WHOLE_BYTES {
        true => Err(unchecked(path, "the file has more than 512 MiB")),
        false => Ok(bytes),
    }
}

/// What the file at `path` is, by its first line or its members.
fn form_of(path: &Path) -> Result<Form, Failure> {
    let wrong = |error: std::io::Error| unchecked(path, &error.to_string());
    let file = File::open(path).map_err(wrong)?;
    let mut first = Vec::new();
    let mut reader = BufReader::new(file);
    reader
        .by_ref()
        .take(LINE_BYTES)
        .read_until(b'\n', &mut first)
        .map_err(wrong)?;
    if first.trim_ascii() == b"c2sp.org/tlog-proof@v1" {
        return Ok(Form::RecordProof);
    }
    if has_member(&first, "format") {
        return Ok(Form::Bundle);
    }
    if !first.trim_ascii_start().starts_with(b"{") {
        return match read_text(path)?.contains("\n\n\u{2014} ") {
            true => Ok(Form::Note),
            false => Err(unchecked(path, UNKNOWN)),
        };
    }
    let document = whole(path)?;
    let forms = [
        ("completeness", Form::Answer),
        ("payload", Form::Record),
        ("proof", Form::ProvenRecord),
    ];
    let found = forms.into_iter().find(|(member, _)| has_member(&document, member));
    found.map(|(_, form)| form).ok_or_else(|| unchecked(path, UNKNOWN))
}

const UNKNOWN: &str = "neither a record, a .tlog-proof, an answer with proof, a .sigil-proof bundle nor a checkpoint";

/// Whether this is a JSON object with such a member; the verifier reads it strictly later.
fn has_member(bytes: &[u8], name: &str) -> bool {
    serde_json::from_slice::<Value>(bytes).is_ok_and(|value| value.get(name).is_some())
}

fn unchecked(path: &Path, detail: &str) -> Failure {
    Failure::new(Exit::Unchecked, format!("{}: {detail}", path.display()))
}

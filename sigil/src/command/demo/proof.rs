//! The demo's proven page: asked for over HTTP, checked by the verifier, and checked again with one record left out.

use crate::command::verify::{file, read_trust};
use crate::embedded::Embedded;
use crate::exit::{Exit, Failure};
use crate::http::{Client, Options, Url};
use crate::output::Output;
use crate::secret;
use gateway::{App, Config, LocalAuth};
use projector::query::Queries;
use serde_json::json;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use verifier::{Outcome, ProofReport};

/// What is asked for.
const QUESTION: &str = "/v1/audit/timeline?actor=agent:support&limit=5&proof=true";
/// Bytes of the answer at most.
const ANSWER_BYTES: usize = 1_024 * 1_024;
/// The record of the page that somebody leaves out.
const LEFT_OUT: usize = 2;

/// Asks for a page with its proof and shows what the verifier says of it, whole and with a record left out.
pub async fn show(embedded: &Embedded, trust_file: &Path, output: &Output) -> Result<(), Failure> {
    let answer = ask(embedded).await?;
    let beliefs = file::Beliefs {
        trust: Some(read_trust(trust_file)?),
        policy: None,
        max_age: None,
    };
    let judge = |answer: &[u8]| verifier::verify_answer(answer, &file::options(&beliefs));
    let whole = judge(&answer);
    let (lacking, id) = without_one(&answer)?;
    let lacking = judge(&lacking);
    if whole.outcome() != Outcome::Verified || lacking.outcome() != Outcome::Failed {
        let said = whole.lines().join("\n");
        return Err(Failure::new(
            Exit::VerificationFailed,
            format!("the proven page does not verify:\n{said}"),
        ));
    }
    if output.is_json() {
        let value = json!({"step": "proof", "whole": whole.to_json(), "left_out": id, "lacking": lacking.to_json()});
        output.line(&value.to_string());
        return Ok(());
    }
    output.line(&format!(
        "\n6. A page of agent:support's timeline came with its proof (GET {QUESTION}).\n   \
         Authentic, contiguous, nothing left out, as of a checkpoint that the witnesses have cosigned:\n"
    ));
    output.line(&indented(&whole));
    output.line(&format!("\n   The same answer with record {id} left out:\n"));
    output.line(&indented(&lacking));
    Ok(())
}

/// The answer of a gateway in this process, byte for byte.
async fn ask(embedded: &Embedded) -> Result<Vec<u8>, Failure> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let token = secret::token()?;
    let config = Config::default();
    let app = App {
        ledger: embedded.client(),
        queries: Arc::clone(&embedded.read_model) as Arc<dyn Queries>,
        auth: LocalAuth::new(&token, false),
        cursor_key: embedded.handle.derive_key(crate::command::serve::CURSOR_KEY),
        config: config.clone(),
        board: None,
    };
    let (halt, halted) = oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        let stop = async {
            let _dropped = halted.await;
        };
        gateway::serve(listener, app.router(), &config, stop).await
    });
    let client = Client::new(Options {
        answer_bytes: ANSWER_BYTES,
        bearer: Some(token),
        ..Options::default()
    });
    let url = Url::parse(&format!("http://{address}{QUESTION}")).map_err(|error| Failure::new(Exit::Failure, error))?;
    let answer = client.get(&url).await.map_err(anyhow::Error::from)?;
    drop(halt);
    serving.await.map_err(anyhow::Error::from)?;
    if !answer.status().is_success() {
        let message = format!("the page was answered with status {}", answer.status());
        return Err(Failure::new(Exit::Unavailable, message));
    }
    Ok(answer.into_body().to_vec())
}

/// The answer as a server would give it that hides a record, and the record's id.
fn without_one(answer: &[u8]) -> Result<(Vec<u8>, String), Failure> {
    let odd = || Failure::new(Exit::Failure, "the answer is no page of records");
    let mut members: BTreeMap<&str, &RawValue> = serde_json::from_slice(answer).map_err(anyhow::Error::from)?;
    let data = members.get("data").ok_or_else(odd)?;
    let mut rows: Vec<&RawValue> = serde_json::from_str(data.get()).map_err(anyhow::Error::from)?;
    if rows.len() <= LEFT_OUT {
        return Err(odd());
    }
    let hidden: serde_json::Value = serde_json::from_str(rows.remove(LEFT_OUT).get()).map_err(anyhow::Error::from)?;
    let id = hidden.get("id").and_then(serde_json::Value::as_str).ok_or_else(odd)?;
    let rows = serde_json::value::to_raw_value(&rows).map_err(anyhow::Error::from)?;
    members.insert("data", &rows);
    let answer = serde_json::to_vec(&members).map_err(anyhow::Error::from)?;
    Ok((answer, id.to_owned()))
}

fn indented(report: &ProofReport) -> String {
    let lines: Vec<String> = report.lines().iter().map(|line| format!("   {line}")).collect();
    lines.join("\n")
}

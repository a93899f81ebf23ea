//! What a watched server is asked, over HTTP. A refusal is an answer; only silence is a failure.

use super::super::file;
use crate::cli::Watch;
use crate::exit::{Exit, Failure};
use crate::http::{Client, Options, Url};
use crate::secret;
use bytes::Bytes;
use hyper::Response;
use serde_json::Value;
use std::time::Duration;
use tlog::Node;

/// Bytes of an answer at most: a page of large records.
const ANSWER_BYTES: usize = 256 << 20;
/// Until an answer is there.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Records of one page.
const PAGE: u64 = 200;
/// The refusal of a server that makes no checkpoints.
const UNSIGNED: &str = "503 PROOF_UNAVAILABLE";
/// Statuses that say "later": not in time, too many requests, starting or stopping.
const LATER: [&str; 3] = ["408", "429", "503"];

/// The server.
pub struct Server {
    client: Client,
    base: String,
}

/// What it answered.
pub enum Said<T> {
    /// What was asked for.
    Yes(T),
    /// Not that, and why.
    No(String),
}

impl Server {
    /// The server at `url`.
    pub fn new(url: &str, watch: &Watch) -> Result<Self, Failure> {
        let base = url.trim_end_matches('/').to_owned();
        let token = watch.token_file.as_deref().map(secret::first_line).transpose()?;
        let client = Client::new(Options {
            ca_file: watch.ca_file.clone(),
            timeout: TIMEOUT,
            answer_bytes: ANSWER_BYTES,
            bearer: token,
            ..Options::default()
        });
        client.prepare(&parse(&base)?)?;
        Ok(Self { client, base })
    }

    /// Its newest checkpoint.
    pub async fn checkpoint(&self) -> Result<String, Failure> {
        match self.get("/tlog/checkpoint").await? {
            Said::Yes(body) => String::from_utf8(body.to_vec())
                .map_err(|_| Failure::new(Exit::Unchecked, "the server's checkpoint is not UTF-8")),
            Said::No(reason) => {
                let later = reason != UNSIGNED && LATER.iter().any(|status| reason.contains(status));
                let exit = if later { Exit::Unavailable } else { Exit::Unchecked };
                Err(Failure::new(exit, format!("the server shows no checkpoint: {reason}")))
            }
        }
    }

    /// That `to` records continue `from`.
    pub async fn consistency(&self, from: u64, to: u64) -> Result<Said<Vec<Node>>, Failure> {
        let path = format!("/v1/checkpoints/consistency?from={from}&to={to}");
        Ok(match self.get(&path).await? {
            Said::Yes(body) => match file::nodes(&body) {
                Some(nodes) => Said::Yes(nodes),
                None => Said::No("the answer is not the JSON of a consistency proof".to_owned()),
            },
            Said::No(reason) => Said::No(reason),
        })
    }

    /// Records of all tenants from an offset on, none at or above `until`.
    pub async fn records(&self, from: u64, until: u64) -> Result<Said<Vec<Vec<u8>>>, Failure> {
        let limit = PAGE.min(until.saturating_sub(from));
        let path = format!("/v1/events?tenant=*&from={from}&limit={limit}");
        Ok(match self.get(&path).await? {
            Said::Yes(body) => match records(&body) {
                Some(records) => Said::Yes(records),
                None => Said::No("the answer is not a page of records".to_owned()),
            },
            Said::No(reason) => Said::No(reason),
        })
    }

    /// An answer with proof, as it came.
    pub async fn answer(&self, query: &str) -> Result<Said<Vec<u8>>, Failure> {
        let path = format!("/v1/audit/timeline?{query}&proof=true&limit=50");
        Ok(match self.get(&path).await? {
            Said::Yes(body) => Said::Yes(body.to_vec()),
            Said::No(reason) => Said::No(reason),
        })
    }

    async fn get(&self, path: &str) -> Result<Said<Bytes>, Failure> {
        let url = parse(&format!("{}{path}", self.base))?;
        let unavailable = |error| Failure::new(Exit::Unavailable, format!("the server does not answer: {error}"));
        let response: Response<Bytes> = self.client.get(&url).await.map_err(unavailable)?;
        let status = response.status();
        if status.is_server_error() && status.as_u16() != 503 {
            return Err(Failure::new(Exit::Unavailable, format!("the server answers {status}")));
        }
        match status.is_success() {
            true => Ok(Said::Yes(response.into_body())),
            false => Ok(Said::No(refusal(status.as_u16(), response.body()))),
        }
    }
}

fn parse(url: &str) -> Result<Url, Failure> {
    Url::parse(url).map_err(|detail| Failure::new(Exit::Usage, format!("the server is not named by {detail}")))
}

/// Status and code of a problem; its text may be anything.
fn refusal(status: u16, body: &[u8]) -> String {
    let code = serde_json::from_slice::<Value>(body).ok();
    let code = code.and_then(|problem| problem.get("code")?.as_str().map(str::to_owned));
    let known = |code: &String| code.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    match code.filter(known) {
        Some(code) => format!("{status} {code}"),
        None => format!("status {status}"),
    }
}

/// The canonical bytes of the records on a page.
fn records(body: &[u8]) -> Option<Vec<Vec<u8>>> {
    let document = record::json::parse(body).ok()?;
    let rows = document.get("data")?.as_array()?.iter();
    let canonical = |row| {
        let mut out = Vec::new();
        record::canonical::write(row, &mut out);
        out
    };
    Some(rows.map(canonical).collect())
}

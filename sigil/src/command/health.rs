//! `sigil health`: asks a role on this machine whether it is ready, as its own configuration says where; for containers
//! and service managers.

use crate::cli::ConfigArgs;
use crate::config::{self, Role, Settings};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::roles::ops_address;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;

/// How long the answer may take: a role that hangs is not healthy.
const PATIENCE: Duration = Duration::from_secs(4);
/// Bytes of an answer that are read at most.
const ANSWER_BYTES: usize = 64 * 1_024;

/// Asks for `/readyz`. Exit code 6 when the role does not answer or is not ready.
pub async fn run(args: ConfigArgs, output: &Output) -> Result<Exit, Failure> {
    let given = config::Given::here(args.config.clone(), args.flags()?);
    let loaded = config::peek(&given)?;
    let address = address(args.role, &loaded.settings)?;
    let unavailable = |message: String| Failure::new(Exit::Unavailable, message);
    let asked = tokio::time::timeout(PATIENCE, ask(address)).await;
    let answered = asked.map_err(|_| unavailable(format!("{address} does not answer in time")))?;
    let (ready, body) = answered.map_err(|error| unavailable(format!("{address}: {error:#}")))?;
    if !ready {
        let detail = body.get("detail").and_then(Value::as_str).unwrap_or("it is not ready");
        return Err(unavailable(detail.to_owned()));
    }
    output.data(&json!({"role": args.role, "ready": true}), "ready");
    Ok(Exit::Ok)
}

/// Where health is served in the clear, reached from this machine.
fn address(role: Role, settings: &Settings) -> Result<SocketAddr, Failure> {
    let http = &settings.http;
    let beside_the_api = http.tls_cert_file.is_none().then_some(http.listen);
    let Some(address) = ops_address(role, settings).or(beside_the_api) else {
        let message = "the API speaks TLS: set ops.listen to a loopback address, and health is served there, too";
        return Err(Failure::new(Exit::Usage, message));
    };
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    Ok(SocketAddr::new(ip, address.port()))
}

async fn ask(address: SocketAddr) -> anyhow::Result<(bool, Value)> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = hyper::Request::get("/readyz")
        .header(hyper::header::HOST, address.to_string())
        .body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    let ready = response.status().is_success();
    let read = Limited::new(response.into_body(), ANSWER_BYTES).collect().await;
    let body = read.map_err(|error| anyhow::anyhow!("{error}"))?.to_bytes();
    connection.abort();
    Ok((ready, serde_json::from_slice(&body).unwrap_or_default()))
}

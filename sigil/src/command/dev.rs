//! `sigil dev`: serves an existing log embedded, with a printed token.

use crate::anchors::Anchoring;
use crate::cli::Dev;
use crate::command::serve::{LocalWitnesses, loopback_only, until_stopped};
use crate::embedded::Embedded;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::place::Place;
use crate::secret;
use crate::stop::Signals;
use crate::witnesses::local;
use gateway::LocalAuth;
use ledger_client::LedgerClient as _;
use serde_json::json;
use tokio::net::TcpListener;

/// Opens the log and serves it.
pub async fn run(args: Dev, output: &Output) -> Result<Exit, Failure> {
    // Before anybody is told that the server runs: a signal from then on ends it in order.
    let mut signals = Signals::listen()?;
    loopback_only(args.listen)?;
    let token = match &args.token_file {
        Some(path) => secret::first_line(path)?,
        None => secret::token()?,
    };
    if token.len() < 16 {
        return Err(Failure::new(
            Exit::Usage,
            "the token has less than 16 characters: use a longer one",
        ));
    }
    let place = Place::of(&args.log)?;
    let with_witnesses = place.checkpoints.is_some() && !args.no_witnesses;
    let anchoring = Anchoring::configured(&place.anchors)?;
    let (embedded, mut local) = if with_witnesses {
        local::open(&place).await?
    } else {
        (Embedded::open_to_write(&place).await?, LocalWitnesses::default())
    };
    local.anchoring = anchoring.map(|anchoring| anchoring.start(&embedded.handle, local.board.as_ref()));
    let listen = TcpListener::bind(args.listen).await;
    let listener =
        listen.map_err(|error| Failure::new(Exit::Unavailable, format!("listen on {}: {error}", args.listen)))?;
    let url = format!("http://{}", listener.local_addr()?);
    let head = embedded.handle.head().await?;
    let shown = if args.token_file.is_some() {
        "the one in the token file"
    } else {
        token.as_str()
    };
    let value = json!({"url": url, "log": head.log.as_str(), "size": head.size, "token": shown});
    let text = format!("serving {} ({} records) at {url}\ntoken {shown}", head.log, head.size);
    output.data(&value, &text);
    let auth = LocalAuth::new(&token, args.open_reads);
    until_stopped(embedded, listener, auth, local, &mut signals, output).await
}

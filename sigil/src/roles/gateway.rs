//! The role `gateway`: the API over a ledger behind the broker and a read model in Postgres. It holds nothing: any number
//! may run behind one address.

use super::late::Late;
use super::peer::Peer;
use super::{Entrance, OpsListener, Start, exit};
use crate::config::{Role, Settings};
use crate::exit::{Exit, Failure};
use crate::witnesses::Required;
use ::gateway::App;
use ::gateway::ops::Board;
use ::projector::ReadModel as _;
use ledger_client::nats::NatsClient;
use projector_postgres::ReadModel;
use serde_json::json;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Serves the API until told to stop.
pub async fn run(start: Start<'_>) -> Result<Exit, Failure> {
    let Start {
        settings,
        board,
        mut signals,
        output,
    } = start;
    let peer = Peer::of(settings)?;
    let config = peer.postgres(&settings.postgres);
    let read_model = ReadModel::connect(config, peer.origin.clone()).await?;
    let entrance = Entrance::open(&settings.http).await?;
    let ops = match settings.ops.listen {
        Some(address) => Some(OpsListener::open(address, &board, settings).await?),
        None => None,
    };
    let at = ops.as_ref().map(|ops| ops.address.to_string());
    let value = json!({"role": "gateway", "url": entrance.url, "ops": at, "log": peer.origin.as_str()});
    output.data(
        &value,
        &format!("the gateway of {} serves at {}", peer.origin, entrance.url),
    );
    let ledger = Arc::new(Late::new());
    let mut connecting = tokio::spawn(connect(peer, settings.clone(), Arc::clone(&board), Arc::clone(&ledger)));
    let limits = settings.limits.http.clone();
    let app = App {
        ledger: Required::around(ledger, &settings.witnesses),
        queries: Arc::new(read_model.clone()),
        auth: entrance.auth,
        cursor_key: entrance.cursor_key,
        config: limits.clone(),
        board: Some(Arc::clone(&board)),
    };
    let (halt, halted) = oneshot::channel::<()>();
    let (router, door) = (app.router(), entrance.door);
    let serving = tokio::spawn(async move {
        let stop = async {
            let _dropped = halted.await;
        };
        ::gateway::serve(door, router, &limits, stop).await
    });
    let ended = tokio::select! {
        stopped = signals.requested() => Ok(exit(stopped)),
        ended = &mut connecting => match ended.map_err(anyhow::Error::from)? {
            Ok(()) => Err(Failure::new(Exit::Failure, "the client of the ledger has ended")),
            Err(failure) => Err(failure),
        },
    };
    board.drain();
    output.note("stopping: requests under way are finished first");
    // The server may be gone already.
    let _gone = halt.send(());
    let drained = serving.await.map_err(anyhow::Error::from)?;
    if !drained {
        output.note("some requests were cut off at the drain deadline; a client that retries with the same id is safe");
    }
    connecting.abort();
    read_model.close().await;
    if let Some(ops) = ops {
        ops.close().await;
    }
    ended
}

/// Brings the ledger's client, and stays with it.
async fn connect(
    peer: Peer,
    settings: Settings,
    board: Arc<Board>,
    ledger: Arc<Late<NatsClient>>,
) -> Result<(), Failure> {
    let (client, _bus) = peer.connect(&settings, Role::Gateway, &board).await?;
    ledger.arrive(client).await;
    Ok(())
}

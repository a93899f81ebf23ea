//! The role `embedded`: log, projector and API in one process, as a service.

use super::ledger::configured;
use super::{Entrance, OpsListener, Start, ops_address, scratch_dir, verify_interval};
use crate::anchors::Anchoring;
use crate::command::serve::{Service, serve_until};
use crate::config::Role;
use crate::embedded::Embedded;
use crate::exit::{Exit, Failure};
use crate::place::Place;
use crate::witnesses::{Asking, Required};
use ledger_client::LedgerClient as _;
use serde_json::json;

/// Opens the log and serves it.
pub async fn run(start: Start<'_>) -> Result<Exit, Failure> {
    let Start {
        settings,
        board,
        mut signals,
        output,
    } = start;
    let place = Place::configured(settings)?;
    let asking = Asking::configured(settings)?;
    let anchoring = Anchoring::configured(&settings.anchors)?;
    let embedded = Embedded::open_with(&place, configured(settings, asking.as_ref(), false)?).await?;
    let witnessing = asking
        .map(|asking| asking.start(&embedded.handle, Some(&board)))
        .transpose()?;
    let anchoring = anchoring.map(|anchoring| anchoring.start(&embedded.handle, Some(&board)));
    let entrance = Entrance::open(&settings.http).await?;
    let ops = match ops_address(Role::Embedded, settings) {
        Some(address) => Some(OpsListener::open(address, &board, settings).await?),
        None => None,
    };
    let head = embedded.handle.head().await?;
    let value = json!({
        "role": "embedded",
        "url": entrance.url,
        "ops": ops.as_ref().map(|ops| ops.address.to_string()),
        "log": head.log.as_str(),
        "size": head.size,
    });
    output.data(
        &value,
        &format!("serving {} ({} records) at {}", head.log, head.size, entrance.url),
    );
    let service = Service {
        door: entrance.door,
        auth: entrance.auth,
        cursor_key: entrance.cursor_key,
        config: settings.limits.http.clone(),
        board: Some(board),
        witnessing,
        anchoring,
        ledger: Required::around(embedded.client(), &settings.witnesses),
        verify_interval: verify_interval(settings),
        scratch: scratch_dir(settings).unwrap_or_else(|| place.scratch("replay")),
    };
    let ended = serve_until(embedded, service, &mut signals, output).await;
    if let Some(ops) = ops {
        ops.close().await;
    }
    ended
}

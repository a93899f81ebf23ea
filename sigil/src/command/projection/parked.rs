//! `sigil projection parked list|retry`: records whose payload the build that applied them could not read.

use crate::cli::ParkedVerb;
use crate::embedded::Embedded;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::place::Place;
use projector::{ParkedRow, ReadModel as _};
use serde_json::json;

/// Rows of one look.
const PAGE: u16 = 500;

/// Runs one of the verbs. `retry` exits 1 while something stays parked.
pub async fn run(verb: ParkedVerb, output: &Output) -> Result<Exit, Failure> {
    match verb {
        ParkedVerb::List { log } => {
            let embedded = Embedded::open(&Place::of(&log)?).await?;
            let listed = list(&embedded, output).await;
            embedded.close().await?;
            listed
        }
        ParkedVerb::Retry { log } => {
            let embedded = Embedded::open(&Place::of(&log)?).await?;
            let retried = embedded.read_model.retry_parked().await;
            embedded.close().await?;
            let retried = retried?;
            let text = format!("{} projected, {} still parked", retried.projected, retried.left);
            output.data(&json!({"projected": retried.projected, "left": retried.left}), &text);
            Ok(if retried.left == 0 { Exit::Ok } else { Exit::Failure })
        }
    }
}

async fn list(embedded: &Embedded, output: &Output) -> Result<Exit, Failure> {
    let mut from = 0;
    loop {
        let page = embedded.read_model.parked(from, PAGE).await?;
        page.rows.iter().for_each(|row| show(row, output));
        match page.rows.last() {
            Some(last) if page.rows.len() == usize::from(PAGE) => from = last.offset + 1,
            _ => {
                output.note(&format!("{} parked", page.total));
                return Ok(Exit::Ok);
            }
        }
    }
}

fn show(row: &ParkedRow, output: &Output) {
    let value = json!({
        "offset": row.offset, "tenant": row.tenant.as_str(), "kind": row.kind.as_str(),
        "schema_version": row.schema_version, "code": row.code, "detail": row.detail, "version": row.version,
    });
    let text = format!(
        "{:>10}  {}  {} {}  {}: {}",
        row.offset, row.tenant, row.kind, row.schema_version, row.code, row.detail
    );
    output.data(&value, &text);
}

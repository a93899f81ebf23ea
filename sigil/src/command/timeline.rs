//! `sigil timeline`: the timeline of the API, asked on a data directory.

use crate::cli::Timeline;
use crate::command::init::tenant;
use crate::embedded::Embedded;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::place::Place;
use projector::query::{Place as Cursor, Queries as _, Row, TimelineRequest};
use record::Record;
use serde_json::{Value, json};

/// Rows of one page.
const PAGE: u16 = 500;

/// Prints a timeline.
pub async fn run(args: Timeline, output: &Output) -> Result<Exit, Failure> {
    let parameters = parameters(&args);
    let parameters: Vec<(&str, &str)> = parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let request = gateway::timeline_request(&parameters, tenant(&args.tenant)?);
    let request = request.map_err(|detail| Failure::new(Exit::Usage, detail))?;
    let embedded = Embedded::open(&Place::of(&args.log)?).await?;
    embedded.catch_up().await?;
    let limit = if args.limit == 0 || args.count {
        u64::MAX
    } else {
        args.limit
    };
    let printed = print(&embedded, request, limit, args.count, output).await;
    embedded.close().await?;
    let rows = printed?;
    if args.count {
        output.data(&json!({"count": rows}), &rows.to_string());
    }
    Ok(Exit::Ok)
}

fn parameters(args: &Timeline) -> Vec<(&'static str, String)> {
    let named = [
        ("actor", &args.actor),
        ("subject", &args.subject),
        ("session", &args.session),
        ("resource", &args.resource),
        ("kind", &args.kind),
        ("action", &args.action),
        ("outcome", &args.outcome),
        ("from", &args.from),
        ("to", &args.to),
        ("q", &args.q),
        ("order", &args.order),
    ];
    named
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.clone()?)))
        .collect()
}

async fn print(
    embedded: &Embedded,
    mut request: TimelineRequest,
    limit: u64,
    count_only: bool,
    output: &Output,
) -> Result<u64, Failure> {
    let mut rows = 0;
    loop {
        request.limit = u16::try_from((limit - rows).min(u64::from(PAGE))).unwrap_or(PAGE);
        let page = embedded.read_model.timeline(request.clone()).await?;
        for row in &page.rows {
            rows += 1;
            if !count_only {
                show(row, output)?;
            }
        }
        request.after = page.rows.last().map(|row| Cursor {
            at: row.at,
            offset: row.offset,
        });
        if !page.more || rows >= limit {
            return Ok(rows);
        }
    }
}

/// Prints one row: the record itself as JSON, or a line for people.
pub fn show(row: &Row, output: &Output) -> Result<(), Failure> {
    if output.is_json() {
        output.bytes(&row.bytes);
        return Ok(());
    }
    let record = Record::parse(row.bytes.clone()).map_err(anyhow::Error::from)?;
    let target = |label: &str| {
        record
            .links
            .iter()
            .find(|link| link.label() == label)
            .map_or("-", |link| link.target())
    };
    let member = |name: &str| record.payload.get(name).and_then(Value::as_str).unwrap_or("-");
    let action = if record.kind.as_str() == "audit.event" {
        member("action")
    } else {
        record.kind.as_str()
    };
    let outcome = member("outcome");
    let at = row.at.to_string();
    let at = at.get(..23).unwrap_or(&at);
    output.line(&format!(
        "{at}Z {:>7}  {outcome:<8} {:<24} {action:<28} {}",
        row.offset,
        target("actor"),
        target("resource")
    ));
    Ok(())
}

//! The two passes over the log: where the records of a timeline are, and their bytes.

use super::Name;
use super::head::Plan;
use super::sink::Sink;
use crate::exit::{Exit, Failure};
use crate::progress;
use ledger_client::{Committed, LedgerClient};
use serde::Deserialize;
use std::borrow::Cow;

/// Records read at once; the ledger also bounds their bytes.
const PAGE: usize = 4_096;

/// What decides whether a record belongs to a timeline.
#[derive(Deserialize)]
struct Peek<'a> {
    #[serde(borrow)]
    tenant: Cow<'a, str>,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    links: Vec<PeekLink<'a>>,
}

#[derive(Deserialize)]
struct PeekLink<'a> {
    #[serde(borrow)]
    label: Cow<'a, str>,
    #[serde(borrow)]
    target: Cow<'a, str>,
}

impl Name {
    /// Whether a record belongs to this timeline.
    fn has(&self, record: &Committed) -> Result<bool, Failure> {
        let peek: Peek<'_> = serde_json::from_slice(&record.bytes)
            .map_err(|error| anyhow::anyhow!("record {}: {error}", record.offset))?;
        let linked = || {
            let mut links = peek.links.iter();
            links.any(|link| link.label == self.label && link.target == self.target)
        };
        let here = match self.label {
            "" => true,
            "kind" => peek.kind == self.target,
            _ => linked(),
        };
        Ok(here && peek.tenant == self.tenant)
    }
}

/// Reads the records from `from` to before `until`, in pages.
struct Pages<'a> {
    client: &'a dyn LedgerClient,
    next: u64,
    until: u64,
}

impl Pages<'_> {
    async fn next(&mut self) -> Result<Option<Vec<Committed>>, Failure> {
        if self.next >= self.until {
            return Ok(None);
        }
        let want = usize::try_from(self.until - self.next).unwrap_or(PAGE).min(PAGE);
        let page = self.client.read(self.next, want).await?;
        match page.last() {
            Some(last) => self.next = last.offset + 1,
            None => {
                return Err(Failure::new(
                    Exit::Failure,
                    format!("the log has no record {}", self.next),
                ));
            }
        }
        Ok(Some(page))
    }
}

/// A stretch of a timeline that is looked for, and where it is.
pub struct Wanted {
    name: Name,
    from: u64,
    until: u64,
    passed: u64,
    /// Offset of its first record, once it was met.
    pub first: Option<u64>,
    /// Offset of its last record so far.
    pub last: Option<u64>,
}

impl Wanted {
    /// The positions `from` to before `until`.
    pub const fn new(name: Name, from: u64, until: u64) -> Self {
        Self {
            name,
            from,
            until,
            passed: 0,
            first: None,
            last: None,
        }
    }

    const fn is_found(&self) -> bool {
        self.passed >= self.until
    }

    fn look_at(&mut self, record: &Committed) -> Result<(), Failure> {
        if self.is_found() || !self.name.has(record)? {
            return Ok(());
        }
        if self.passed >= self.from {
            self.first.get_or_insert(record.offset);
            self.last = Some(record.offset);
        }
        self.passed += 1;
        Ok(())
    }
}

/// Passes over the log until all stretches are found, at most up to offset `until`.
pub async fn find(client: &dyn LedgerClient, wanted: &mut [Wanted], until: u64) -> Result<(), Failure> {
    let bar = progress::bar("looking for the records", "records", until);
    let mut pages = Pages { client, next: 0, until };
    while !wanted.iter().all(Wanted::is_found) {
        let Some(page) = pages.next().await? else { break };
        for record in &page {
            wanted.iter_mut().try_for_each(|wanted| wanted.look_at(record))?;
        }
        bar.set_position(pages.next);
    }
    bar.finish_and_clear();
    Ok(())
}

/// The records of a stretch that was found.
pub async fn collect(client: &dyn LedgerClient, wanted: &Wanted) -> Result<Vec<Committed>, Failure> {
    let mut found = Vec::new();
    let (Some(first), Some(last)) = (wanted.first, wanted.last) else {
        return Ok(found);
    };
    let mut pages = Pages {
        client,
        next: first,
        until: last + 1,
    };
    while let Some(page) = pages.next().await? {
        for record in page {
            if wanted.name.has(&record)? {
                found.push(record);
            }
        }
    }
    Ok(found)
}

/// Copies the records of a plan.
pub async fn copy(client: &dyn LedgerClient, plan: &Plan, sink: &mut Sink) -> Result<(), Failure> {
    let bar = progress::bar("exporting", "records", plan.records);
    let mut copied = 0;
    let mut pages = Pages {
        client,
        next: plan.first,
        until: plan.until,
    };
    while let Some(page) = pages.next().await? {
        for record in page {
            let wanted = match &plan.name {
                Some(name) => name.has(&record)?,
                None => true,
            };
            if wanted {
                sink.line(&record.bytes)?;
                copied += 1;
            }
        }
        bar.set_position(copied);
    }
    bar.finish_and_clear();
    if copied == plan.records {
        Ok(())
    } else {
        let message = format!(
            "the log has {copied} of the {} records that the map counts: run sigil verify",
            plan.records
        );
        Err(Failure::new(Exit::VerificationFailed, message))
    }
}

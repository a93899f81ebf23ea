//! What happens to a record beside the sequencer: it is checked against its kind, sealed, and made into fragments.
//!
//! Nothing here depends on other records, so any number of callers may prepare at once; the sequencer gets only what it
//! has to decide and stamp.

use crate::Error;
use crate::entropy::random;
use crate::index::{Index, Key};
use domain::Catalogue;
use domain::state::{Authority, Body};
use ledger_client::Guard;
use ledger_client::trace::{self, TraceContext};
use record::{Code, Draft, Fault, Link, NewRecord, Origin, Tenant};
use tlog::MapKey;

/// A record that is ready for the sequencer.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) draft: Draft,
    pub(crate) body: Body,
    pub(crate) ledger_authored: bool,
    pub(crate) authority: Authority,
    pub(crate) id_key: Key,
    pub(crate) guard_key: Option<Key>,
    /// A retry is safe through the guard only: the caller did not make the id.
    pub(crate) needs_guard: bool,
    /// Whole chain, kind, then the links with a timeline, in order.
    pub(crate) timeline_keys: Vec<Key>,
    /// Where these timelines stand in their tenant's map, in the same order; empty when no map is kept.
    pub(crate) map_keys: Vec<MapKey>,
    /// Erasure scopes, sorted; empty when nothing is sealed.
    pub(crate) scopes: Vec<Key>,
    /// The trace that it is asked for in.
    pub(crate) trace: Option<TraceContext>,
}

/// What preparing needs of an open log.
pub(crate) struct Preparer {
    pub(crate) log: Origin,
    pub(crate) index: Index,
    pub(crate) catalogue: Catalogue,
    /// Whether a map of timelines is kept.
    pub(crate) maps: bool,
}

impl Preparer {
    /// Checks, seals and canonicalizes one record.
    pub(crate) fn prepare(
        &self,
        record: NewRecord,
        authority: Authority,
        guard: Option<&Guard>,
    ) -> Result<Prepared, ledger_client::Error> {
        let spec = self.catalogue.find(&record.kind, record.schema_version)?;
        if record.space != spec.space {
            let detail = format!("`{}` is written in space `{}`", record.kind, spec.space.as_str());
            return Err(Fault::new(Code::EnvelopeInvalid, "/space", detail).into());
        }
        let faults = spec.check_intake(&record.payload);
        if !faults.is_empty() {
            return Err(ledger_client::Error::Refused(faults));
        }
        let body = Body::read(&record.kind, record.schema_version, &record.payload)
            .map_err(|_| Fault::new(Code::SchemaInvalid, "/payload", "the payload does not match its kind"))?;
        let ledger_authored = spec.ledger_authored;
        let sealed = record.seal::<Refusal>(&self.log, &spec.sealed, || random().map_err(Refusal::Entropy))?;
        let draft = Draft::new(&self.log, sealed, &[])?;
        Ok(Prepared {
            id_key: self.index.id(draft.tenant(), draft.id()),
            guard_key: guard.map(|guard| self.index.guard(draft.tenant(), &guard.caller, &guard.key)),
            needs_guard: guard.is_some_and(|guard| !guard.own_id),
            timeline_keys: self.timeline_keys(&draft),
            map_keys: self.map_keys(&draft),
            scopes: if draft.openings().is_empty() {
                Vec::new()
            } else {
                self.scopes(draft.tenant(), draft.links())
            },
            draft,
            body,
            ledger_authored,
            authority,
            trace: trace::current(),
        })
    }

    fn timeline_keys(&self, draft: &Draft) -> Vec<Key> {
        timeline_names(draft.kind().as_str(), draft.links())
            .map(|(label, target)| self.index.timeline(draft.tenant(), label, target))
            .collect()
    }

    fn map_keys(&self, draft: &Draft) -> Vec<MapKey> {
        if !self.maps {
            return Vec::new();
        }
        timeline_names(draft.kind().as_str(), draft.links())
            .map(|(label, target)| map_key(label, target))
            .collect()
    }

    /// The scopes whose erasure erases a record's sealed values: its sessions and subjects; the tenant when it has none.
    pub(crate) fn scopes(&self, tenant: &Tenant, links: &[Link]) -> Vec<Key> {
        let scoped = links
            .iter()
            .filter(|link| matches!(link.label(), "session" | "subject"));
        let mut scopes: Vec<Key> = scoped
            .map(|link| self.index.scope(tenant, link.label(), link.target()))
            .collect();
        if scopes.is_empty() {
            scopes.push(self.index.scope(tenant, "", ""));
        }
        scopes.sort_unstable();
        scopes.dedup();
        scopes
    }
}

/// Label and target of every timeline that a record belongs to: whole chain, kind, then links, in order.
pub(crate) fn timeline_names<'a>(kind: &'a str, links: &'a [Link]) -> impl Iterator<Item = (&'a str, &'a str)> {
    let links = links.iter().filter(|link| link.has_timeline());
    let links = links.map(|link| (link.label(), link.target()));
    [("", ""), ("kind", kind)].into_iter().chain(links)
}

/// Where a timeline stands in its tenant's map; the whole chain has label and target empty.
pub(crate) fn map_key(label: &str, target: &str) -> MapKey {
    if label.is_empty() {
        MapKey::whole_chain()
    } else {
        MapKey::timeline(label, target)
    }
}

/// Sealing fails by a fault of the record or for want of randomness.
enum Refusal {
    Fault(Fault),
    Entropy(Error),
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Refusal> for ledger_client::Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Fault(fault) => fault.into(),
            Refusal::Entropy(error) => Self::Unavailable {
                reason: error.to_string(),
            },
        }
    }
}

//! The tenants of a log while it is walked: their chains, and all their timelines by label and target.
//!
//! This is what grows with the log's variety (not with its length): one frontier per distinct timeline.

use crate::chain::Chain;
use crate::check::Check;
use crate::envelope::Envelope;
use crate::finding::{Finding, Findings};
use crate::maps::Maps;
use crate::source::{Derived, TimelineEntry, TimelineName};
use crate::timeline::Timeline;
use rayon::prelude::*;
use record::{Link, Tenant};
use std::collections::HashMap;
use tlog::{Frontier, Node};

/// Stands between label and target; neither holds control characters.
const SEPARATOR: char = '\0';
const LOST: &str = "records are broken or missing, so some timelines cannot be rebuilt";

/// Everything that is kept about tenants.
#[derive(Debug, Default)]
pub(crate) struct Tenants(HashMap<Tenant, TenantState>);

/// What is kept about one tenant.
#[derive(Debug, Default)]
pub(crate) struct TenantState {
    pub(crate) chain: Chain,
    /// Its number in the maps, once a record of it was folded.
    number: Option<u32>,
    /// By label, separator, target; the whole chain has both empty.
    timelines: HashMap<Box<str>, Timeline>,
}

/// A sound record that its tenant's timelines grow by.
pub(crate) struct Grown<'a> {
    pub(crate) envelope: &'a Envelope,
    pub(crate) leaf: Node,
    /// Lost records of the log so far.
    pub(crate) lost: u64,
    /// Whether nothing is stored beside the records.
    pub(crate) bare: bool,
}

impl Tenants {
    /// The tenant's state, a new one for a tenant not met before.
    pub(crate) fn state(&mut self, tenant: &Tenant) -> &mut TenantState {
        // Asked for once per record: the name is cloned for the first only.
        if !self.0.contains_key(tenant) {
            self.0.insert(tenant.clone(), TenantState::default());
        }
        self.0.get_mut(tenant).expect("the state was just put there")
    }

    /// The tenant's state, if a record of it was met.
    pub(crate) fn known(&mut self, tenant: &Tenant) -> Option<&mut TenantState> {
        self.0.get_mut(tenant)
    }

    /// Number of tenants.
    pub(crate) fn len(&self) -> u64 {
        self.0.len() as u64
    }

    /// Number of timelines.
    pub(crate) fn timelines(&self) -> u64 {
        self.0.values().map(|tenant| tenant.timelines.len() as u64).sum()
    }

    /// Compares every stored head with the rebuilt one and, unless records are `lost`, their number.
    pub(crate) fn compare_heads(&self, derived: &mut dyn Derived, lost: u64, findings: &mut Findings) {
        let mut tenants: Vec<_> = self.0.iter().collect();
        tenants.sort_unstable_by_key(|(tenant, _)| *tenant);
        for (tenant, state) in tenants {
            let mut timelines: Vec<_> = state.timelines.iter().collect();
            timelines.sort_unstable_by_key(|(key, _)| *key);
            for (key, timeline) in timelines {
                let (label, target) = key.split_once(SEPARATOR).unwrap_or_default();
                let tenant = tenant.as_str();
                let name = TimelineName { tenant, label, target };
                compare_head(name, timeline, derived, lost, findings);
            }
        }
        if lost > 0 {
            findings.not_checked(Check::Timelines, LOST);
        } else {
            self.compare_count(derived, findings);
        }
    }

    fn compare_count(&self, derived: &mut dyn Derived, findings: &mut Findings) {
        match derived.timeline_count() {
            Ok(count) if count == self.timelines() => {}
            Ok(count) => {
                let finding = Finding::new(Check::Timelines, "", "the number of stored timeline heads is wrong");
                findings.push(finding.wanted(self.timelines(), count));
            }
            Err(detail) => findings.push(Finding::new(Check::Timelines, "", detail)),
        }
    }
}

impl Tenants {
    /// Looks at every timeline by name and number, on all cores; what was found, in the order of the names.
    pub(crate) fn find_all(&self, look: impl Fn(TimelineName<'_>, u32) -> Option<Finding> + Sync) -> Vec<Finding> {
        let mut timelines: Vec<(&str, &str, u32)> = Vec::new();
        for (tenant, state) in &self.0 {
            let of_tenant = state.timelines.iter();
            timelines.extend(of_tenant.map(|(key, timeline)| (tenant.as_str(), &**key, timeline.number)));
        }
        timelines.sort_unstable();
        let look = |(tenant, key, number): (&str, &str, u32)| {
            let (label, target) = key.split_once(SEPARATOR).unwrap_or_default();
            look(TimelineName { tenant, label, target }, number)
        };
        timelines.into_par_iter().filter_map(look).collect()
    }
}

impl TenantState {
    /// Grows every timeline of a sound record by its leaf and compares the stored entries. Without any, only records are
    /// given and there is nothing to compare.
    pub(crate) fn append(
        &mut self,
        record: &Grown<'_>,
        entries: &[TimelineEntry],
        maps: &mut Maps,
        mut report: impl FnMut(Finding),
    ) {
        let (envelope, bare) = (record.envelope, entries.is_empty() && record.bare);
        let tenant = envelope.tenant.as_str();
        let mut entries = entries.iter();
        self.for_each(envelope, maps, |timeline, maps, label, target| {
            let name = || TimelineName { tenant, label, target }.to_string();
            match entries.next() {
                Some(entry) => {
                    let found = timeline.append(record.leaf, entry, record.lost, name);
                    found.into_iter().for_each(&mut report);
                }
                None => {
                    timeline.grow(record.leaf);
                    if !bare {
                        let detail = format!("the store has no entry for {}", name());
                        report(Finding::new(Check::Timelines, "", detail));
                    }
                }
            }
            match timeline.frontier().and_then(|frontier| frontier.nodes().last()) {
                Some(node) => maps.grow(envelope.offset, timeline.number, *node),
                None => maps.tear(),
            }
        });
        if entries.next().is_some() {
            report(Finding::new(
                Check::Timelines,
                "",
                "the store has more entries than the record has timelines",
            ));
        }
    }

    /// Visits the record's timelines in the order of the format: the whole chain, the kind, links with a timeline.
    fn for_each(
        &mut self,
        envelope: &Envelope,
        maps: &mut Maps,
        mut visit: impl FnMut(&mut Timeline, &mut Maps, &str, &str),
    ) {
        let tenant = *self
            .number
            .get_or_insert_with(|| maps.open_tenant(envelope.tenant.as_str()));
        let links = envelope.links.iter().filter(|link| link.has_timeline());
        let named = links.map(|link: &Link| (link.label(), link.target()));
        let derived = [("", ""), ("kind", envelope.kind.as_str())];
        let mut key = String::with_capacity(128);
        for (label, target) in derived.into_iter().chain(named) {
            key.clear();
            key.push_str(label);
            key.push(SEPARATOR);
            key.push_str(target);
            if let Some(timeline) = self.timelines.get_mut(key.as_str()) {
                visit(timeline, maps, label, target);
            } else {
                let mut timeline = Timeline::new(maps.open_timeline(tenant, label, target));
                visit(&mut timeline, maps, label, target);
                self.timelines.insert(key.as_str().into(), timeline);
            }
        }
    }
}

fn compare_head(
    name: TimelineName<'_>,
    timeline: &Timeline,
    derived: &mut dyn Derived,
    lost: u64,
    findings: &mut Findings,
) {
    let Some(frontier) = timeline.frontier() else {
        return findings.not_checked(Check::Timelines, LOST);
    };
    let wrong = |detail: &str| Finding::new(Check::Timelines, "", format!("head of {name}: {detail}"));
    let stored = match derived.timeline_head(name) {
        Ok(Some(stored)) => stored,
        Ok(None) => return findings.push(wrong("none is stored")),
        Err(detail) => return findings.push(wrong(&detail)),
    };
    if stored == frontier.encode() {
        return;
    }
    let head = |frontier: &Frontier| format!("{} records with root {}", frontier.size(), frontier.root());
    match Frontier::decode(&stored) {
        Ok(stored) if timeline.explains(stored.size(), lost) => findings.not_checked(Check::Timelines, LOST),
        Ok(stored) => findings.push(wrong("another one is stored").wanted(head(frontier), head(&stored))),
        Err(error) => findings.push(wrong(&error.to_string())),
    }
}

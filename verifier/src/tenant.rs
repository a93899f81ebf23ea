//! The tenants of a log while it is walked: their chains, and all their timelines by label and target.
//!
//! This is what grows with the log's variety (not with its length): one frontier per distinct timeline.

use crate::chain::Chain;
use crate::check::Check;
use crate::envelope::Envelope;
use crate::finding::{Finding, Findings};
use crate::source::{Derived, TimelineEntry, TimelineName};
use crate::timeline::Timeline;
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
    /// By label, separator, target; the whole chain has both empty.
    timelines: HashMap<Box<str>, Timeline>,
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

impl TenantState {
    /// Grows every timeline of a sound record by its leaf and compares the stored entries.
    pub(crate) fn append(
        &mut self,
        envelope: &Envelope,
        leaf: Node,
        entries: &[TimelineEntry],
        lost: u64,
        mut report: impl FnMut(Finding),
    ) {
        let mut entries = entries.iter();
        self.for_each(envelope, |timeline, label, target| match entries.next() {
            Some(entry) => {
                let name = || describe(envelope.tenant.as_str(), label, target);
                timeline
                    .append(leaf, entry, lost, name)
                    .into_iter()
                    .for_each(&mut report);
            }
            None => {
                let detail = format!(
                    "the store has no entry for {}",
                    describe(envelope.tenant.as_str(), label, target)
                );
                report(Finding::new(Check::Timelines, "", detail));
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
    fn for_each(&mut self, envelope: &Envelope, mut visit: impl FnMut(&mut Timeline, &str, &str)) {
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
                visit(timeline, label, target);
            } else {
                let mut timeline = Timeline::default();
                visit(&mut timeline, label, target);
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
    let wrong = |detail: &str| {
        let timeline = describe(name.tenant, name.label, name.target);
        Finding::new(Check::Timelines, "", format!("head of {timeline}: {detail}"))
    };
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

fn describe(tenant: &str, label: &str, target: &str) -> String {
    match label {
        "" => format!("the whole chain of {tenant}"),
        _ => format!("timeline {label} {target} of {tenant}"),
    }
}

//! The walk over a log: everything that needs the records before. Sequential and cheap; the cores do the rest.
//!
//! Invariant: one fault is one finding where that can be told. A record that is broken or missing is counted as lost,
//! and later gaps in chains and timelines that lost records explain are not reported again. A lost record ends the log
//! tree (its leaf is unknown), so the root is then not compared. None of this forgives anything: the fault that started
//! it has failed the log already.

mod beside;
mod stored;

use crate::anchors::Anchors;
use crate::chain::Link;
use crate::check::Check;
use crate::checkpoints::Checkpoints;
use crate::envelope::Envelope;
use crate::examine::{Examined, Said};
use crate::finding::{Finding, Findings};
use crate::gateways::Gateways;
use crate::keyring::Keyring;
use crate::maps::Maps;
use crate::report::{Counts, Fingerprints};
use crate::signature::Claim;
use crate::source;
use crate::source::{Damaged, Derived, TimelineEntry};
use crate::tenant::{Grown, Tenants};
use domain::state::Body;
use record::key::encode_base64;
use record::{Hash, Timestamp};
use stored::Stored;
use tlog::{Edge, FullTile};

/// State folded from the records so far.
pub(crate) struct Walk<'a> {
    pub(crate) findings: Findings,
    pub(crate) seen: Fingerprints,
    pub(crate) tenants: Tenants,
    pub(crate) counts: Counts,
    /// The next offset.
    pub(crate) next: u64,
    pub(crate) last_hash: Option<Hash>,
    /// `None` once a leaf is lost.
    pub(crate) tree: Option<Edge>,
    pub(crate) derived: Option<&'a mut dyn Derived>,
    keys: Keyring,
    gateways: Gateways,
    last_ts: Option<Timestamp>,
    /// Broken or missing records so far.
    pub(crate) lost: u64,
    /// Something unreadable of unknown length lies before the next record.
    pub(crate) open_gap: bool,
    filled: Vec<FullTile>,
    pub(crate) maps: Maps,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) anchors: Anchors,
    /// Records without the map roots at the end.
    pub(crate) worth: u64,
    pub(crate) stored: Stored,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(findings: usize, derived: Option<&'a mut dyn Derived>) -> Self {
        let mut walk = Self {
            findings: Findings::new(findings),
            seen: Fingerprints::default(),
            tenants: Tenants::default(),
            counts: Counts::default(),
            next: 0,
            last_hash: None,
            tree: Some(Edge::new()),
            derived,
            keys: Keyring::default(),
            gateways: Gateways::default(),
            last_ts: None,
            lost: 0,
            open_gap: false,
            filled: Vec::new(),
            maps: Maps::default(),
            checkpoints: Checkpoints::default(),
            anchors: Anchors::default(),
            worth: 0,
            stored: Stored::default(),
        };
        walk.await_versions();
        walk
    }

    /// Records that could not be read.
    pub(crate) fn damaged(&mut self, damaged: &Damaged) {
        let at = damaged.from_offset;
        self.findings
            .push(Finding::new(Check::Readable, "", damaged.detail.clone()).at(at));
        match damaged.to_offset {
            Some(to) => self.skip_to(to),
            None => self.open_gap = true,
        }
        self.tear();
    }

    /// A leaf is lost: neither the log's tree nor a map can be rebuilt behind it.
    fn tear(&mut self) {
        self.tree = None;
        self.maps.tear();
    }

    /// Folds one record; a signature to check is pushed to `claims`.
    pub(crate) fn record(&mut self, examined: Examined, entries: &[TimelineEntry], claims: &mut Vec<Claim>) {
        self.counts.records += 1;
        let broken = |finding: &Finding| matches!(finding.check, Check::Canonical | Check::Hash);
        let sound = !examined.findings.iter().any(broken);
        match examined.said {
            Some(said) if sound => {
                if self.place(&said.envelope) {
                    let offset = said.envelope.offset;
                    self.report(examined.findings, offset);
                    self.sound(*said, entries, claims);
                } else {
                    self.report(examined.findings, said.envelope.offset);
                }
            }
            said => {
                self.report(examined.findings, self.next);
                self.broken(said.as_deref());
            }
        }
    }

    fn report(&mut self, findings: impl IntoIterator<Item = Finding>, offset: u64) {
        findings
            .into_iter()
            .for_each(|finding| self.findings.push(finding.at(offset)));
    }

    /// Finds the record's place in the sequence of offsets; `false` when it has none and must not be folded.
    fn place(&mut self, envelope: &Envelope) -> bool {
        let (offset, next) = (envelope.offset, self.next);
        let finding = |detail: &str| Finding::new(Check::Offsets, "/offset", detail).wanted(next, offset);
        if offset < next {
            self.findings
                .push(finding("this offset is repeated or out of order").at(offset));
            return false;
        }
        if offset > next {
            if !self.open_gap {
                self.findings
                    .push(finding("records are missing before this one").at(next));
            }
            self.skip_to(offset);
        }
        self.open_gap = false;
        self.next = offset.saturating_add(1);
        true
    }

    fn sound(&mut self, said: Said, entries: &[TimelineEntry], claims: &mut Vec<Claim>) {
        let Said { envelope, leaf, .. } = &said;
        let offset = envelope.offset;
        self.see(&said);
        self.check_time(envelope);
        self.check_rules(&said);
        // Genesis names the key that it is signed with; a rotation counts from the next offset on.
        self.fold_genesis(&said, true);
        self.claim(envelope, claims);
        self.fold_rotation(&said, true);
        let finding = self.gateways.fold(&said.body, envelope.tenant.is_ledger(), self.lost);
        self.report(finding, offset);
        self.compare_before_moving();
        let state = self.tenants.state(&envelope.tenant);
        let link = Link {
            seq: envelope.seq,
            prev: envelope.prev.as_ref(),
            hash: envelope.hash,
        };
        if let Some(finding) = state.chain.extend(&link, self.lost) {
            self.findings.push(finding.at(offset));
        }
        let findings = &mut self.findings;
        let grown = Grown {
            envelope,
            leaf: said.timeline_leaf,
            lost: self.lost,
            bare: self.derived.is_none(),
        };
        state.append(&grown, entries, &mut self.maps, |finding| {
            findings.push(finding.at(offset));
        });
        self.compare_map_root(&said);
        self.last_hash = Some(envelope.hash);
        if let Some(tree) = &mut self.tree {
            tree.append(*leaf, &mut self.filled);
            self.compare_tiles(offset);
        }
        self.compare_checkpoints(said.map_root);
        self.compare_told(&said);
    }

    /// A record whose bytes were changed. It is lost for chains and trees; only the keys that it names are believed, if
    /// they prove themselves, because without them nothing behind it could be checked.
    fn broken(&mut self, said: Option<&Said>) {
        let first = self.next == 0;
        self.next = self.next.saturating_add(1);
        self.open_gap = false;
        self.lost += 1;
        self.tear();
        self.last_hash = None;
        if let Some(said) = said {
            if first {
                self.see(said);
            }
            self.fold_genesis(said, false);
            self.fold_rotation(said, false);
        }
    }

    /// Keeps the log's own account of its identity, and holds every later record to it.
    fn see(&mut self, said: &Said) {
        let (offset, log) = (said.envelope.offset, &said.envelope.log);
        match &self.seen.origin {
            None => self.seen.origin = Some(log.clone()),
            Some(origin) if origin != log => {
                let finding = Finding::new(Check::Offsets, "/log", "the record belongs to another log");
                self.findings.push(finding.wanted(origin, log).at(offset));
            }
            Some(_) => {}
        }
        if offset == 0 {
            self.seen.genesis_hash = Some(said.computed);
        }
    }

    fn check_time(&mut self, envelope: &Envelope) {
        if let Some(last) = self.last_ts.filter(|last| *last > envelope.ts) {
            let finding = Finding::new(Check::Time, "/ts", "earlier than the record before");
            let finding = finding.wanted(format!("{last} or later"), envelope.ts);
            self.findings.push(finding.at(envelope.offset));
        }
        self.last_ts = Some(envelope.ts);
    }

    /// A log begins with its only genesis, a tenant with its creation; the ledger's own kinds stay where they belong.
    fn check_rules(&mut self, said: &Said) {
        let envelope = &said.envelope;
        let (offset, tenant) = (envelope.offset, &envelope.tenant);
        let begins = self.tenants.known(tenant).is_none_or(|state| state.chain.is_new());
        // Behind a lost record the tenant may have begun in it.
        let begins = begins && (self.lost == 0 || envelope.seq == 0);
        let detail = match &said.body {
            Body::Genesis(_) if offset != 0 || !tenant.is_ledger() => "genesis stands at offset 0 only",
            Body::Genesis(_) => return,
            _ if offset == 0 => "a log begins with ledger.genesis of sigil-ledger",
            Body::TenantCreated(created) if created.tenant != tenant.as_str() => {
                "it creates another tenant than its own"
            }
            Body::TenantCreated(_) if !begins => "the tenant exists already",
            Body::TenantCreated(_) => return,
            _ if begins => "a tenant's chain begins with tenant.created",
            Body::Recovered(recovered) if !tenant.is_ledger() || recovered.to != offset => {
                "a recovery stands on the ledger's own chain, right behind what was recovered"
            }
            _ if !tenant.is_ledger() && is_a_report(envelope.kind.as_str()) => {
                "only the ledger's own tenant says what the ledger and its roles did"
            }
            _ if tenant.is_ledger() && !said.ledger_authored => "the ledger's own tenant holds the ledger's own kinds",
            _ => return,
        };
        self.findings
            .push(Finding::new(Check::Chain, "/kind", detail).at(offset));
    }

    /// Compares the key that the record names with the one in force and leaves the signature to the batch.
    fn claim(&mut self, envelope: &Envelope, claims: &mut Vec<Claim>) {
        let Some(key) = self.keys.record_key() else {
            for check in [Check::Key, Check::Signature] {
                self.findings.not_checked(check, "no genesis names the log's key");
            }
            return;
        };
        if envelope.pub_key != *key.as_bytes() {
            let finding = Finding::new(Check::Key, "/pub_key", "not the log's record key at this offset");
            let finding = finding.wanted(encode_base64(key.as_bytes()), encode_base64(&envelope.pub_key));
            self.findings.push(finding.at(envelope.offset));
            return;
        }
        claims.push(Claim {
            offset: envelope.offset,
            key,
            hash: envelope.hash,
            sig: envelope.sig,
        });
    }

    fn fold_genesis(&mut self, said: &Said, sound: bool) {
        if let (Body::Genesis(genesis), None) = (&said.body, self.keys.record_key()) {
            let finding = self.keys.pin(genesis);
            self.seen.root_key = self.keys.root_key();
            self.report(finding.into_iter().filter(|_| sound), said.envelope.offset);
        }
    }

    fn fold_rotation(&mut self, said: &Said, sound: bool) {
        if let Body::KeyRotated(rotated) = &said.body {
            let finding = self.keys.rotate(&said.envelope.log, rotated);
            self.report(finding.into_iter().filter(|_| sound), said.envelope.offset);
        }
    }

    fn skip_to(&mut self, offset: u64) {
        let missing = offset.saturating_sub(self.next);
        if missing > 0 {
            self.lost = self.lost.saturating_add(missing);
            self.counts.unreadable = self.counts.unreadable.saturating_add(missing);
            self.next = offset;
            self.last_hash = None;
            self.tear();
        }
    }

    /// The end of the log as it was walked.
    pub(crate) const fn head(&self) -> source::Head {
        source::Head {
            size: self.next,
            last_hash: self.last_hash,
        }
    }
}

/// Whether a record of this kind says what the ledger or one of its roles did.
fn is_a_report(kind: &str) -> bool {
    matches!(
        kind,
        "projection.verified" | "checkpoint.anchored" | "checkpoint.anchor_failed"
    )
}

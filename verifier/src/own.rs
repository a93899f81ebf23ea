//! A tenant's own check: the root of its map, from nothing but its own chain.
//!
//! A witness vouches that a root did not change. That it is right, a tenant checks by itself: its records, in the order of
//! its chain, give the heads of all its timelines, and these the map root that `top.end` of every proof of that time names.

use crate::chain::{Chain, Link};
use crate::check::Check;
use crate::examine::Examiner;
use crate::finding::Finding;
use crate::maps::Maps;
use crate::tenant::{Grown, Tenants};
use tlog::Node;

/// What a tenant's map should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnMap {
    /// Number of records of the chain.
    pub count: u64,
    /// The root of the tenant's map.
    pub root: Node,
}

/// Computes the map of the tenant whose whole chain `records` is, from its first record on. The records are those below
/// the size that the map to be compared with covers.
///
/// # Errors
/// The first record that is broken, of another tenant, or does not continue the chain.
pub fn tenant_map(records: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Result<OwnMap, Finding> {
    let examiner = Examiner::new(false);
    let (mut tenants, mut maps, mut chain) = (Tenants::default(), Maps::default(), Chain::default());
    for record in records {
        let examined = examiner.examine(record.as_ref());
        let offset = examined.said.as_ref().map(|said| said.envelope.offset);
        if let Some(finding) = examined.findings.into_iter().next() {
            return Err(offset.map_or(finding.clone(), |offset| finding.at(offset)));
        }
        let Some(said) = examined.said else {
            return Err(Finding::new(Check::Readable, "", "the record cannot be read"));
        };
        let envelope = &said.envelope;
        let link = Link {
            seq: envelope.seq,
            prev: envelope.prev.as_ref(),
            hash: envelope.hash,
        };
        if let Some(finding) = chain.extend(&link, 0) {
            return Err(finding.at(envelope.offset));
        }
        let grown = Grown {
            envelope,
            leaf: said.timeline_leaf,
            lost: 0,
            bare: true,
        };
        let state = tenants.state(&envelope.tenant);
        state.append(&grown, &[], &mut maps, |_| ());
        if tenants.len() > 1 {
            let detail = "the record is another tenant's";
            return Err(Finding::new(Check::Chain, "/tenant", detail).at(said.envelope.offset));
        }
    }
    let (count, root) = maps.tenant_root(0);
    Ok(OwnMap { count, root })
}

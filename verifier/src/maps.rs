//! The two-level map over all timelines, recomputed while a log is walked, and held against every `ledger.map_root`.
//!
//! A map root covers fewer records than lie before it: the ledger computes it beside the appending. So what timelines
//! grow by is kept in a queue, and the heads here follow it up to the size that a map root names. Nothing is hashed
//! twice: the queue holds the node that each leaf merged into, which is all that a head needs.
//!
//! Invariant: heads are those of the first `applied` records. A root over fewer cannot be recomputed any more, which
//! only happens to a map root that lags by more than [`QUEUE`] steps; that is reported as not checked, never as right.

mod trie;

use crate::check::Check;
use crate::finding::Finding;
use std::collections::VecDeque;
use tlog::{EMPTY_ROOT, MapKey, MapLeaf, Node, hash_children};
use trie::Trie;

/// Steps that are kept: some 200,000 records, a few seconds of a busy log, in 48 MiB.
const QUEUE: usize = if cfg!(test) { 256 } else { 1 << 20 };
/// Steps of one record at most: the whole chain, the kind, and every link. Each may move the heads by a record.
const STEPS: usize = 2 + record::limits::LINKS;

/// What a `ledger.map_root` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MapRoot {
    /// How many records it covers.
    pub(crate) size: u64,
    /// The root of the top map over them.
    pub(crate) root: Node,
}

impl MapRoot {
    /// Reads the payload `{"root": 64 hex, "size": N}`.
    pub(crate) fn read(payload: &serde_json::Value) -> Option<Self> {
        let members = payload.as_object().filter(|members| members.len() == 2)?;
        let root = record::Hash::from_hex(members.get("root")?.as_str()?)?;
        Some(Self {
            size: members.get("size")?.as_u64()?,
            root: Node::from(*root.as_bytes()),
        })
    }
}

/// The maps of a log.
#[derive(Debug, Default)]
pub(crate) struct Maps {
    tenants: Vec<TenantMap>,
    heads: Vec<Head>,
    queue: VecDeque<Step>,
    /// Heads and tenants that changed since the last root.
    changed: Vec<u32>,
    changed_tenants: Vec<u32>,
    top: Trie,
    /// How many records the heads cover.
    applied: u64,
    /// A leaf is lost: no root can be recomputed any more.
    torn: bool,
    /// The newest map root, right or wrong.
    last: Option<MapRoot>,
}

#[derive(Debug)]
struct TenantMap {
    key: MapKey,
    trie: Trie,
    /// Records of the whole chain.
    count: u64,
    changed: bool,
}

/// A timeline's head: the right edge of its tree.
#[derive(Debug)]
struct Head {
    key: MapKey,
    tenant: u32,
    is_chain: bool,
    count: u64,
    edge: Vec<Node>,
    changed: bool,
}

/// One timeline grew by the record at `offset`; its new last perfect subtree has the root `node`.
#[derive(Debug)]
struct Step {
    offset: u64,
    head: u32,
    node: Node,
}

impl Maps {
    /// A tenant that was not met before; its number.
    pub(crate) fn open_tenant(&mut self, name: &str) -> u32 {
        self.tenants.push(TenantMap {
            key: MapKey::tenant(name),
            trie: Trie::default(),
            count: 0,
            changed: false,
        });
        last_index(self.tenants.len())
    }

    /// A timeline that was not met before; its number. The whole chain has an empty label.
    pub(crate) fn open_timeline(&mut self, tenant: u32, label: &str, target: &str) -> u32 {
        let is_chain = label.is_empty();
        self.heads.push(Head {
            key: if is_chain {
                MapKey::whole_chain()
            } else {
                MapKey::timeline(label, target)
            },
            tenant,
            is_chain,
            count: 0,
            edge: Vec::new(),
            changed: false,
        });
        last_index(self.heads.len())
    }

    /// The timeline grew by the record at `offset` and now ends in the perfect subtree `node`.
    pub(crate) fn grow(&mut self, offset: u64, head: u32, node: Node) {
        if self.torn {
            return;
        }
        self.queue.push_back(Step { offset, head, node });
        if self.queue.len() > QUEUE {
            let oldest = self.queue.front().map_or(0, |step| step.offset);
            self.apply(oldest.saturating_add(1));
        }
    }

    /// A leaf is lost.
    pub(crate) fn tear(&mut self) {
        self.torn = true;
        self.queue = VecDeque::new();
    }

    /// The newest map root that was met.
    pub(crate) const fn last(&self) -> Option<MapRoot> {
        self.last
    }

    /// Holds a map root at `offset` against the heads; what is wrong with it, or why that cannot be said.
    pub(crate) fn compare(&mut self, offset: u64, claimed: MapRoot) -> Result<Option<Finding>, &'static str> {
        let before = self.last.replace(claimed).map_or(0, |root| root.size);
        let wrong = |member, detail| Finding::new(Check::Maps, member, detail).at(offset);
        if claimed.size > offset {
            let finding = wrong("/payload/size", "a map root covers records before it only");
            return Ok(Some(finding.wanted(format!("{offset} at most"), claimed.size)));
        }
        if claimed.size < before {
            let finding = wrong("/payload/size", "it covers fewer records than the map root before it");
            return Ok(Some(finding.wanted(format!("{before} at least"), claimed.size)));
        }
        if self.torn {
            return Err("a record is broken or missing, so later map roots cannot be recomputed");
        }
        if claimed.size < self.applied {
            return Err("a map root lags too far behind its own record to be recomputed");
        }
        self.apply(claimed.size);
        let root = self.root();
        let differs = (root != claimed.root).then(|| {
            let detail = "the map root is not that of the timelines as they were";
            wrong("/payload/root", detail).wanted(root, claimed.root)
        });
        Ok(differs)
    }

    /// Follows the queue until the heads cover `size` records.
    fn apply(&mut self, size: u64) {
        while let Some(step) = self.queue.pop_front_if(|step| step.offset < size) {
            let head = self
                .heads
                .get_mut(step.head as usize)
                .expect("a step names a timeline that was opened");
            let merged = head.count.trailing_ones() as usize;
            head.edge.truncate(head.edge.len().saturating_sub(merged));
            head.edge.push(step.node);
            head.count += 1;
            if !std::mem::replace(&mut head.changed, true) {
                self.changed.push(step.head);
            }
        }
        self.applied = self.applied.max(size);
    }

    /// The root over the first `size` records, or why it cannot be recomputed.
    pub(crate) fn root_at(&mut self, size: u64) -> Result<Node, &'static str> {
        if self.torn {
            return Err("a record is broken or missing, so the stored maps cannot be compared with the log");
        }
        if size < self.applied {
            return Err("a stored version of the maps covers fewer records than a map root before it");
        }
        self.apply(size);
        Ok(self.root())
    }

    /// How many records the heads may cover at most after the next record, when the queue is about to move them.
    pub(crate) fn about_to_pass(&self) -> Option<u64> {
        let oldest = self.queue.front().filter(|_| self.queue.len() + STEPS > QUEUE)?;
        Some(oldest.offset.saturating_add(STEPS as u64))
    }

    /// How many leaves a timeline has and the root over them, as of the last root that was asked for.
    pub(crate) fn head(&self, number: u32) -> Option<(u64, Node)> {
        let head = self.heads.get(number as usize);
        head.map(|head| (head.count, fold(&head.edge)))
    }

    fn root(&mut self) -> Node {
        for at in self.changed.drain(..) {
            let head = self.heads.get_mut(at as usize).expect("a changed timeline was opened");
            let tenant = self
                .tenants
                .get_mut(head.tenant as usize)
                .expect("a timeline's tenant was opened");
            let leaf = MapLeaf {
                key: head.key,
                count: head.count,
                root: fold(&head.edge),
            };
            head.changed = false;
            tenant.trie.set(leaf.key, leaf.node());
            if head.is_chain {
                tenant.count = head.count;
            }
            if !std::mem::replace(&mut tenant.changed, true) {
                self.changed_tenants.push(head.tenant);
            }
        }
        for at in self.changed_tenants.drain(..) {
            let tenant = self.tenants.get_mut(at as usize).expect("a changed tenant was opened");
            let leaf = MapLeaf {
                key: tenant.key,
                count: tenant.count,
                root: tenant.trie.root(),
            };
            tenant.changed = false;
            self.top.set(leaf.key, leaf.node());
        }
        self.top.root()
    }

    /// The root of the map of the tenant with this number, over all that was grown so far, and its chain's length.
    pub(crate) fn tenant_root(&mut self, tenant: u32) -> (u64, Node) {
        self.apply(u64::MAX);
        let _top = self.root();
        let found = self.tenants.get_mut(tenant as usize);
        found.map_or((0, tlog::EMPTY_MAP), |tenant| (tenant.count, tenant.trie.root()))
    }
}

/// The root of a tree from its right edge, the largest subtree first.
fn fold(edge: &[Node]) -> Node {
    let folded = edge.iter().rev().copied();
    folded
        .reduce(|right, left| hash_children(&left, &right))
        .unwrap_or(EMPTY_ROOT)
}

fn last_index(len: usize) -> u32 {
    u32::try_from(len - 1).expect("fewer than 2^32 timelines fit into memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_never_pass_a_size_that_was_not_told_of_before() {
        let mut maps = Maps::default();
        let tenant = maps.open_tenant("acme");
        let heads = [("", ""), ("kind", "audit.event"), ("actor", "agent:a1")];
        let heads = heads.map(|(label, target)| maps.open_timeline(tenant, label, target));
        let mut told = 0;
        for offset in 0..2_000 {
            told = maps.about_to_pass().unwrap_or(told);
            heads
                .iter()
                .for_each(|head| maps.grow(offset, *head, Node::from([7; 32])));
            assert!(maps.applied <= told, "{offset}: {} {told}", maps.applied);
        }
        assert!(maps.applied > 0 && told < 2_000, "the queue has moved the heads");
        assert!(maps.root_at(maps.applied - 1).is_err());
        assert!(maps.root_at(maps.applied).is_ok());
    }
}

//! The maps as they follow from records, computed in memory from nothing else.

use crate::log::{event, tenant};
use ledger::Handle;
use ledger_client::LedgerClient as _;
use record::{Link, NewRecord, Record, Space, Tenant};
use std::collections::BTreeMap;
use tlog::{Frontier, MapKey, MapLeaf, Node, hash_leaf, map_root, timeline_entry};

/// Every timeline of every tenant, as it follows from records.
#[derive(Default, Clone)]
pub struct Oracle {
    pub tenants: BTreeMap<MapKey, BTreeMap<MapKey, Frontier>>,
}

impl Oracle {
    pub fn push(&mut self, record: &Record) {
        let leaf = hash_leaf(&timeline_entry(record.hash.as_bytes()));
        let timelines = self.tenants.entry(MapKey::tenant(record.tenant.as_str())).or_default();
        let linked = record.links.iter().filter(|link| link.has_timeline());
        let linked = linked.map(|link| MapKey::timeline(link.label(), link.target()));
        let own = [MapKey::whole_chain(), MapKey::timeline("kind", record.kind.as_str())];
        for key in own.into_iter().chain(linked) {
            timelines.entry(key).or_default().append(leaf, drop);
        }
    }

    pub fn root(&self) -> Node {
        let leaf = |key: MapKey, frontier: &Frontier| MapLeaf {
            key,
            count: frontier.size(),
            root: frontier.root(),
        };
        let tenants = self.tenants.iter().map(|(tenant, timelines)| MapLeaf {
            key: *tenant,
            count: timelines[&MapKey::whole_chain()].size(),
            root: map_root(
                &timelines
                    .iter()
                    .map(|(key, frontier)| leaf(*key, frontier))
                    .collect::<Vec<_>>(),
            ),
        });
        map_root(&tenants.collect::<Vec<_>>())
    }
}

/// The sizes that map roots name; each has been compared with the oracle's root.
pub fn checked_roots(records: &[Record]) -> Vec<u64> {
    let (mut oracle, mut roots, mut sizes) = (Oracle::default(), vec![Oracle::default().root()], Vec::new());
    for record in records {
        if record.kind.as_str() == "ledger.map_root" {
            let size = record.payload["size"].as_u64().expect("a number");
            assert!(record.tenant.is_ledger() && record.space == Space::System);
            assert!(
                size <= record.offset && sizes.last() <= Some(&size),
                "offset {}",
                record.offset
            );
            let expected = roots[usize::try_from(size).expect("fits")].to_string();
            assert_eq!(record.payload["root"], expected, "offset {}", record.offset);
            sizes.push(size);
        }
        oracle.push(record);
        roots.push(oracle.root());
    }
    sizes
}

/// An event of one of some tenants, sessions and subjects.
pub fn varied(n: u64) -> NewRecord {
    let link = |label: &str, of: u64| Link::new(label, format!("{label}:{}", n % of)).expect("a link");
    NewRecord {
        tenant: tenant(["default", "acme", "beta"][usize::try_from(n % 3).expect("fits")]),
        links: record::link::normalize(vec![
            link("actor", 2),
            link("session", 17),
            link("subject", 1_000_003),
            link("resource", 5),
        ])
        .expect("links"),
        ..event("act")
    }
}

pub async fn with_tenants(handle: &Handle) {
    for name in ["acme", "beta"] {
        let created = handle.create_tenant(Tenant::parse(name).expect("a tenant"), name.to_owned());
        created.await.expect("creates");
    }
}

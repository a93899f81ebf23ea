//! The dictionary of timelines while records are applied: ids, counts, and which of them are not written yet.
//!
//! Ids count in order of first appearance, so every run over the same log gives the same ones. What is in memory is
//! bounded: past the bound everything is written and forgotten, and looked up again when it is needed. Looking up and
//! writing are the sub-crates'.

use crate::{LinkRow, TimelineKey};
use record::Tenant;
use record::link::TIMELINE_LABELS;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Timelines kept in memory, about 200 bytes each.
const CAPACITY: usize = 131_072;

/// A link with its place: a row of `links`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlacedLink {
    /// The timeline's id.
    pub timeline: i64,
    /// Global position of the record.
    pub offset: u64,
    /// Its position in the timeline.
    pub position: u64,
    /// When it happened, in microseconds.
    pub at: i64,
}

/// A row of `timelines`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DictionaryRow {
    /// The timeline's id.
    pub id: i64,
    /// Its name.
    pub key: Arc<TimelineKey>,
    /// Number of records in it.
    pub count: u64,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    id: i64,
    count: u64,
}

/// Timelines by name.
#[derive(Debug)]
pub struct Dictionary {
    known: HashMap<Arc<TimelineKey>, Entry>,
    unwritten: BTreeMap<i64, Arc<TimelineKey>>,
    next_id: i64,
    /// Whether `known` holds every timeline: then an unknown one is new and needs no look-up.
    complete: bool,
    capacity: usize,
}

impl Dictionary {
    /// The dictionary of tables whose next new timeline gets `next_id`.
    #[must_use]
    pub fn new(next_id: i64) -> Self {
        Self {
            known: HashMap::new(),
            unwritten: BTreeMap::new(),
            next_id,
            complete: next_id == 0,
            capacity: CAPACITY,
        }
    }

    /// The timelines of `links` that are to be looked up before these can be placed, each once, in their own order.
    #[must_use]
    pub fn unknown<'l>(&self, links: &'l [LinkRow]) -> Vec<&'l TimelineKey> {
        if self.complete {
            return Vec::new();
        }
        let keys = links.iter().map(|link| &link.timeline);
        let unknown: HashSet<&TimelineKey> = keys.filter(|key| !self.known.contains_key(*key)).collect();
        let mut unknown: Vec<&TimelineKey> = unknown.into_iter().collect();
        unknown.sort_unstable();
        unknown
    }

    /// Takes in a row that was looked up. One that no record can have made is passed over.
    pub fn learn(&mut self, tenant: &str, label: &str, target: String, id: i64, count: u64) {
        let label = TIMELINE_LABELS.into_iter().find(|known| *known == label);
        if let (Some(tenant), Some(label)) = (Tenant::parse(tenant), label) {
            let key = Arc::new(TimelineKey { tenant, label, target });
            self.known.insert(key, Entry { id, count });
        }
    }

    /// Gives every link its timeline's id and its position there, in the order of `links`. Returns one timeline after
    /// the other: neighbours in the table.
    pub fn place(&mut self, links: Vec<LinkRow>) -> Vec<PlacedLink> {
        let mut placed: Vec<PlacedLink> = links.into_iter().map(|link| self.place_one(link)).collect();
        placed.sort_unstable();
        placed
    }

    fn place_one(&mut self, link: LinkRow) -> PlacedLink {
        let (offset, at) = (link.offset, link.at.micros());
        let placed = |entry: &mut Entry| {
            let position = entry.count;
            entry.count += 1;
            PlacedLink {
                timeline: entry.id,
                offset,
                position,
                at,
            }
        };
        if let Some((key, entry)) = self.known.get_key_value(&link.timeline) {
            self.unwritten.entry(entry.id).or_insert_with(|| Arc::clone(key));
            let entry = self.known.get_mut(&link.timeline).expect("the entry was just found");
            return placed(entry);
        }
        let (key, id) = (Arc::new(link.timeline), self.next_id);
        self.next_id += 1;
        self.unwritten.insert(id, Arc::clone(&key));
        placed(self.known.entry(key).or_insert(Entry { id, count: 0 }))
    }

    /// Whether more is in memory than should be: write it.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.known.len() >= self.capacity
    }

    /// What is to be written, by id. Forgets everything once there is too much of it.
    pub fn take_unwritten(&mut self) -> Vec<DictionaryRow> {
        let known = &self.known;
        let row = |(id, key): (i64, Arc<TimelineKey>)| {
            let count = known.get(&key)?.count;
            Some(DictionaryRow { id, key, count })
        };
        let rows = std::mem::take(&mut self.unwritten)
            .into_iter()
            .filter_map(row)
            .collect();
        if self.is_full() {
            self.known.clear();
            self.complete = false;
        }
        rows
    }
}

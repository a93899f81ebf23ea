//! The dictionary of timelines while records are applied: ids, counts, and which of them are not written yet.
//!
//! Ids count in order of first appearance, so every run over the same log gives the same ones. What is in memory is
//! bounded: past the bound everything is written and forgotten, and looked up again when it is needed.

use crate::apply::execute;
use crate::fault::{fault, integer, number};
use crate::statements;
use projector::{Error, LinkRow, TimelineKey};
use record::Tenant;
use record::link::TIMELINE_LABELS;
use sqlx::SqliteConnection;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Timelines kept in memory, about 200 bytes each.
const CAPACITY: usize = 131_072;

/// A link with its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PlacedLink {
    pub(crate) timeline: i64,
    pub(crate) offset: u64,
    pub(crate) position: u64,
    pub(crate) at: i64,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    id: i64,
    count: u64,
}

/// Timelines by name.
#[derive(Debug)]
pub(crate) struct Dictionary {
    known: HashMap<Arc<TimelineKey>, Entry>,
    unwritten: BTreeMap<i64, Arc<TimelineKey>>,
    next_id: i64,
    /// Whether `known` holds every timeline: then an unknown one is new and needs no look-up.
    complete: bool,
    capacity: usize,
}

impl Dictionary {
    /// The dictionary of the tables that `connection` writes to.
    pub(crate) async fn open(connection: &mut SqliteConnection) -> Result<Self, Error> {
        let next_id = sqlx::query_scalar(statements::SELECT_NEXT_TIMELINE).fetch_one(connection);
        let next_id = next_id.await.map_err(fault)?;
        Ok(Self {
            known: HashMap::new(),
            unwritten: BTreeMap::new(),
            next_id,
            complete: next_id == 0,
            capacity: CAPACITY,
        })
    }

    /// Gives every link its timeline's id and its position there, in the order of `links`.
    pub(crate) async fn place(
        &mut self,
        connection: &mut SqliteConnection,
        links: Vec<LinkRow>,
    ) -> Result<Vec<PlacedLink>, Error> {
        if !self.complete {
            self.look_up(connection, &links).await?;
        }
        Ok(links.into_iter().map(|link| self.place_one(link)).collect())
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

    async fn look_up(&mut self, connection: &mut SqliteConnection, links: &[LinkRow]) -> Result<(), Error> {
        let unknown = links.iter().map(|link| &link.timeline);
        let unknown: HashSet<&TimelineKey> = unknown.filter(|key| !self.known.contains_key(*key)).collect();
        let mut unknown: Vec<&TimelineKey> = unknown.into_iter().collect();
        for (size, text) in statements::FIND_TIMELINES.chunks() {
            while unknown.len() >= size {
                let mut find = sqlx::query_as(text);
                for key in unknown.drain(unknown.len() - size..) {
                    find = find.bind(key.tenant.as_str()).bind(key.label).bind(key.target.as_str());
                }
                let found: Vec<(String, String, String, i64, i64)> =
                    find.fetch_all(&mut *connection).await.map_err(fault)?;
                for (tenant, label, target, id, count) in found {
                    self.learn(&tenant, &label, target, id, number(count)?);
                }
            }
        }
        Ok(())
    }

    fn learn(&mut self, tenant: &str, label: &str, target: String, id: i64, count: u64) {
        let label = TIMELINE_LABELS.into_iter().find(|known| *known == label);
        if let (Some(tenant), Some(label)) = (Tenant::parse(tenant), label) {
            let key = Arc::new(TimelineKey { tenant, label, target });
            self.known.insert(key, Entry { id, count });
        }
    }

    /// Whether more is in memory than should be: write it.
    pub(crate) fn is_full(&self) -> bool {
        self.known.len() >= self.capacity
    }

    /// Writes what is new, and forgets everything once there is too much of it.
    pub(crate) async fn write(&mut self, connection: &mut SqliteConnection) -> Result<(), Error> {
        let known = &self.known;
        let row = |(id, key): (i64, Arc<TimelineKey>)| known.get(&key).map(|entry| (id, key, entry.count));
        let rows = std::mem::take(&mut self.unwritten)
            .into_iter()
            .filter_map(row)
            .collect();
        execute(connection, &statements::PUT_TIMELINES, rows, |row, (id, key, count)| {
            row.integer(id);
            row.text(key.tenant.as_str());
            row.text(key.label);
            row.text(&key.target);
            row.integer(integer(count));
        })
        .await?;
        if self.is_full() {
            self.known.clear();
            self.complete = false;
        }
        Ok(())
    }
}

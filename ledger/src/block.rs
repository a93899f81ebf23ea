//! One group commit as bytes: the records and, per timeline of each, where this record stands and what it completed.
//!
//! ```text
//! u8 1, u16 count, then per record:
//!   u32 length, bytes, u16 timelines, then per timeline (whole chain, kind, links in order):
//!     u64 position, and as many 32-byte nodes as `position` has trailing one bits, bottom up
//! ```
//! All integers big-endian. Decoding accepts exactly what encoding writes.

use tlog::Node;

const VERSION: u8 = 1;

/// A record as the store holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecord {
    /// Canonical bytes.
    pub bytes: std::sync::Arc<[u8]>,
    /// Whole chain, kind, then the links with a timeline, in order.
    pub timelines: Vec<TimelineEntry>,
}

/// Where a record stands in one timeline's tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineEntry {
    /// The leaf's index.
    pub position: u64,
    /// The nodes that this leaf completed, bottom up.
    pub completed: Vec<Node>,
}

/// The bytes of a block, built record by record behind whatever the buffer holds already.
#[derive(Debug)]
pub(crate) struct Writer {
    out: Vec<u8>,
    start: usize,
    count: u16,
    timelines_at: usize,
}

impl Writer {
    /// Writes behind the bytes of `out`, whose room is used again from commit to commit.
    pub(crate) fn behind(mut out: Vec<u8>) -> Self {
        let start = out.len();
        out.extend_from_slice(&[VERSION, 0, 0]);
        Self {
            out,
            start,
            count: 0,
            timelines_at: 0,
        }
    }

    pub(crate) fn record(&mut self, bytes: &[u8]) {
        self.count += 1;
        let length = u32::try_from(bytes.len()).expect("a record has at most 786,432 bytes");
        self.out.extend_from_slice(&length.to_be_bytes());
        self.out.extend_from_slice(bytes);
        self.timelines_at = self.out.len();
        self.out.extend_from_slice(&[0, 0]);
    }

    /// Adds a timeline to the record added last; the nodes follow by [`Writer::node`].
    pub(crate) fn timeline(&mut self, position: u64) {
        let slot = self
            .out
            .get_mut(self.timelines_at..)
            .and_then(|rest| rest.first_chunk_mut::<2>());
        let slot = slot.expect("a record was added before its timelines");
        *slot = (u16::from_be_bytes(*slot) + 1).to_be_bytes();
        self.out.extend_from_slice(&position.to_be_bytes());
    }

    pub(crate) fn node(&mut self, node: &Node) {
        self.out.extend_from_slice(node.as_bytes());
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        let count = self
            .out
            .get_mut(self.start + 1..)
            .and_then(|rest| rest.first_chunk_mut::<2>());
        *count.expect("room was left for the count") = self.count.to_be_bytes();
        self.out
    }
}

/// Reads a block; `None` unless the bytes are exactly one.
pub(crate) fn decode(bytes: &[u8]) -> Option<Vec<StoredRecord>> {
    let mut rest = bytes;
    let [version] = take::<1>(&mut rest)?;
    let count = u16::from_be_bytes(take(&mut rest)?);
    if version != VERSION || count == 0 {
        return None;
    }
    let records = (0..count)
        .map(|_| decode_record(&mut rest))
        .collect::<Option<Vec<_>>>()?;
    rest.is_empty().then_some(records)
}

fn decode_record(rest: &mut &[u8]) -> Option<StoredRecord> {
    let length = u32::from_be_bytes(take(rest)?) as usize;
    let (bytes, after) = rest.split_at_checked(length)?;
    *rest = after;
    let timelines = u16::from_be_bytes(take(rest)?);
    let timelines = (0..timelines)
        .map(|_| decode_timeline(rest))
        .collect::<Option<Vec<_>>>()?;
    Some(StoredRecord {
        bytes: bytes.into(),
        timelines,
    })
}

fn decode_timeline(rest: &mut &[u8]) -> Option<TimelineEntry> {
    let position = u64::from_be_bytes(take(rest)?);
    let completed = (0..position.trailing_ones())
        .map(|_| take::<32>(rest).map(Node::from))
        .collect::<Option<Vec<_>>>()?;
    Some(TimelineEntry { position, completed })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encode(records: &[StoredRecord]) -> Vec<u8> {
        let mut writer = Writer::behind(Vec::new());
        for record in records {
            writer.record(&record.bytes);
            for timeline in &record.timelines {
                writer.timeline(timeline.position);
                timeline.completed.iter().for_each(|node| writer.node(node));
            }
        }
        writer.finish()
    }

    fn entry() -> impl Strategy<Value = TimelineEntry> {
        (0u64..1 << 20, any::<[u8; 32]>()).prop_map(|(position, seed)| TimelineEntry {
            position,
            completed: (0..position.trailing_ones()).map(|_| Node::from(seed)).collect(),
        })
    }

    fn records() -> impl Strategy<Value = Vec<StoredRecord>> {
        let record = (
            prop::collection::vec(any::<u8>(), 0..64),
            prop::collection::vec(entry(), 0..5),
        )
            .prop_map(|(bytes, timelines)| StoredRecord {
                bytes: bytes.into(),
                timelines,
            });
        prop::collection::vec(record, 1..6)
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(records in records()) {
            prop_assert_eq!(decode(&encode(&records)), Some(records));
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            for bytes in [bytes.clone(), [&[VERSION, 0, 2][..], &bytes].concat(), [&[VERSION, 0, 1, 0, 0, 0, 1][..], &bytes].concat()] {
                if let Some(records) = decode(&bytes) {
                    prop_assert_eq!(encode(&records), bytes);
                }
            }
        }

        #[test]
        fn every_cut_and_addition_is_refused(records in records(), extra in any::<u8>()) {
            let bytes = encode(&records);
            for end in 0..bytes.len() {
                prop_assert_eq!(decode(&bytes[..end]), None);
            }
            let longer = [bytes.as_slice(), &[extra]].concat();
            prop_assert_eq!(decode(&longer), None);
        }
    }

    #[test]
    fn the_bytes_are_as_the_format_says() {
        let records = [StoredRecord {
            bytes: b"{}".as_slice().into(),
            timelines: vec![TimelineEntry {
                position: 1,
                completed: vec![Node::from([0xab; 32])],
            }],
        }];
        let expected = format!("01000100000002{}00010000000000000001{}", "7b7d", "ab".repeat(32));
        assert_eq!(hex::encode(encode(&records)), expected);
    }
}

//! Every proof of a real log against the verifiers of `tlog`.

use super::{LogTree, Prover, entry};
use crate::checkpoint::tests::publish;
use crate::handle::Handle;
use crate::log::{Log, all, append, event};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ledger_client::LedgerClient as _;
use ledger_client::proof::{Answer, PathProof, Question, Unprovable};
use tlog::{Edge, Node, hash_leaf, verify_consistency, verify_inclusion, verify_range};

/// A log under a checkpoint, and what a reader computes of its records by himself.
struct Proven {
    handle: Handle,
    leaves: Vec<Node>,
    roots: Vec<Node>,
    _log: Log,
}

impl Proven {
    /// A log of so many records, all under the newest checkpoint, opened anew when `cold`.
    async fn create(records: usize, cold: bool) -> Self {
        let log = Log::create().await;
        let mut handle = log.open();
        let events: Vec<_> = (2..records).map(|n| event(&format!("act.{n}"))).collect();
        let appended = handle.append_many(events).await.expect("answers each");
        assert!(appended.iter().all(Result::is_ok));
        publish(&handle).expect("is signed");
        if cold {
            handle.close();
            drop(handle);
            handle = log.open();
        }
        let records = all(&handle).await;
        let leaf = |record: &record::Record| {
            hash_leaf(&tlog::log_entry(record.offset, record.hash.as_bytes(), record.bytes()))
        };
        let leaves: Vec<Node> = records.iter().map(leaf).collect();
        let mut edge = Edge::new();
        let mut roots = vec![edge.root()];
        for leaf in &leaves {
            edge.append(*leaf, &mut Vec::new());
            roots.push(edge.root());
        }
        Self {
            handle,
            leaves,
            roots,
            _log: log,
        }
    }

    fn size(&self) -> u64 {
        self.leaves.len() as u64
    }

    fn root(&self, size: u64) -> Node {
        self.roots[size as usize]
    }

    fn ask(&self, question: &Question) -> Answer {
        assert!(question.is_sound(), "{question:?}");
        let shared = self.handle.reader().expect("is open");
        let newest = self.handle.checkpoints().borrow().clone();
        let prover = Prover {
            shared: &shared,
            newest,
        };
        prover.answer(question).expect("reads").expect("fits the log")
    }

    fn path(&self, question: &Question) -> (PathProof, Vec<Node>) {
        let Answer::Path(path) = self.ask(question) else {
            panic!("{question:?}: {:?}", self.ask(question))
        };
        let nodes = path.nodes.iter().map(|node| {
            let bytes: [u8; 32] = STANDARD.decode(node).expect("base64").try_into().expect("32 bytes");
            Node::from(bytes)
        });
        let nodes = nodes.collect();
        (path, nodes)
    }

    fn check_inclusion(&self, offset: u64, size: u64) {
        let (path, nodes) = self.path(&Question::Inclusion {
            offset,
            size: Some(size),
        });
        assert_eq!((path.size, path.checkpoint.is_some()), (size, size == self.size()));
        let leaf = &self.leaves[offset as usize];
        verify_inclusion(leaf, offset, size, &self.root(size), &nodes).expect("is proven");
    }

    fn check_consistency(&self, from: u64, to: u64) {
        let (_, nodes) = self.path(&Question::Consistency { from, to });
        verify_consistency(from, &self.root(from), to, &self.root(to), &nodes).expect("is proven");
    }

    fn check_range(&self, from: u64, until: u64, size: u64) {
        let (_, nodes) = self.path(&Question::Range { from, until, size });
        let leaves = &self.leaves[from as usize..until as usize];
        verify_range(from, leaves, size, &self.root(size), &nodes).expect("is proven");
    }

    fn bytes(&self, question: &Question) -> Vec<u8> {
        match self.ask(question) {
            Answer::Bytes(text) => STANDARD.decode(text).expect("base64"),
            other => panic!("{question:?}: {other:?}"),
        }
    }

    fn unprovable(&self, question: &Question) -> Unprovable {
        match self.ask(question) {
            Answer::Unprovable(reason) => reason,
            other => panic!("{question:?}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn every_proof_of_a_small_log_verifies() {
    let log = Proven::create(37, false).await;
    for size in 1..=log.size() {
        let shared = log.handle.reader().expect("is open");
        assert_eq!(LogTree(&shared).root(size).expect("reads"), log.root(size));
        for offset in 0..size {
            log.check_inclusion(offset, size);
            log.check_consistency(offset + 1, size);
            for until in offset + 1..=size {
                log.check_range(offset, until, size);
            }
        }
        log.check_consistency(0, size);
    }
    let (path, _) = log.path(&Question::Inclusion { offset: 5, size: None });
    assert_eq!((path.size, path.checkpoint.map(|kept| kept.size)), (37, Some(37)));
}

#[tokio::test]
async fn proofs_cross_the_borders_of_tiles() {
    let log = Proven::create(1_300, true).await;
    let sizes = [
        1, 255, 256, 257, 511, 512, 513, 767, 1_024, 1_025, 1_279, 1_280, 1_281, 1_300,
    ];
    for size in sizes {
        for offset in [0, 1, 254, 255, 256, 257, 511, 512, 1_023, 1_024, 1_279, 1_280, 1_299] {
            if offset < size {
                log.check_inclusion(offset, size);
                log.check_consistency(offset + 1, size);
                log.check_range(offset, size, size);
                log.check_range(offset / 2, offset + 1, size);
            }
        }
    }
    let offsets = (0..log.size()).step_by(17);
    offsets.for_each(|offset| log.check_inclusion(offset, log.size()));
}

#[tokio::test]
async fn tiles_and_entries_are_the_log() {
    let log = Proven::create(1_300, true).await;
    let bytes = |nodes: &[Node]| nodes.iter().flat_map(|node| *node.as_bytes()).collect::<Vec<u8>>();
    let tile = |level, index, width| Question::Tile { level, index, width };
    for index in 0..5 {
        let leaves = &log.leaves[index * 256..(index + 1) * 256];
        assert_eq!(log.bytes(&tile(0, index as u64, None)), bytes(leaves));
        assert_eq!(log.bytes(&tile(0, index as u64, Some(3))), bytes(&leaves[..3]));
    }
    // Smaller first, so that a kept part has to grow.
    for width in [1, 7, 20] {
        assert_eq!(
            log.bytes(&tile(0, 5, Some(width))),
            bytes(&log.leaves[1_280..1_280 + usize::from(width)])
        );
    }
    let roots: Vec<Node> = (0..5)
        .map(|index| {
            let mut edge = Edge::new();
            log.leaves[index * 256..(index + 1) * 256]
                .iter()
                .for_each(|leaf| edge.append(*leaf, &mut Vec::new()));
            edge.root()
        })
        .collect();
    for width in [2, 5] {
        assert_eq!(log.bytes(&tile(1, 0, Some(width))), bytes(&roots[..usize::from(width)]));
    }
    for (question, reason) in [
        (tile(0, 5, Some(21)), Unprovable::BeyondEnd),
        (tile(0, 5, None), Unprovable::BeyondEnd),
        (tile(0, 6, Some(1)), Unprovable::BeyondEnd),
        (tile(0, u64::MAX, None), Unprovable::BeyondEnd),
        (tile(1, 0, Some(6)), Unprovable::BeyondEnd),
        (tile(2, 0, Some(1)), Unprovable::BeyondEnd),
        (tile(8, 0, Some(1)), Unprovable::BeyondEnd),
        (tile(63, 1 << 50, None), Unprovable::BeyondEnd),
    ] {
        assert_eq!(log.unprovable(&question), reason, "{question:?}");
    }
    let entries = |index, width| Question::Entries { index, width };
    for (index, width) in [(0, None), (4, None), (5, Some(20)), (5, Some(1)), (2, Some(9))] {
        let bundle = log.bytes(&entries(index, width));
        let read = tlog::entries(&bundle).expect("a bundle");
        assert_eq!(read.len(), width.map_or(256, usize::from));
        for (data, offset) in read.into_iter().zip(index as usize * 256..) {
            assert_eq!(hash_leaf(data), log.leaves[offset]);
        }
    }
    assert_eq!(log.unprovable(&entries(5, Some(21))), Unprovable::BeyondEnd);
    assert_eq!(log.unprovable(&entries(u64::MAX / 256, None)), Unprovable::BeyondEnd);
}

#[tokio::test]
async fn nothing_is_proven_that_no_checkpoint_covers() {
    let log = Proven::create(300, false).await;
    append(&log.handle, event("later")).await;
    let at_end = [
        Question::Inclusion {
            offset: 300,
            size: None,
        },
        Question::Inclusion {
            offset: 3,
            size: Some(301),
        },
        Question::Consistency { from: 3, to: 301 },
        Question::Range {
            from: 3,
            until: 4,
            size: 301,
        },
        Question::Tile {
            level: 0,
            index: 1,
            width: Some(45),
        },
        Question::Entries {
            index: 1,
            width: Some(45),
        },
    ];
    for question in &at_end {
        assert_eq!(log.unprovable(question), Unprovable::NotYet, "{question:?}");
    }
    let beyond = [
        Question::Inclusion {
            offset: 301,
            size: None,
        },
        Question::Inclusion {
            offset: u64::MAX,
            size: None,
        },
        Question::Inclusion {
            offset: 3,
            size: Some(302),
        },
        Question::Inclusion {
            offset: 7,
            size: Some(7),
        },
        Question::Consistency { from: 3, to: u64::MAX },
        Question::Range {
            from: 3,
            until: 9,
            size: 8,
        },
        Question::Range {
            from: 3,
            until: 4,
            size: 999,
        },
    ];
    for question in &beyond {
        assert_eq!(log.unprovable(question), Unprovable::BeyondEnd, "{question:?}");
    }
    publish(&log.handle).expect("is signed");
    for question in &at_end {
        assert!(!matches!(log.ask(question), Answer::Unprovable(_)), "{question:?}");
    }
    let shared = log.handle.reader().expect("is open");
    assert!(entry(&shared, 301).is_err(), "there is no such record");
}

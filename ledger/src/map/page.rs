//! A page of a map: 16 halves of halves, four bits of a key at once, and its bytes.
//!
//! ```text
//! u8 1, u16 children that are pages, u16 children that are leaves (child 0 is the least bit), then per child in order:
//!   page: u64 its version, its 32-byte node
//!   leaf: 32 bytes key, u64 count, 32 bytes root
//! ```
//! All integers big-endian. Decoding accepts exactly what encoding writes. A page exists for every subtree with two or
//! more keys and for the root; so the page of a root alone may hold fewer than two.

use tlog::{EMPTY_MAP, MapKey, MapLeaf, Node, hash_children};

const FORMAT: u8 = 1;
/// Children of a page.
pub(super) const WIDTH: usize = 16;

/// What stands in one of the 16 places of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Child {
    /// No key.
    #[default]
    Empty,
    /// One key.
    Leaf(MapLeaf),
    /// Two keys or more: a page of its own.
    Page {
        /// The version that wrote it.
        version: u64,
        /// The root of its keys.
        node: Node,
    },
}

/// A page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Page {
    children: [Child; WIDTH],
}

/// The root over some keys, and as much as is needed to put two of them together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sum {
    None,
    One(MapLeaf),
    Many(Node),
}

impl Sum {
    /// The root.
    pub(super) fn node(&self) -> Node {
        match self {
            Self::None => EMPTY_MAP,
            Self::One(leaf) => leaf.node(),
            Self::Many(node) => *node,
        }
    }

    fn join(left: Self, right: Self) -> Self {
        match (left, right) {
            (Self::None, Self::None) => Self::None,
            (one @ Self::One(_), Self::None) | (Self::None, one @ Self::One(_)) => one,
            (left, right) => Self::Many(hash_children(&left.node(), &right.node())),
        }
    }

    /// Puts neighbours together until one is left; their number is a power of two.
    pub(super) fn of(children: &[Child]) -> Self {
        match children {
            [] => Self::None,
            [Child::Empty] => Self::None,
            [Child::Leaf(leaf)] => Self::One(*leaf),
            [Child::Page { node, .. }] => Self::Many(*node),
            more => {
                let (left, right) = more.split_at(more.len() / 2);
                Self::join(Self::of(left), Self::of(right))
            }
        }
    }
}

impl Page {
    /// All children, in order.
    pub(super) const fn children(&self) -> &[Child] {
        &self.children
    }

    /// The child in this place, 0 to 15.
    pub(super) fn child(&self, place: usize) -> Child {
        self.children.get(place).copied().unwrap_or_default()
    }

    pub(super) fn set(&mut self, place: usize, child: Child) {
        if let Some(slot) = self.children.get_mut(place) {
            *slot = child;
        }
    }

    /// The root of its keys.
    pub(super) fn sum(&self) -> Sum {
        Sum::of(&self.children)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let bits = |is: fn(&Child) -> bool| {
            let set = self.children.iter().enumerate().filter(|(_, child)| is(child));
            set.fold(0_u16, |bits, (place, _)| bits | 1 << place)
        };
        let pages = bits(|child| matches!(child, Child::Page { .. }));
        let leaves = bits(|child| matches!(child, Child::Leaf(_)));
        let mut out = Vec::with_capacity(5 + 72 * (pages | leaves).count_ones() as usize);
        out.push(FORMAT);
        out.extend_from_slice(&pages.to_be_bytes());
        out.extend_from_slice(&leaves.to_be_bytes());
        for child in &self.children {
            match child {
                Child::Empty => {}
                Child::Page { version, node } => {
                    out.extend_from_slice(&version.to_be_bytes());
                    out.extend_from_slice(node.as_bytes());
                }
                Child::Leaf(leaf) => {
                    out.extend_from_slice(leaf.key.as_bytes());
                    out.extend_from_slice(&leaf.count.to_be_bytes());
                    out.extend_from_slice(leaf.root.as_bytes());
                }
            }
        }
        out
    }

    /// Reads what [`Page::encode`] wrote; `None` for anything else.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let [format] = take::<1>(&mut rest)?;
        let pages = u16::from_be_bytes(take(&mut rest)?);
        let leaves = u16::from_be_bytes(take(&mut rest)?);
        if format != FORMAT || pages & leaves != 0 {
            return None;
        }
        let mut page = Self::default();
        for (place, child) in page.children.iter_mut().enumerate() {
            if pages >> place & 1 == 1 {
                *child = Child::Page {
                    version: u64::from_be_bytes(take(&mut rest)?),
                    node: Node::from(take(&mut rest)?),
                };
            } else if leaves >> place & 1 == 1 {
                *child = Child::Leaf(MapLeaf {
                    key: MapKey::from(take(&mut rest)?),
                    count: u64::from_be_bytes(take(&mut rest)?),
                    root: Node::from(take(&mut rest)?),
                });
            }
        }
        rest.is_empty().then_some(page)
    }
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

    fn child() -> impl Strategy<Value = Child> {
        let leaf = (any::<[u8; 32]>(), any::<u64>(), any::<[u8; 32]>()).prop_map(|(key, count, root)| {
            Child::Leaf(MapLeaf {
                key: key.into(),
                count,
                root: root.into(),
            })
        });
        let page = (any::<u64>(), any::<[u8; 32]>()).prop_map(|(version, node)| Child::Page {
            version,
            node: node.into(),
        });
        prop_oneof![Just(Child::Empty), leaf, page]
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_and_no_other_length(children in proptest::array::uniform16(child()), extra in any::<u8>()) {
            let page = Page { children };
            let bytes = page.encode();
            prop_assert_eq!(Page::decode(&bytes), Some(page));
            for end in 0..bytes.len() {
                prop_assert_eq!(Page::decode(&bytes[..end]), None);
            }
            prop_assert_eq!(Page::decode(&[bytes.as_slice(), &[extra]].concat()), None);
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            for bytes in [bytes.clone(), [&[FORMAT][..], &bytes].concat(), [&[FORMAT, 0, 1, 0, 2][..], &bytes].concat()] {
                if let Some(page) = Page::decode(&bytes) {
                    prop_assert_eq!(page.encode(), bytes);
                }
            }
        }
    }

    #[test]
    fn the_bytes_are_as_the_header_says() {
        let mut page = Page::default();
        page.set(
            1,
            Child::Page {
                version: 7,
                node: Node::from([0xaa; 32]),
            },
        );
        page.set(
            15,
            Child::Leaf(MapLeaf {
                key: [0xbb; 32].into(),
                count: 3,
                root: Node::from([0xcc; 32]),
            }),
        );
        let expected = format!(
            "0100028000{:016x}{}{}{:016x}{}",
            7,
            "aa".repeat(32),
            "bb".repeat(32),
            3,
            "cc".repeat(32)
        );
        assert_eq!(hex::encode(page.encode()), expected);
    }
}

//! The end of a tenant's chain: what the next record continues.

use record::Hash;

/// Length and last hash of a chain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Chain {
    length: u64,
    last: Option<Hash>,
}

impl Chain {
    /// A chain of `length` records that ends with `last`.
    #[must_use]
    pub const fn new(length: u64, last: Option<Hash>) -> Self {
        Self { length, last }
    }

    /// Number of records: the next record's `seq`.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Hash of the last record: the next record's `prev`.
    #[must_use]
    pub const fn last(&self) -> Option<&Hash> {
        self.last.as_ref()
    }

    /// One record more.
    pub const fn extend(&mut self, hash: Hash) {
        self.length += 1;
        self.last = Some(hash);
    }
}

//! Documents larger than a message: cut by the sender, put together by the receiver, bounded in number and bytes.

use super::{Frame, Part};
use bytes::{Bytes, BytesMut};

/// Bytes of a document in one message at most; with its header fields it fits into the smallest `max_payload`, 1 MiB.
pub const PART_BYTES: usize = 900 * 1_024;

/// The parts of a document, in order.
pub fn split(document: &Bytes) -> impl Iterator<Item = (Part, Bytes)> {
    let total = document.len();
    let count = total.div_ceil(PART_BYTES).max(1);
    let document = document.clone();
    (0..count).map(move |index| {
        let start = index * PART_BYTES;
        let part = Part { index, count, total };
        (part, document.slice(start..total.min(start + PART_BYTES)))
    })
}

/// A document of which parts are still missing.
#[derive(Debug)]
pub struct Assembly {
    frame: Frame,
    parts: Vec<Option<Bytes>>,
    bytes: usize,
}

/// Why a document cannot be put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The parts do not belong together, one came twice, or their bytes are not as many as announced.
    #[error("the parts do not make one document")]
    Mismatch,
    /// Beyond the limit.
    #[error("the document is too large")]
    TooLarge,
}

impl Assembly {
    /// Whether a part may belong to a document of at most `limit` bytes: parts are full, so that their number is bounded.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn check(part: Part, len: usize, limit: usize) -> Result<(), Broken> {
        if part.total > limit {
            return Err(Broken::TooLarge);
        }
        let full = part.count == part.total.div_ceil(PART_BYTES).max(1);
        let start = part.index * PART_BYTES;
        let expected = part.total.saturating_sub(start).min(PART_BYTES);
        if full && len == expected {
            Ok(())
        } else {
            Err(Broken::Mismatch)
        }
    }

    /// Begins with the first part that arrived, whichever it is.
    #[must_use]
    pub fn new(frame: Frame) -> Self {
        Self {
            parts: vec![None; frame.part.count],
            frame,
            bytes: 0,
        }
    }

    /// Adds a part that passed [`Assembly::check`]; the whole document when none is missing any more.
    ///
    /// # Errors
    /// [`Broken::Mismatch`]: the document will never be whole.
    pub fn add(&mut self, frame: &Frame, bytes: Bytes) -> Result<Option<Bytes>, Broken> {
        let (part, first) = (frame.part, self.frame.part);
        let same = frame.signature == self.frame.signature && frame.gateway == self.frame.gateway;
        if !same || (part.count, part.total) != (first.count, first.total) {
            return Err(Broken::Mismatch);
        }
        let slot = self.parts.get_mut(part.index).ok_or(Broken::Mismatch)?;
        if slot.is_some() {
            return Err(Broken::Mismatch);
        }
        self.bytes += bytes.len();
        *slot = Some(bytes);
        if self.parts.iter().any(Option::is_none) {
            return Ok(None);
        }
        let mut whole = BytesMut::with_capacity(self.bytes);
        self.parts
            .drain(..)
            .flatten()
            .for_each(|part| whole.extend_from_slice(&part));
        Ok(Some(whole.freeze()))
    }

    /// Bytes that are held.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The frame of the part that arrived first.
    #[must_use]
    pub const fn frame(&self) -> &Frame {
        &self.frame
    }
}

//! The proof of one leaf as a text that travels alone (C2SP tlog-proof@v1, `.tlog-proof`).
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra <base64>            optional; nobody signs it
//! index 73894
//! <base64 hash>...          the leaf's sibling first
//!
//! <checkpoint, with cosignatures>
//! ```
//!
//! Invariant: [`ProofText`] is what somebody sent. [`ProofText::verify`] checks the log's signature and the path; how
//! many witnesses have seen the checkpoint is then for a [`Policy`](crate::Policy) to judge.

use crate::checkpoint::parse_size;
use crate::{Checkpoint, CheckpointText, Error, Node, VerifierKey, What, base64, verify_inclusion};
use std::fmt::Write as _;

const MAGIC: &str = "c2sp.org/tlog-proof@v1";

/// A proof as it came: of the right form, and believed in nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofText {
    /// Bytes that ride along unsigned.
    pub extra: Option<Vec<u8>>,
    /// The leaf's position.
    pub index: u64,
    /// The inclusion proof.
    pub path: Vec<Node>,
    /// The checkpoint that it leads to.
    pub checkpoint: CheckpointText,
}

impl ProofText {
    /// Reads a proof.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`], [`Error::SizeTooLarge`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let malformed = |detail| What::Proof.malformed(detail);
        let (head, checkpoint) = text
            .split_once("\n\n")
            .ok_or(malformed("no blank line ends its hashes"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(MAGIC) {
            return Err(malformed("it does not begin with c2sp.org/tlog-proof@v1"));
        }
        let extra = lines.next_if(|line| line.starts_with("extra "));
        let extra = extra.and_then(|line| line.strip_prefix("extra ")).map(base64::decode);
        let extra = extra
            .map(|bytes| bytes.ok_or(malformed("its extra line is not base64")))
            .transpose()?;
        let index = lines.next().and_then(|line| parse_size(line.strip_prefix("index ")?));
        let index = index.ok_or(malformed("it has no index line"))?;
        let path = lines.map(|line| base64::decode_node(line).ok_or(malformed("a line is not base64 of 32 bytes")));
        Ok(Self {
            extra,
            index,
            path: path.collect::<Result<_, _>>()?,
            checkpoint: CheckpointText::parse(checkpoint)?,
        })
    }

    /// The text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = format!("{MAGIC}\n");
        // Writing to a String does not fail.
        if let Some(extra) = &self.extra {
            let _ok = writeln!(out, "extra {}", base64::encode(extra));
        }
        let _ok = writeln!(out, "index {}", self.index);
        for node in &self.path {
            let _ok = writeln!(out, "{}", base64::encode(node.as_bytes()));
        }
        out.push('\n');
        out.push_str(&self.checkpoint.note().to_text());
        out
    }

    /// Checks that `leaf` is at the proof's index of the log `origin`, by a checkpoint that one of its `keys` signed.
    ///
    /// # Errors
    ///
    /// As [`CheckpointText::verify`] and [`verify_inclusion`].
    pub fn verify(self, leaf: &Node, origin: &str, keys: &[VerifierKey]) -> Result<Checkpoint, Error> {
        let checkpoint = self.checkpoint.verify(origin, keys)?;
        verify_inclusion(leaf, self.index, checkpoint.size(), checkpoint.root(), &self.path)?;
        Ok(checkpoint)
    }
}

//! Sequencing, group commit, the fjall store, encryption at rest, keys, recovery and the feed.

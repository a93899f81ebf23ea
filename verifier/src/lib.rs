//! Independent check of a log: canonical bytes, hash, signature, chain, tree, timelines.

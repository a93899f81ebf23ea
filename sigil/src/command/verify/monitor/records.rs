//! All records of a watched log, followed once from the first: tree, map roots, chains and signatures computed again.

use super::super::file::Beliefs;
use crate::exit::{Exit, Failure};
use verifier::{Finding, Follower, Options};

/// Findings that are told at most.
const FINDINGS: usize = 100;

/// What was read so far.
pub struct Records {
    /// Taken while a page is computed elsewhere.
    follower: Option<Box<Follower>>,
    known: u64,
}

impl Records {
    /// Nothing so far.
    pub fn new(beliefs: &Beliefs) -> Result<Self, Failure> {
        let options = Options {
            trust: beliefs.trust.as_ref(),
            policy: beliefs.policy.as_ref(),
            findings: FINDINGS,
            ..Options::default()
        };
        let unreadable = |error| Failure::new(Exit::Unchecked, format!("the trust file's policy: {error}"));
        let follower = Some(Box::new(Follower::new(&options).map_err(unreadable)?));
        Ok(Self { follower, known: 0 })
    }

    /// The offset that comes next.
    pub fn next(&self) -> u64 {
        self.follower.as_ref().map_or(0, |follower| follower.next())
    }

    /// Whether records below `size` were not read yet.
    pub fn is_behind(&self, size: u64) -> bool {
        self.next() < size
    }

    /// Makes the checkpoint of `size` records known, to be compared when they have been read.
    pub fn know(&mut self, note: &str, size: u64) {
        let is_new = size > self.known && self.is_behind(size);
        if let Some(follower) = self.follower.as_mut().filter(|_| is_new) {
            follower.know(note);
            self.known = size;
        }
    }

    /// Follows a page; what is wrong with it, and what could not be checked.
    pub async fn follow(&mut self, page: Vec<Vec<u8>>) -> Result<(Vec<Finding>, Vec<String>), Failure> {
        let Some(mut follower) = self.follower.take() else {
            return Ok((Vec::new(), Vec::new()));
        };
        let work = tokio::task::spawn_blocking(move || {
            let found = follower.follow(page);
            (follower, found)
        });
        let (mut follower, found) = work.await.map_err(anyhow::Error::from)?;
        let missed = follower.missed();
        self.follower = Some(follower);
        Ok((found, missed))
    }
}

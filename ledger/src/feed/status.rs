//! What a feed is doing, for whoever watches it: health, metrics, an operator.

/// What a feed is doing now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Its phase.
    pub phase: Phase,
    /// The stream it publishes to, or found wrong; `None` before it knows one.
    pub stream: Option<String>,
    /// Records that the stream has acknowledged, counted from offset 0.
    pub published: u64,
}

/// The phases of a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// It looks for the stream and compares it with the log.
    Starting,
    /// It publishes what is committed.
    Live,
    /// The broker cannot be reached or refuses for the moment. Appends go on; the feed tries again and catches up.
    Waiting {
        /// What failed last.
        reason: String,
    },
    /// The server or the stream's configuration is not what the log needs. The feed looks again from time to time.
    Unfit {
        /// What is wrong and what to do.
        reason: String,
    },
    /// `STREAM_DIVERGED`: the stream does not hold this log. Nothing is published until it is rebuilt.
    Diverged(Divergence),
    /// It was stopped.
    Stopped,
}

/// How a stream differs from the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Divergence {
    /// The stream.
    pub stream: String,
    /// In what.
    pub reason: Reason,
}

/// Why a stream is not this log's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The stream that was published to is gone.
    #[error("it is gone")]
    Lost,
    /// A message that this ledger did not publish stands where a record belongs.
    #[error("message {sequence} is not the record at offset {offset}")]
    Foreign {
        /// Its stream sequence.
        sequence: u64,
        /// The offset whose place it takes.
        offset: u64,
    },
    /// It holds records of another log: two logs share a slug and an account.
    #[error("it holds records of log {log}: give the logs different slugs or accounts")]
    OtherLog {
        /// The other log's origin.
        log: String,
    },
    /// Messages are missing before its end.
    #[error("it has {messages} messages up to sequence {last}: some are missing")]
    Holes {
        /// Messages that it holds.
        messages: u64,
        /// Its last sequence.
        last: u64,
    },
    /// Somebody sealed it.
    #[error("it is sealed")]
    Sealed,
    /// Nothing in it is of this log, so the stream that takes its place would have its name.
    #[error(
        "none of its messages is a record of this log, and its name is needed: delete it by `sigil stream rebuild --force`"
    )]
    NameTaken,
}

impl Phase {
    /// A stable word for metrics and health.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Live => "live",
            Self::Waiting { .. } => "waiting",
            Self::Unfit { .. } => "unfit",
            Self::Diverged(_) => "diverged",
            Self::Stopped => "stopped",
        }
    }
}

impl Reason {
    /// Whether a rebuild may begin without an operator: never when it would take another log's stream away or delete
    /// messages.
    #[must_use]
    pub const fn needs_force(&self) -> bool {
        matches!(self, Self::OtherLog { .. } | Self::NameTaken)
    }
}

impl std::fmt::Display for Divergence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "STREAM_DIVERGED: stream {}: {}", self.stream, self.reason)
    }
}

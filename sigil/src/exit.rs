//! How a command ends: the exit codes of the command line, and a failure with its code.

use std::fmt;
use std::process::ExitCode;

/// Exit codes. 2 is clap's, for wrong usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It was done.
    Ok = 0,
    /// It went wrong.
    Failure = 1,
    /// The command line is wrong in a way that clap cannot see.
    Usage = 2,
    /// Something was checked and is not right.
    VerificationFailed = 3,
    /// Something could not be checked.
    Unchecked = 5,
    /// Something that is needed is not there at the moment.
    Unavailable = 6,
    /// Ctrl-C.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A command that did not do what it was asked.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    error: anyhow::Error,
}

impl Failure {
    /// A failure with this code and message.
    pub fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self {
            exit,
            error: anyhow::anyhow!("{message}"),
        }
    }
}

impl Failure {
    /// Whether a read model could not be opened because its own data is damaged.
    pub fn is_damaged_read_model(&self) -> bool {
        matches!(self.error.downcast_ref(), Some(projector::Error::Damaged(_)))
    }
}

impl fmt::Display for Failure {
    /// The whole chain of causes in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.error)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self {
            exit: Exit::Failure,
            error,
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        anyhow::Error::from(error).into()
    }
}

impl From<ledger::Error> for Failure {
    fn from(error: ledger::Error) -> Self {
        let exit = match &error {
            ledger::Error::InUse { .. } => Exit::Unavailable,
            error if error.is_damage() => Exit::VerificationFailed,
            _ => Exit::Failure,
        };
        Self {
            exit,
            error: error.into(),
        }
    }
}

impl From<ledger_client::Error> for Failure {
    fn from(error: ledger_client::Error) -> Self {
        let exit = match error.kind() {
            ledger_client::Kind::Unavailable => Exit::Unavailable,
            ledger_client::Kind::Corrupt => Exit::VerificationFailed,
            ledger_client::Kind::Invalid | ledger_client::Kind::Conflict => Exit::Failure,
        };
        Self {
            exit,
            error: error.into(),
        }
    }
}

impl From<projector::Error> for Failure {
    fn from(error: projector::Error) -> Self {
        use projector::Error::{BrokenChain, Cancelled, Damaged, Gap, LogBehind, Unverified};
        let exit = match &error {
            Gap { .. } | Unverified { .. } | BrokenChain { .. } | LogBehind { .. } | Damaged(_) => {
                Exit::VerificationFailed
            }
            Cancelled => Exit::Interrupted,
            _ => Exit::Failure,
        };
        Self {
            exit,
            error: error.into(),
        }
    }
}

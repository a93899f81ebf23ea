//! Failures of the other rooms as problems.

use super::code::Code;
use super::problem::{Finding, Place, Problem};
use ledger_client::Error;
use record::Fault;

impl From<&Fault> for Finding {
    fn from(fault: &Fault) -> Self {
        Self {
            place: Place::Pointer(fault.pointer.clone()),
            code: fault.code.as_str(),
            detail: fault.detail.clone(),
        }
    }
}

impl From<Vec<Fault>> for Problem {
    /// The first fault names the problem, all of them are its findings.
    fn from(faults: Vec<Fault>) -> Self {
        let problem = match faults.first() {
            None => Self::new(Code::BadRequest, "the record is refused"),
            Some(first) if faults.len() == 1 => Self::coded(first.code.as_str(), sentence(first)),
            Some(first) => {
                let detail = format!("{} (and {} more, see `errors`)", sentence(first), faults.len() - 1);
                Self::coded(first.code.as_str(), detail)
            }
        };
        faults.iter().map(Finding::from).fold(problem, Self::with)
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Self::from(vec![fault])
    }
}

fn sentence(fault: &Fault) -> String {
    if fault.pointer.is_empty() {
        fault.detail.clone()
    } else {
        format!("{}: {}", fault.pointer, fault.detail)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        let code = match error {
            Error::Refused(faults) => return Self::from(faults),
            Error::Denied(denial) => return Self::coded(denial.code(), detail),
            Error::IdConflict { .. } => Code::IdConflict,
            Error::IdempotencyConflict { .. } => Code::IdempotencyConflict,
            Error::CommandRefused(_) => Code::CommandRefused,
            Error::OwnIdRequired { .. } => Code::OwnIdRequired,
            Error::Closed => Code::LogClosed,
            Error::Overloaded => Code::Overloaded,
            Error::ClockJumped { .. } => Code::ClockJumped,
            Error::Unavailable { .. } => Code::LedgerUnavailable,
            Error::CommitUnknown { .. } => Code::CommitUnknown,
            Error::Unwitnessed { offset, .. } => {
                return Self::new(Code::WitnessQuorumMissing, detail).committed(offset);
            }
            Error::ScopeKeyLost => Code::ScopeKeyLost,
            Error::Corrupt(_) => Code::LogCorrupt,
        };
        Self::new(code, detail)
    }
}

impl From<projector::Error> for Problem {
    fn from(error: projector::Error) -> Self {
        use projector::Error as E;
        let (code, detail) = match error {
            E::LogBehind { .. } | E::ForeignLog { .. } => (Code::LogBehind, "the log and its read model do not agree"),
            E::Gap { .. } | E::Unverified { .. } | E::BrokenChain { .. } | E::Damaged(_) => (
                Code::ReadModelDamaged,
                "the read model holds something that is not in the log",
            ),
            E::Outdated { .. } => (
                Code::ReadModelDamaged,
                "the read model was built by another version: it has to be rebuilt",
            ),
            // What a database says may hold values: it is logged where it happened, not answered.
            E::Source(_)
            | E::Database(_)
            | E::Locked(_)
            | E::PositionConflict { .. }
            | E::Configuration(_)
            | E::Cancelled => (Code::ReadModelUnavailable, "the read model cannot answer at the moment"),
        };
        Self::new(code, detail)
    }
}

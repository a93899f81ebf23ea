//! Errors on the wire: every variant of [`Error`] comes out as it went in.

use crate::{Error, Refusal};
use domain::Denial;
use record::{Code, Fault, RecordId, Timestamp, canonical};
use serde::Deserialize;
use serde_json::{Value, json};

/// Appends the canonical form of `error`.
pub fn write_error(error: &Error, out: &mut Vec<u8>) {
    canonical::write(&to_json(error), out);
}

fn to_json(error: &Error) -> Value {
    let fault = |fault: &Fault| json!({"code": fault.code.as_str(), "pointer": fault.pointer, "detail": fault.detail});
    match error {
        Error::Refused(faults) => json!({"code": "REFUSED", "faults": faults.iter().map(fault).collect::<Vec<_>>()}),
        Error::Denied(denial) => json!({"code": "DENIED", "reason": denial.code()}),
        Error::IdConflict { id, offset } => json!({"code": "ID_CONFLICT", "id": id.to_string(), "number": offset}),
        Error::IdempotencyConflict { offset } => json!({"code": "IDEMPOTENCY_CONFLICT", "number": offset}),
        Error::CommandRefused(refusal) => json!({"code": "COMMAND_REFUSED", "reason": refusal.code()}),
        Error::OwnIdRequired { until } => json!({"code": "OWN_ID_REQUIRED", "reason": until.to_string()}),
        Error::Closed => json!({"code": "CLOSED"}),
        Error::Overloaded => json!({"code": "OVERLOADED"}),
        Error::ClockJumped { seconds } => json!({"code": "CLOCK_JUMPED", "number": seconds}),
        Error::Unavailable { reason } => json!({"code": "UNAVAILABLE", "reason": reason}),
        Error::CommitUnknown { id, reason } => {
            json!({"code": "COMMIT_UNKNOWN", "id": id.to_string(), "reason": reason})
        }
        Error::Unwitnessed { id, offset } => json!({"code": "UNWITNESSED", "id": id.to_string(), "number": offset}),
        Error::ScopeKeyLost => json!({"code": "SCOPE_KEY_LOST"}),
        Error::Corrupt(reason) => json!({"code": "CORRUPT", "reason": reason}),
    }
}

#[derive(Deserialize)]
struct Written {
    code: String,
    faults: Option<Vec<WrittenFault>>,
    id: Option<String>,
    number: Option<u64>,
    reason: Option<String>,
}

#[derive(Deserialize)]
struct WrittenFault {
    code: String,
    pointer: String,
    detail: String,
}

/// Reads what [`write_error`] wrote. An error that this build does not know is one that may pass.
#[must_use]
pub fn read_error(bytes: &[u8]) -> Error {
    let unknown = |what: &str| Error::Unavailable {
        reason: format!("the ledger failed in a way that this build does not know: {what}"),
    };
    let Ok(written) = serde_json::from_slice::<Written>(bytes) else {
        return unknown("not an error");
    };
    let code = written.code.clone();
    read(written).unwrap_or_else(|| unknown(&code))
}

fn read(written: Written) -> Option<Error> {
    let Written {
        code,
        faults,
        id,
        number,
        reason,
    } = written;
    let id = || RecordId::parse(id.as_deref()?);
    Some(match code.as_str() {
        "REFUSED" => Error::Refused(faults?.into_iter().map(fault).collect::<Option<_>>()?),
        "DENIED" => Error::Denied(Denial::parse(&reason?)?),
        "ID_CONFLICT" => Error::IdConflict {
            id: id()?,
            offset: number?,
        },
        "IDEMPOTENCY_CONFLICT" => Error::IdempotencyConflict { offset: number? },
        "COMMAND_REFUSED" => Error::CommandRefused(Refusal::parse(&reason?)?),
        "OWN_ID_REQUIRED" => Error::OwnIdRequired {
            until: Timestamp::parse(&reason?)?,
        },
        "CLOSED" => Error::Closed,
        "OVERLOADED" => Error::Overloaded,
        "CLOCK_JUMPED" => Error::ClockJumped { seconds: number? },
        "UNAVAILABLE" => Error::Unavailable { reason: reason? },
        "COMMIT_UNKNOWN" => Error::CommitUnknown {
            id: id()?,
            reason: reason?,
        },
        "UNWITNESSED" => Error::Unwitnessed {
            id: id()?,
            offset: number?,
        },
        "SCOPE_KEY_LOST" => Error::ScopeKeyLost,
        "CORRUPT" => Error::Corrupt(reason?),
        _ => return None,
    })
}

fn fault(written: WrittenFault) -> Option<Fault> {
    Some(Fault::new(Code::parse(&written.code)?, written.pointer, written.detail))
}

//! `ledger.recovered` 1: the log goes on after a loss, and says what was brought back and what was not.

use super::Payload;
use record::{Code, Fault};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One recovery. Its own offset is `to`: nothing stands between what was recovered and this record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LedgerRecovered {
    /// The first offset that came from copies.
    pub from: u64,
    /// The first offset after these; `from` when no record came from copies.
    pub to: u64,
    /// Sealed values of records below `to` that cannot be opened any more, in the whole log.
    pub disclosures_lost: u64,
}

impl Payload for LedgerRecovered {
    fn findings(payload: &Value) -> Vec<Fault> {
        let number = |member: &str| payload.get(member).and_then(Value::as_u64);
        let reversed = number("from") > number("to");
        let finding = || {
            Fault::new(
                Code::SchemaInvalid,
                "/payload/from",
                "the first offset is not behind `to`",
            )
        };
        reversed.then(finding).into_iter().collect()
    }
}

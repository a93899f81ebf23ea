//! `audit.event` 1: something happened, as an agent or a foreign audit log reports it.

use super::{Payload, unless};
use record::{Fault, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One event. Who and what it concerns are the record's links (`actor`, `subject`, `resource`, `session`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditEvent {
    /// What was done, such as `tool.call` or `s3:GetObject`.
    #[schemars(length(min = 1, max = 256))]
    pub action: String,
    /// How it ended.
    pub outcome: Outcome,
    /// When it happened, by the clock of whoever reports it; absent means when it was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z$"))]
    pub occurred_at: Option<String>,
    /// The system that reports it, such as `aws.cloudtrail` or `agent-runtime`.
    #[schemars(length(min = 1, max = 256))]
    pub source: String,
    /// Details in the clear: hashed, stored and searchable as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Map<String, Value>>,
    /// Details that are sealed: only a commitment enters the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-sigil-seal" = true))]
    pub private: Option<Value>,
}

impl Payload for AuditEvent {
    fn findings(payload: &Value) -> Vec<Fault> {
        let exists = |text: &str| Timestamp::parse(text).is_some();
        let detail = "a time that exists, in UTC: year 0001 to 9999, no leap second";
        unless(payload, "/occurred_at", exists, detail).into_iter().collect()
    }
}

/// How an event ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was done.
    Success,
    /// It was tried and went wrong.
    Failure,
    /// It was refused.
    Denied,
    /// The source does not say.
    Unknown,
}

impl Outcome {
    /// The text in the record.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Denied => "denied",
            Self::Unknown => "unknown",
        }
    }
}

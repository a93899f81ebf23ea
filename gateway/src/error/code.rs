//! The codes that this room itself finds reason for; those of `record` and `domain` keep their own spelling.

macro_rules! codes {
    ($($name:ident $text:literal,)*) => {
        /// A code of the gateway's own.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Code {
            $(#[doc = $text] $name,)*
        }

        impl Code {
            /// All of them.
            #[cfg(test)]
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)*];

            /// The stable text that clients branch on.
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

codes! {
    BadRequest "BAD_REQUEST",
    UnsupportedApiVersion "UNSUPPORTED_API_VERSION",
    HeaderInvalid "HEADER_INVALID",
    ParameterInvalid "PARAMETER_INVALID",
    ParameterUnknown "PARAMETER_UNKNOWN",
    ParameterRepeated "PARAMETER_REPEATED",
    QueryInvalid "QUERY_INVALID",
    CursorInvalid "CURSOR_INVALID",
    PositionInvalid "POSITION_INVALID",
    PositionAhead "POSITION_AHEAD",
    ProofUnavailable "PROOF_UNAVAILABLE",
    ProofNotYet "PROOF_NOT_YET",
    ProofExpired "PROOF_EXPIRED",
    IdempotencyKeyInvalid "IDEMPOTENCY_KEY_INVALID",
    IdempotencyKeyRefused "IDEMPOTENCY_KEY_REFUSED",
    OwnIdRequired "OWN_ID_REQUIRED",
    AuthRequired "AUTH_REQUIRED",
    TokenInvalid "TOKEN_INVALID",
    RoleRequired "ROLE_REQUIRED",
    AdminAccessForbidden "ADMIN_ACCESS_FORBIDDEN",
    LoaInsufficient "LOA_INSUFFICIENT",
    RouteNotPermitted "ROUTE_NOT_PERMITTED",
    TenantMismatch "TENANT_MISMATCH",
    AuthorMismatch "AUTHOR_MISMATCH",
    SystemSpaceProtected "SYSTEM_SPACE_PROTECTED",
    NotFound "NOT_FOUND",
    RouteNotFound "ROUTE_NOT_FOUND",
    MethodNotAllowed "METHOD_NOT_ALLOWED",
    RequestTimeout "REQUEST_TIMEOUT",
    IdConflict "ID_CONFLICT",
    LogClosed "LOG_CLOSED",
    ProjectionBusy "PROJECTION_BUSY",
    PayloadTooLarge "PAYLOAD_TOO_LARGE",
    UnsupportedMediaType "UNSUPPORTED_MEDIA_TYPE",
    IdempotencyConflict "IDEMPOTENCY_CONFLICT",
    HeadersTooLarge "HEADERS_TOO_LARGE",
    Internal "INTERNAL",
    LogCorrupt "LOG_CORRUPT",
    ScopeKeyLost "SCOPE_KEY_LOST",
    ReadModelDamaged "READ_MODEL_DAMAGED",
    LedgerUnavailable "LEDGER_UNAVAILABLE",
    CommitUnknown "COMMIT_UNKNOWN",
    WitnessQuorumMissing "WITNESS_QUORUM_MISSING",
    CommandRefused "COMMAND_REFUSED",
    Overloaded "OVERLOADED",
    ClockJumped "CLOCK_JUMPED",
    ProjectionLagging "PROJECTION_LAGGING",
    ReadModelUnavailable "READ_MODEL_UNAVAILABLE",
    LogBehind "LOG_BEHIND",
    NotReady "NOT_READY",
    TooManyStreams "TOO_MANY_STREAMS",
    StreamLagged "STREAM_LAGGED",
    Draining "DRAINING",
    Timeout "TIMEOUT",
}

//! The one table of codes: status, title, what to do next, and whether the same request may succeed later.
//!
//! `schemas/errors.json`, `docs/errors/` and the answers are made from it. Codes are part of the API: a row may get a
//! better sentence, never another spelling.

/// What every problem of one code says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The stable text that clients branch on.
    pub(crate) code: &'static str,
    /// HTTP status (RFC 9110).
    pub(crate) status: u16,
    /// A short sentence, the same for every occurrence.
    pub(crate) title: &'static str,
    /// What the caller should do next.
    pub(crate) action: &'static str,
    /// Seconds after which the unchanged request may be sent again; `None` when that does not help.
    pub(crate) retry_after_s: Option<u32>,
}

const fn row(status: u16, code: &'static str, title: &'static str, action: &'static str) -> Entry {
    Entry {
        code,
        status,
        title,
        action,
        retry_after_s: None,
    }
}

const fn later(seconds: u32, status: u16, code: &'static str, title: &'static str, action: &'static str) -> Entry {
    Entry {
        code,
        status,
        title,
        action,
        retry_after_s: Some(seconds),
    }
}

/// The row of `code`; `INTERNAL` when the table has none, which a test rules out for every code in use.
pub(crate) fn entry(code: &str) -> &'static Entry {
    TABLE.iter().find(|entry| entry.code == code).unwrap_or(&INTERNAL)
}

const INTERNAL: Entry = row(
    500,
    "INTERNAL",
    "The server failed",
    "Send the request again; if it keeps failing, report it with its request id.",
);

/// All codes, by status.
#[rustfmt::skip]
pub(crate) const TABLE: &[Entry] = &[
    row(400, "BAD_REQUEST", "The request cannot be read", "Correct the request as the detail says."),
    row(400, "MALFORMED_JSON", "The body is not JSON", "Send exactly one JSON document (RFC 8259) in UTF-8; the detail names the byte."),
    row(400, "DUPLICATE_JSON_KEY", "A member is named twice", "Send each member of an object once."),
    row(400, "NUMBER_OUT_OF_RANGE", "A number cannot be kept exactly", "Send numbers beyond 2^53-1, or with more digits than a double holds, as strings."),
    row(400, "JSON_TOO_DEEP", "The document is nested too deep", "Nest at most 64 levels."),
    row(400, "NUL_CHARACTER", "A string holds U+0000", "Remove the character, or send the bytes in base64."),
    row(400, "RESERVED_NAME", "A member name is reserved", "Rename the member; $sealed is only for a commitment sent with its disclosure."),
    row(400, "ENVELOPE_INVALID", "The record's envelope is wrong", "Correct the member that the pointer names."),
    row(400, "LINK_INVALID", "A link is wrong", "A link is {label, target}: label [a-z][a-z0-9_]{0,31}, target scheme:name, at most 64 of them."),
    row(400, "SEAL_INVALID", "A sealed member or its disclosure is wrong", "Send one disclosure that opens each commitment, at a pointer that the kind seals."),
    row(400, "UNSUPPORTED_API_VERSION", "Unsupported API version", "Ask for a version that Sigil-Supported-Versions lists, or leave the header out."),
    row(400, "HEADER_INVALID", "A request header is malformed", "Correct the header that the detail names."),
    row(400, "PARAMETER_INVALID", "A query parameter is malformed", "Correct the parameter that the detail names."),
    row(400, "PARAMETER_UNKNOWN", "A query parameter is unknown", "Leave it out, or correct its spelling: the detail lists the known ones."),
    row(400, "PARAMETER_REPEATED", "A query parameter is sent twice", "Send it once; use q to combine conditions on one field."),
    row(400, "QUERY_INVALID", "The phrase q cannot be read", "Correct the phrase at the position that the detail names."),
    row(400, "CURSOR_INVALID", "The cursor does not belong to this question", "Start again without a cursor; keep tenant, filter and order the same from page to page."),
    row(400, "POSITION_INVALID", "The position to go on from is malformed", "Send the id of the last event that was read, or start for everything, or leave it out for what is recorded from now on."),
    row(400, "POSITION_AHEAD", "No record has this position yet", "Check the log and the tenant: a position beyond the end was read from another log, or the log lost records."),
    row(400, "IDEMPOTENCY_KEY_INVALID", "The idempotency key is malformed", "Send 1 to 255 visible ASCII characters, quoted or not."),
    row(400, "IDEMPOTENCY_KEY_REFUSED", "Many records take no idempotency key", "Leave the header out and give each line its own id: sending it again is then safe."),
    row(400, "OWN_ID_REQUIRED", "An idempotency key needs an id at the moment", "Send the record with an id that you made yourself, a UUIDv7, and the same id when sending it again."),
    row(401, "AUTH_REQUIRED", "A credential is required", "Send Authorization: Bearer with the token that the server printed, from the same machine."),
    row(401, "TOKEN_INVALID", "The token is not valid", "Send the token that the server printed at its last start."),
    row(403, "ROLE_REQUIRED", "The caller lacks a role", "Use a credential that has the role that the detail names."),
    row(403, "ADMIN_ACCESS_FORBIDDEN", "Only an administrator may do this", "Use a credential with the role admin."),
    row(403, "LOA_INSUFFICIENT", "The level of assurance is too low", "Use a credential of at least the level that the detail names."),
    row(403, "ROUTE_NOT_PERMITTED", "No policy permits this route", "Report it: a route is missing from the policy table."),
    row(403, "TENANT_MISMATCH", "The request names two tenants", "Name one tenant, the one of the credential."),
    row(403, "AUTHOR_MISMATCH", "The record is signed in another name", "Sign with the caller's own id as author.id."),
    row(403, "SYSTEM_SPACE_PROTECTED", "Only the ledger or a quorum writes this", "Write to user space with a kind that callers may send."),
    row(403, "ROTATION_UNPROVEN", "The key rotation is not proven", "Sign the rotation with the new key and the root key."),
    row(404, "NOT_FOUND", "There is nothing here", "Check the id and the tenant."),
    row(404, "ROUTE_NOT_FOUND", "No such route", "See /docs for the routes."),
    row(404, "GATEWAY_UNKNOWN", "No such gateway is enrolled", "Check the name with sigil gateway list."),
    row(404, "TENANT_UNKNOWN", "The tenant does not exist", "Create it with POST /admin/tenants, or correct its name."),
    row(405, "METHOD_NOT_ALLOWED", "The route has other methods", "Use a method that Allow lists."),
    later(1, 408, "REQUEST_TIMEOUT", "The body took too long", "Send the request again, faster."),
    row(409, "ID_CONFLICT", "The id belongs to another record", "Make a new id for other content; the same content under the same id is answered again."),
    later(10, 409, "PROJECTION_BUSY", "Other work on this projection is under way", "Wait until it ends, or cancel it; `GET /admin/projections` says how far it is."),
    later(1, 409, "PROOF_NOT_YET", "No checkpoint covers it yet", "Ask again in a moment, or wait with Prefer: wait; checkpoints are signed at short intervals."),
    row(409, "ALREADY_EXISTS", "It exists already", "Use the one that is there."),
    row(409, "GENESIS_MISPLACED", "The log has no genesis, or a second one is asked for", "Create a log with sigil init."),
    row(409, "GATEWAY_MISPLACED", "An enrolment belongs to the ledger's own tenant", "Enrol with sigil gateway enroll."),
    row(409, "GATEWAY_EXISTS", "The gateway is or was enrolled", "Enrol under a name that was never used."),
    row(409, "GATEWAY_KEY_REFUSED", "The gateway's key is refused", "Make a new key: a key has one name and one purpose."),
    row(409, "ROTATION_MISPLACED", "A key rotation belongs to the ledger's own tenant", "Rotate keys with sigil key."),
    row(409, "RECOVERY_MISPLACED", "A recovery belongs to the ledger's own tenant, behind what was recovered", "Recover a log with sigil restore."),
    row(409, "MAP_ROOT_MISPLACED", "A map root belongs to the ledger's own tenant, behind what it covers", "Leave it out: the ledger writes map roots itself."),
    row(409, "ROTATION_STALE", "The rotation replaces a key that is not current", "Start the rotation from the current key."),
    row(409, "LOG_CLOSED", "The log is closed for good", "Write to the log that continues it; this one is read only."),
    row(410, "PROOF_EXPIRED", "What would prove it is no longer kept", "Ask for a newer state: maps and checkpoints of the last 15 minutes are kept."),
    row(413, "PAYLOAD_TOO_LARGE", "The body is too large", "Split it: the detail names the limit."),
    row(413, "RECORD_TOO_LARGE", "The record is too large", "Split the record, or store a digest and keep the content elsewhere."),
    row(415, "UNSUPPORTED_MEDIA_TYPE", "The content type is not accepted", "Send Content-Type: application/json, or application/x-ndjson for many records."),
    row(422, "AUTHOR_SIGNATURE_INVALID", "The author's signature does not verify", "Seal, sort the links and sign again, with the key that key_id names."),
    row(422, "NOT_CANONICAL", "The record is not in canonical form", "Send the RFC 8785 bytes."),
    row(422, "HASH_MISMATCH", "The record's hash is not its own", "The record was changed: fetch it again from its source."),
    row(422, "RECORD_SIGNATURE_INVALID", "The record's signature does not verify", "The record was changed or signed by another key: fetch it again from its source."),
    row(422, "KIND_UNKNOWN", "The kind is unknown", "Use one of the kinds that the detail lists."),
    row(422, "SCHEMA_VERSION_UNKNOWN", "The kind has no such version", "Use one of the versions that the detail lists."),
    row(422, "SCHEMA_INVALID", "The payload does not match its schema", "Correct the members that errors names; schemas/ has the schema of each kind."),
    row(422, "IDEMPOTENCY_CONFLICT", "The idempotency key was used for other content", "Use a new key for a new request."),
    row(431, "HEADERS_TOO_LARGE", "The request's headers are too large", "Send fewer or shorter headers: the detail names the limit."),
    INTERNAL,
    row(500, "LOG_CORRUPT", "Stored data is damaged", "Stop writing and run sigil verify and sigil doctor: the operator has to act."),
    row(500, "SCOPE_KEY_LOST", "The key of a sealed value is lost", "Restore the scope keys from their backup: the operator has to act."),
    row(500, "READ_MODEL_DAMAGED", "The read model is damaged", "Rebuild it with sigil projection rebuild; the log itself is not concerned."),
    later(2, 503, "LEDGER_UNAVAILABLE", "The ledger is unavailable", "Nothing was stored. Send the request again with the same id."),
    later(1, 503, "COMMIT_UNKNOWN", "It is not known whether the record was stored", "Send the record again with the same id: a record that is there is answered again, never stored twice."),
    later(5, 503, "WITNESS_QUORUM_MISSING", "The record is stored, and no quorum of witnesses has cosigned it yet", "Send the record again with the same id: nothing is stored twice, and the answer comes when a quorum has cosigned it. The part witnesses of /healthz says who is missing."),
    later(30, 503, "COMMAND_REFUSED", "The ledger takes no such command of this gateway", "Nothing was stored. The operator has to act: the detail says what the ledger refused."),
    later(1, 503, "OVERLOADED", "The ledger takes no more records at the moment", "Nothing was stored. Send the request again after a pause, with the same id."),
    later(60, 503, "CLOCK_JUMPED", "The ledger's clock is implausible", "Nothing was stored. The operator has to set the clock right; then send the request again."),
    later(1, 503, "PROJECTION_LAGGING", "The read model has not come so far", "Send the request again, or ask for a lower position."),
    later(2, 503, "READ_MODEL_UNAVAILABLE", "The read model is unavailable", "Send the request again."),
    later(60, 503, "LOG_BEHIND", "The log is behind its read model", "The operator has to act: the log lost records or is another one. See sigil doctor."),
    row(503, "PROOF_UNAVAILABLE", "This log signs no checkpoints", "The operator can turn them on with log.checkpoint_interval_ms; without them, check the log with sigil verify."),
    later(2, 503, "NOT_READY", "The server is not ready", "Send the request again after a pause."),
    later(5, 503, "TOO_MANY_STREAMS", "As many streams are open as the gateway serves", "Open it again after a pause, or on another gateway; close streams that nobody reads."),
    later(3, 503, "STREAM_LAGGED", "The reader was too slow for the stream", "Open the stream again after the position that the event names, read faster, or ask for less with filters."),
    later(3, 503, "DRAINING", "The server is stopping", "Send the request again after a pause; a stream goes on after the position that its last event names."),
    later(1, 504, "TIMEOUT", "The answer took too long", "Send the request again, or ask for less at once."),
];

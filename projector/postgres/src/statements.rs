//! Every fixed SQL statement of this crate.
//!
//! Values are always bound parameters; lists of rows are arrays that `unnest` turns into rows. A test prepares each of
//! these against a freshly migrated database. Built elsewhere are the pages of a timeline ([`crate::page`]), whose
//! conditions are the caller's, and what creates, names or drops a schema or a role, which cannot be parameters
//! ([`crate::generation`], [`crate::role`]); their names are checked first.

/// The current generation.
pub const SELECT_POINTER: &str = "SELECT generation FROM pointer";

/// The current generation, which stays so until the transaction ends.
pub const SHARE_POINTER: &str = "SELECT generation FROM pointer FOR SHARE";

/// The current generation, once nobody applies to it; until the transaction ends, nobody does.
pub const LOCK_POINTER: &str = "SELECT generation FROM pointer FOR UPDATE";

/// Makes a generation current.
pub const PUT_POINTER: &str = "
    INSERT INTO pointer (generation) VALUES ($1) ON CONFLICT (one) DO UPDATE SET generation = excluded.generation";

/// Begins a question: takes the current generation's schema as `search_path`, the tenant, and the reader's role, all
/// until the transaction ends.
pub const BEGIN_QUESTION: &str = "
    SELECT generation, set_config('search_path', $1 || '_g' || generation, TRUE), set_config('sigil.tenant', $2, TRUE),
           set_config('role', $3, TRUE)
    FROM pointer";

/// Begins an operator's reading: the current generation's schema, all tenants, and an error instead of rows that a
/// policy would hide.
pub const BEGIN_SCAN: &str = "
    SELECT generation, set_config('search_path', $1 || '_g' || generation, TRUE), set_config('row_security', 'off', TRUE)
    FROM pointer";

/// Sets a parameter of the session.
pub const SET: &str = "SELECT set_config($1, $2, FALSE)";

/// Sets a parameter until the transaction ends.
pub const SET_LOCAL: &str = "SELECT set_config($1, $2, TRUE)";

/// Takes a lease that lasts as long as the session, if it is free.
pub const TRY_LEASE: &str = "SELECT pg_try_advisory_lock(hashtextextended($1, 0))";

/// Gives a lease back.
pub const END_LEASE: &str = "SELECT pg_advisory_unlock(hashtextextended($1, 0))";

/// What texts are stored in.
pub const SELECT_ENCODING: &str = "SELECT current_setting('server_encoding')";

/// The numbers of all generations of a control schema, the current and others.
pub const SELECT_GENERATIONS: &str = "
    SELECT substr(nspname, length($1) + 3)::BIGINT FROM pg_namespace
    WHERE nspname ~ ('^' || $1 || '_g[0-9]{1,18}$') ORDER BY 1";

/// Whether a table exists.
pub const SELECT_EXISTS: &str = "SELECT to_regclass($1) IS NOT NULL";

/// Whether a role exists, and whether policies hold for it.
pub const SELECT_ROLE: &str = "
    SELECT NOT rolsuper AND NOT rolbypassrls AND rolname <> session_user FROM pg_roles WHERE rolname = $1";

/// Whether this login may take a role, and what it is called.
pub const SELECT_MEMBER: &str = "
    SELECT session_user::TEXT, pg_has_role(session_user, $1, 'MEMBER')";

/// Indexes that a rebuild creates after its rows. The dictionary's and the canon's are needed while loading.
pub const SELECT_LATE_INDEXES: &str = "
    SELECT indexname::TEXT, indexdef FROM pg_indexes
    WHERE schemaname = $1 AND tablename NOT IN ('timelines', 'canon_entries', 'projection_state', 'migrations')
    ORDER BY indexname";

/// The last migration that a schema has seen.
pub const SELECT_MIGRATION: &str = "SELECT coalesce(max(number), 0) FROM migrations";

/// Notes a migration.
pub const INSERT_MIGRATION: &str = "INSERT INTO migrations (number) VALUES ($1)";

/// Log, position and version of the read model.
pub const SELECT_STATE: &str = "SELECT log, position, version FROM projection_state WHERE name = 'timeline'";

/// The state of a read model that has applied nothing.
pub const INSERT_STATE: &str =
    "INSERT INTO projection_state (name, log, position, version) VALUES ('timeline', $1, 0, $2)";

/// Moves the position from where a batch starts to where it ends; no row changes when it is elsewhere.
pub const ADVANCE: &str = "UPDATE projection_state SET position = $1 WHERE name = 'timeline' AND position = $2";

/// Whether the last record applied (`$1`) is in each table that has a row per record, and the next one (`$2`) in none.
pub const SELECT_ENDS: &str = r#"
    SELECT EXISTS (SELECT 1 FROM records r JOIN timeline t ON t.tenant = r.tenant AND t."offset" = r."offset"
                   WHERE r."offset" = $1),
           EXISTS (SELECT 1 FROM links WHERE "offset" = $1),
           EXISTS (SELECT 1 FROM records WHERE "offset" = $2) OR EXISTS (SELECT 1 FROM links WHERE "offset" = $2)"#;

/// The last sequencing time.
pub const SELECT_LAST_TS: &str = r#"
    SELECT t.ts FROM (SELECT tenant, "offset" FROM records ORDER BY "offset" DESC LIMIT 1) r
    JOIN timeline t ON t.tenant = r.tenant AND t."offset" = r."offset""#;

/// The id that the next new timeline gets.
pub const SELECT_NEXT_TIMELINE: &str = "SELECT coalesce(max(id) + 1, 0) FROM timelines";

/// The end of every tenant's chain: one index step per tenant, not one per record.
pub const SELECT_CHAINS: &str = "
    WITH RECURSIVE tenants (tenant) AS (
        SELECT min(tenant) FROM records
        UNION ALL
        SELECT (SELECT min(r.tenant) FROM records r WHERE r.tenant > tenants.tenant) FROM tenants
        WHERE tenants.tenant IS NOT NULL
    )
    SELECT tenants.tenant, l.seq, l.hash FROM tenants CROSS JOIN LATERAL
        (SELECT r.seq, r.hash FROM records r WHERE r.tenant = tenants.tenant ORDER BY r.seq DESC LIMIT 1) l";

/// The records that set keys, in the order of the log.
pub const SELECT_KEY_RECORDS: &str = r#"
    SELECT r.bytes FROM timelines t JOIN links l ON l.timeline = t.id JOIN records r ON r."offset" = l."offset"
    WHERE t.tenant = 'sigil-ledger' AND t.label = 'kind' AND t.target IN ('ledger.genesis', 'key.rotated')
    ORDER BY r."offset""#;

/// A record by its id.
pub const SELECT_RECORD: &str = r#"
    SELECT r."offset", t.at, r.bytes FROM records r JOIN timeline t ON t.tenant = r.tenant AND t."offset" = r."offset"
    WHERE r.tenant = $1 AND r.id = $2"#;

/// A record by its position in the tenant's chain.
pub const SELECT_RECORD_AT: &str = r#"
    SELECT r."offset", t.at, r.bytes FROM records r JOIN timeline t ON t.tenant = r.tenant AND t."offset" = r."offset"
    WHERE r.tenant = $1 AND r.seq = $2"#;

/// The newest write of a canon key.
pub const SELECT_CANON: &str = r#"SELECT value, min_loa, "offset" FROM canon_entries WHERE tenant = $1 AND key = $2"#;

/// One timeline of the dictionary.
pub const SELECT_TIMELINE: &str = "SELECT id, count FROM timelines WHERE tenant = $1 AND label = $2 AND target = $3";

/// The first offset, from 0 to the position (`$3`), from which on the tenant (`$1`) has no record with a sequencing time
/// below `$2`. Sequencing times never decrease, so halving finds it without an index: each step looks at the tenant's
/// first record of the upper half.
pub const SELECT_OFFSET_OF_TS: &str = r#"
    WITH RECURSIVE half (low, high) AS (
        SELECT 0::BIGINT, $3::BIGINT
        UNION ALL
        SELECT CASE WHEN t.ts < $2 THEN t."offset" + 1 ELSE h.low END,
               CASE WHEN t.ts < $2 THEN h.high ELSE (h.low + h.high) / 2 END
        FROM half h LEFT JOIN LATERAL (
            SELECT r."offset", r.ts FROM timeline r
            WHERE r.tenant = $1 AND r."offset" >= (h.low + h.high) / 2 AND r."offset" < h.high
            ORDER BY r."offset" LIMIT 1
        ) t ON TRUE
        WHERE h.low < h.high
    )
    SELECT low FROM half WHERE low >= high"#;

/// New rows of `records`.
pub const INSERT_RECORDS: &str = r#"
    INSERT INTO records ("offset", tenant, seq, id, kind, hash, bytes)
    SELECT * FROM unnest($1::BIGINT[], $2::TEXT[], $3::BIGINT[], $4::BYTEA[], $5::TEXT[], $6::BYTEA[], $7::BYTEA[])"#;

/// New rows of `timeline`.
pub const INSERT_TIMELINE: &str = r#"
    INSERT INTO timeline ("offset", tenant, kind, at, ts, action, outcome)
    SELECT * FROM unnest($1::BIGINT[], $2::TEXT[], $3::TEXT[], $4::BIGINT[], $5::BIGINT[], $6::TEXT[], $7::TEXT[])"#;

/// New rows of `links`.
pub const INSERT_LINKS: &str = r#"
    INSERT INTO links (timeline, "offset", position, at, tenant)
    SELECT * FROM unnest($1::BIGINT[], $2::BIGINT[], $3::BIGINT[], $4::BIGINT[], $5::TEXT[])"#;

/// New rows of `timelines`, and new counts of those that are there.
pub const PUT_TIMELINES: &str = "
    INSERT INTO timelines (id, tenant, label, target, count)
    SELECT * FROM unnest($1::BIGINT[], $2::TEXT[], $3::TEXT[], $4::TEXT[], $5::BIGINT[])
    ON CONFLICT (id) DO UPDATE SET count = excluded.count";

/// Rows of the dictionary by (tenant, label, target).
pub const FIND_TIMELINES: &str = "
    SELECT t.tenant, t.label, t.target, t.id, t.count
    FROM unnest($1::TEXT[], $2::TEXT[], $3::TEXT[]) n (tenant, label, target)
    JOIN timelines t ON t.tenant = n.tenant AND t.label = n.label AND t.target = n.target";

/// New rows of `parked`.
pub const INSERT_PARKED: &str = r#"
    INSERT INTO parked ("offset", tenant, kind, schema_version, code, detail, version)
    SELECT * FROM unnest($1::BIGINT[], $2::TEXT[], $3::TEXT[], $4::BIGINT[], $5::TEXT[], $6::TEXT[], $7::BIGINT[])"#;

/// Number of parked records of one tenant.
pub const COUNT_PARKED_OF: &str = "SELECT count(*) FROM parked WHERE tenant = $1";

/// Number of parked records.
pub const COUNT_PARKED: &str = "SELECT count(*) FROM parked";

/// Parked records from an offset on.
pub const SELECT_PARKED: &str = r#"
    SELECT "offset", tenant, kind, schema_version, code, detail, version FROM parked
    WHERE "offset" >= $1 ORDER BY "offset" LIMIT $2"#;

/// Parked records from an offset on, with their canonical bytes.
pub const SELECT_PARKED_BYTES: &str = r#"
    SELECT p."offset", r.bytes FROM parked p JOIN records r ON r."offset" = p."offset"
    WHERE p."offset" >= $1 ORDER BY p."offset" LIMIT $2"#;

/// What the payload of a record that was parked says in `timeline`.
pub const FILL_TIMELINE: &str =
    r#"UPDATE timeline SET at = $1, action = $2, outcome = $3 WHERE tenant = $4 AND "offset" = $5"#;

/// When a record that was parked happened, in each of its timelines.
pub const FILL_LINKS: &str = r#"UPDATE links SET at = $1 WHERE "offset" = $2"#;

/// Why a record is still parked.
pub const KEEP_PARKED: &str = r#"UPDATE parked SET code = $1, detail = $2, version = $3 WHERE "offset" = $4"#;

/// The record is parked no more.
pub const UNPARK: &str = r#"DELETE FROM parked WHERE "offset" = $1"#;

/// New rows of `canon_entries`, in place of older ones: a record that was parked may come after a newer write.
pub const PUT_CANON: &str = r#"
    INSERT INTO canon_entries (tenant, key, value, min_loa, "offset")
    SELECT * FROM unnest($1::TEXT[], $2::TEXT[], $3::BYTEA[], $4::BIGINT[], $5::BIGINT[])
    ON CONFLICT (tenant, key) DO UPDATE
    SET value = excluded.value, min_loa = excluded.min_loa, "offset" = excluded."offset"
    WHERE excluded."offset" > canon_entries."offset""#;

/// Tells the planner what a rebuild has loaded.
pub const ANALYZE: &str = "ANALYZE records, timeline, timelines, links, canon_entries, parked";

/// The rows of `records`, for the digest.
pub const SCAN_RECORDS: &str = r#"SELECT "offset", tenant, seq, id, kind, hash, bytes FROM records ORDER BY "offset""#;
/// The rows of `timeline`, for the digest.
pub const SCAN_TIMELINE: &str =
    r#"SELECT "offset", tenant, kind, at, ts, action, outcome FROM timeline ORDER BY "offset""#;
/// The rows of `links`, for the digest: by offset, so that one bucket is open at a time.
pub const SCAN_LINKS: &str = r#"SELECT timeline, "offset", position, at FROM links ORDER BY "offset""#;
/// The rows of `timelines`, for the digest.
pub const SCAN_TIMELINES: &str = "SELECT id, tenant, label, target, count FROM timelines";
/// The rows of `canon_entries`, for the digest.
pub const SCAN_CANON: &str = r#"SELECT tenant, key, value, min_loa, "offset" FROM canon_entries"#;
/// The rows of `parked`, for the digest: without its words for people.
pub const SCAN_PARKED: &str = r#"SELECT "offset", tenant, kind, schema_version, code FROM parked ORDER BY "offset""#;

/// All of them, to be prepared by a test.
pub const FIXED: [&str; 53] = [
    SELECT_POINTER,
    SHARE_POINTER,
    LOCK_POINTER,
    PUT_POINTER,
    BEGIN_QUESTION,
    BEGIN_SCAN,
    SET,
    SET_LOCAL,
    TRY_LEASE,
    END_LEASE,
    SELECT_ENCODING,
    SELECT_GENERATIONS,
    SELECT_EXISTS,
    SELECT_ROLE,
    SELECT_MEMBER,
    SELECT_LATE_INDEXES,
    SELECT_MIGRATION,
    INSERT_MIGRATION,
    SELECT_STATE,
    INSERT_STATE,
    ADVANCE,
    SELECT_ENDS,
    SELECT_LAST_TS,
    SELECT_NEXT_TIMELINE,
    SELECT_CHAINS,
    SELECT_KEY_RECORDS,
    SELECT_RECORD,
    SELECT_RECORD_AT,
    SELECT_CANON,
    SELECT_TIMELINE,
    SELECT_OFFSET_OF_TS,
    INSERT_RECORDS,
    INSERT_TIMELINE,
    INSERT_LINKS,
    PUT_TIMELINES,
    FIND_TIMELINES,
    INSERT_PARKED,
    COUNT_PARKED_OF,
    COUNT_PARKED,
    SELECT_PARKED,
    SELECT_PARKED_BYTES,
    FILL_TIMELINE,
    FILL_LINKS,
    KEEP_PARKED,
    UNPARK,
    PUT_CANON,
    ANALYZE,
    SCAN_RECORDS,
    SCAN_TIMELINE,
    SCAN_LINKS,
    SCAN_TIMELINES,
    SCAN_CANON,
    SCAN_PARKED,
];

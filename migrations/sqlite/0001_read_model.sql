-- The read model: everything here is derived from the log and can be dropped and built again.
--
-- Offsets, timeline ids and positions are assigned by the projector, never by the database, so that a rebuild and
-- another database engine hold the same rows. Times are microseconds since the Unix epoch. STRICT: a value of another
-- type is refused instead of stored.

-- Every record, with its canonical bytes.
CREATE TABLE records (
    offset INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    seq    INTEGER NOT NULL,
    id     BLOB NOT NULL,
    kind   TEXT NOT NULL,
    hash   BLOB NOT NULL,
    bytes  BLOB NOT NULL
) STRICT;

CREATE UNIQUE INDEX records_id ON records (tenant, id);
CREATE UNIQUE INDEX records_seq ON records (tenant, seq);

-- What timelines are filtered and sorted by. `at` is when it happened, `ts` when it was recorded.
CREATE TABLE timeline (
    offset  INTEGER PRIMARY KEY,
    tenant  TEXT NOT NULL,
    kind    TEXT NOT NULL,
    at      INTEGER NOT NULL,
    ts      INTEGER NOT NULL,
    action  TEXT,
    outcome TEXT
) STRICT;

-- The rowid, which is the offset, ends every index: each one serves its order by (.., offset) too.
CREATE INDEX timeline_tenant ON timeline (tenant);
CREATE INDEX timeline_at ON timeline (tenant, at);
CREATE INDEX timeline_action ON timeline (tenant, action) WHERE action IS NOT NULL;
CREATE INDEX timeline_action_at ON timeline (tenant, action, at) WHERE action IS NOT NULL;
CREATE INDEX timeline_outcome ON timeline (tenant, outcome) WHERE outcome IS NOT NULL;
CREATE INDEX timeline_outcome_at ON timeline (tenant, outcome, at) WHERE outcome IS NOT NULL;

-- The dictionary of timelines. `id` counts from 0 in order of first appearance in the log; `count` is the number of
-- records in the timeline.
CREATE TABLE timelines (
    id     INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    label  TEXT NOT NULL,
    target TEXT NOT NULL,
    count  INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX timelines_key ON timelines (tenant, label, target);

-- Which record stands where in which timeline. `position` is the leaf's index in that timeline's tree.
CREATE TABLE links (
    timeline INTEGER NOT NULL,
    offset   INTEGER NOT NULL,
    position INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (timeline, offset)
) STRICT, WITHOUT ROWID;

CREATE INDEX links_at ON links (timeline, at, offset);
-- From a record to its timelines: prefix patterns, and the digest by offset.
CREATE INDEX links_offset ON links (offset);

-- The newest value under each key of a tenant's canon, in canonical bytes.
CREATE TABLE canon_entries (
    tenant  TEXT NOT NULL,
    key     TEXT NOT NULL,
    value   BLOB NOT NULL,
    min_loa INTEGER NOT NULL,
    offset  INTEGER NOT NULL,
    PRIMARY KEY (tenant, key)
) STRICT, WITHOUT ROWID;

-- How far the read model is, of which log, and which version of the projection wrote it.
CREATE TABLE projection_state (
    name     TEXT PRIMARY KEY,
    log      TEXT NOT NULL,
    position INTEGER NOT NULL,
    version  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One generation of the read model, in a schema of its own: everything here is derived from the log and can be dropped
-- and built again.
--
-- Offsets, timeline ids and positions are assigned by the projector, never by the database, so that a rebuild and
-- another database engine hold the same rows. Times are microseconds since the Unix epoch: exactly what a record says,
-- years 0001 to 9999. Texts compare by their bytes (COLLATE "C"), whatever the locale; no record holds U+0000, which they
-- could not store.

-- Every record, with its canonical bytes.
CREATE TABLE records (
    "offset" BIGINT NOT NULL,
    tenant   TEXT COLLATE "C" NOT NULL,
    seq      BIGINT NOT NULL,
    id       BYTEA NOT NULL,
    kind     TEXT COLLATE "C" NOT NULL,
    hash     BYTEA NOT NULL,
    bytes    BYTEA NOT NULL
);

-- Records are long and do not shrink; the signature and the hashes are most of what would be tried.
ALTER TABLE records ALTER COLUMN bytes SET STORAGE EXTERNAL;

CREATE UNIQUE INDEX records_offset ON records ("offset");
CREATE UNIQUE INDEX records_id ON records (tenant, id);
CREATE UNIQUE INDEX records_seq ON records (tenant, seq);

-- What timelines are filtered and sorted by. `at` is when it happened, `ts` when it was recorded.
CREATE TABLE timeline (
    "offset" BIGINT NOT NULL,
    tenant   TEXT COLLATE "C" NOT NULL,
    kind     TEXT COLLATE "C" NOT NULL,
    at       BIGINT NOT NULL,
    ts       BIGINT NOT NULL,
    action   TEXT COLLATE "C",
    outcome  TEXT COLLATE "C"
);

-- Every index begins with the tenant: there is none by offset alone, along which a page of one tenant would be looked
-- for among the rows of all. A (.., offset) serves recording order, a (.., at, offset) happening order.
CREATE UNIQUE INDEX timeline_tenant ON timeline (tenant, "offset");
CREATE INDEX timeline_at ON timeline (tenant, at, "offset");
CREATE INDEX timeline_action ON timeline (tenant, action, "offset") WHERE action IS NOT NULL;
CREATE INDEX timeline_action_at ON timeline (tenant, action, at, "offset") WHERE action IS NOT NULL;
CREATE INDEX timeline_outcome ON timeline (tenant, outcome, "offset") WHERE outcome IS NOT NULL;
CREATE INDEX timeline_outcome_at ON timeline (tenant, outcome, at, "offset") WHERE outcome IS NOT NULL;

-- The dictionary of timelines. `id` counts from 0 in order of first appearance in the log; `count` is the number of
-- records in the timeline.
CREATE TABLE timelines (
    id     BIGINT NOT NULL,
    tenant TEXT COLLATE "C" NOT NULL,
    label  TEXT COLLATE "C" NOT NULL,
    target TEXT COLLATE "C" NOT NULL,
    count  BIGINT NOT NULL
);

CREATE UNIQUE INDEX timelines_id ON timelines (id);
CREATE UNIQUE INDEX timelines_key ON timelines (tenant, label, target);

-- Which record stands where in which timeline. `position` is the leaf's index in that timeline's tree. `tenant` is the
-- timeline's: a policy sees one row at a time.
CREATE TABLE links (
    timeline BIGINT NOT NULL,
    "offset" BIGINT NOT NULL,
    position BIGINT NOT NULL,
    at       BIGINT NOT NULL,
    tenant   TEXT COLLATE "C" NOT NULL
);

CREATE UNIQUE INDEX links_timeline ON links (timeline, "offset");
CREATE INDEX links_at ON links (timeline, at, "offset");
-- From a record to its timelines: prefix patterns, and the digest by offset.
CREATE INDEX links_offset ON links ("offset");

-- The newest value under each key of a tenant's canon, in canonical bytes.
CREATE TABLE canon_entries (
    tenant   TEXT COLLATE "C" NOT NULL,
    key      TEXT COLLATE "C" NOT NULL,
    value    BYTEA NOT NULL,
    min_loa  BIGINT NOT NULL,
    "offset" BIGINT NOT NULL
);

CREATE UNIQUE INDEX canon_entries_key ON canon_entries (tenant, key);

-- How far the read model is, of which log, and which version of the projection wrote it. No tenant's, so without a
-- policy. Every transaction reads it first: whoever wants to drop this generation locks it, and waits for them.
CREATE TABLE projection_state (
    name     TEXT PRIMARY KEY,
    log      TEXT NOT NULL,
    position BIGINT NOT NULL,
    version  BIGINT NOT NULL
);

-- The second wall between tenants. The first is the tenant in every question; this one holds where that was forgotten:
-- the reader's role sees the rows of the tenant that its transaction has named, and without a name none. The owner, who
-- writes, takes digests and resumes, sees all.
ALTER TABLE records ENABLE ROW LEVEL SECURITY;
ALTER TABLE timeline ENABLE ROW LEVEL SECURITY;
ALTER TABLE timelines ENABLE ROW LEVEL SECURITY;
ALTER TABLE links ENABLE ROW LEVEL SECURITY;
ALTER TABLE canon_entries ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON records FOR SELECT USING (tenant = current_setting('sigil.tenant', TRUE));
CREATE POLICY tenant ON timeline FOR SELECT USING (tenant = current_setting('sigil.tenant', TRUE));
CREATE POLICY tenant ON timelines FOR SELECT USING (tenant = current_setting('sigil.tenant', TRUE));
CREATE POLICY tenant ON links FOR SELECT USING (tenant = current_setting('sigil.tenant', TRUE));
CREATE POLICY tenant ON canon_entries FOR SELECT USING (tenant = current_setting('sigil.tenant', TRUE));
GRANT SELECT ON records, timeline, timelines, links, canon_entries, projection_state TO {reader};

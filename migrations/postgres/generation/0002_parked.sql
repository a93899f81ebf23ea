-- Records that passed every check but one: their payload is not one that the projector could read, because it is older
-- than the kind, or because the kind's schema refuses it. Their rows in `records`, `timeline`, `links` and `timelines`
-- hold what the envelope says. Emptied by trying again with a build that knows the kind, and by a rebuild with one.
CREATE TABLE parked (
    "offset"       BIGINT NOT NULL,
    tenant         TEXT COLLATE "C" NOT NULL,
    kind           TEXT COLLATE "C" NOT NULL,
    schema_version BIGINT NOT NULL,
    code           TEXT COLLATE "C" NOT NULL,
    detail         TEXT NOT NULL,
    version        BIGINT NOT NULL
);

CREATE UNIQUE INDEX parked_offset ON parked ("offset");
-- Every page of a timeline says how many of its tenant's records are parked.
CREATE INDEX parked_tenant ON parked (tenant);

ALTER TABLE parked ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON parked FOR SELECT USING (tenant = current_setting('sigil.tenant', TRUE));
GRANT SELECT ON parked TO {reader};

-- Records that passed every check but one: their payload is not one that the projector could read, because it is older
-- than the kind, or because the kind's schema refuses it. Their rows in `records`, `timeline`, `links` and `timelines`
-- hold what the envelope says. Emptied by trying again with a build that knows the kind, and by a rebuild with one.
CREATE TABLE parked (
    offset         INTEGER PRIMARY KEY,
    tenant         TEXT NOT NULL,
    kind           TEXT NOT NULL,
    schema_version INTEGER NOT NULL,
    code           TEXT NOT NULL,
    detail         TEXT NOT NULL,
    version        INTEGER NOT NULL
) STRICT;

-- Every page of a timeline says how many of its tenant's records are parked.
CREATE INDEX parked_tenant ON parked (tenant);

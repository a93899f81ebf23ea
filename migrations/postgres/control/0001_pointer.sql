-- The control schema: which generation of the tables is current. It outlives every generation.
--
-- Unqualified names are those of the schema that is first in `search_path` while a migration runs. `{reader}` is the
-- role that questions are answered in; it sees what a policy shows it, and writes nothing.

-- One row. Readers take their tables from it at the beginning of each transaction. Whoever applies records locks it
-- shared until the commit, whoever switches locks it alone: so no record is applied to tables that were just replaced.
CREATE TABLE pointer (
    one        BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (one),
    generation BIGINT NOT NULL
);

GRANT SELECT ON pointer TO {reader};

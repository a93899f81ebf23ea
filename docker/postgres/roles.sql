-- Logins of the two roles that talk to Postgres. The projector makes its schemas; the gateway may only answer questions,
-- as the reader, which no table belongs to and every policy holds for.
CREATE ROLE sigil_projector LOGIN;
CREATE ROLE sigil_gateway LOGIN;
CREATE ROLE sigil_audit_reader NOLOGIN;
GRANT sigil_audit_reader TO sigil_projector, sigil_gateway;
GRANT CREATE ON DATABASE sigil TO sigil_projector;

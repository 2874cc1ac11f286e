-- A database as the first migration left it, with something in it. Runs on SQLite and PostgreSQL.
CREATE TABLE migrations (name TEXT PRIMARY KEY, applied_at BIGINT NOT NULL);
INSERT INTO migrations (name, applied_at) VALUES ('0000_base', 1763900000000);
CREATE TABLE counters (
    service TEXT NOT NULL,
    noun TEXT NOT NULL,
    next_number BIGINT NOT NULL,
    PRIMARY KEY (service, noun)
);
CREATE TABLE claims (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    owner TEXT,
    reason TEXT NOT NULL,
    token BIGINT NOT NULL,
    claimed_at BIGINT NOT NULL,
    lease_until BIGINT NOT NULL,
    PRIMARY KEY (kind, id)
);
INSERT INTO counters (service, noun, next_number) VALUES ('shop', 'run', 42);
INSERT INTO claims (kind, id, owner, reason, token, claimed_at, lease_until)
VALUES ('run', 'run-1', NULL, '', 7, 1763900000000, 1763900030000);

-- Calls of the API that carried an Idempotency-Key: what was answered, so that a call that is sent again is answered the same.

CREATE TABLE idempotency (
    -- of the caller and the key together
    key TEXT PRIMARY KEY,
    -- of what was asked; another one with the same key is a mistake of the caller
    fingerprint TEXT NOT NULL,
    began_at BIGINT NOT NULL,
    -- Until then whoever works on it is believed to live.
    lease_until BIGINT NOT NULL,
    -- NULL while it is worked on
    status INTEGER,
    -- encrypted, for it may show what is shown once; empty: too long to be kept
    answer TEXT NOT NULL
);

CREATE INDEX idempotency_by_age ON idempotency (began_at);

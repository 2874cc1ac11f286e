-- Webhooks that go out, and who is sending a row of the outbox just now.

-- Somebody took it and sends it until then at the latest; NULL: nobody.
ALTER TABLE outbox ADD COLUMN taken_until BIGINT;

-- The signing secret of each is in the vault, under its id.
CREATE TABLE webhooks (
    id TEXT PRIMARY KEY,
    url TEXT NOT NULL,
    -- JSON arrays; an empty one of services means all
    events TEXT NOT NULL,
    services TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    disabled_at BIGINT,
    disabled_why TEXT NOT NULL,
    -- in a row, since then, and what went wrong the last time
    failures BIGINT NOT NULL,
    failing_since BIGINT,
    fault TEXT NOT NULL,
    sent_at BIGINT
);

CREATE INDEX webhooks_in_use ON webhooks (id) WHERE disabled_at IS NULL;

-- A green run of a service without [deploy]: it makes no release, and other services may wait for it all the same.
ALTER TABLE runs ADD COLUMN unreleased INTEGER NOT NULL DEFAULT 0;

CREATE INDEX runs_to_spread_unreleased ON runs (finished_at) WHERE unreleased = 1 AND spread_at IS NULL;

-- When something of a deployment changed last: what has not moved for longer than its steps may take is told.
ALTER TABLE deployments ADD COLUMN moved_at BIGINT;

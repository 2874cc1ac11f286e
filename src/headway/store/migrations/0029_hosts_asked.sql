-- When a host last said itself what it has; NULL: before this was kept.
ALTER TABLE standings ADD COLUMN asked_at BIGINT;

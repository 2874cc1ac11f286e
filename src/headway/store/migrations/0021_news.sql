-- What arrives: how often work on it was begun and not ended, and from where a run counts what changed.

ALTER TABLE arrivals ADD COLUMN begun INTEGER NOT NULL DEFAULT 0;
CREATE INDEX arrivals_by_run ON arrivals (run) WHERE run IS NOT NULL;
ALTER TABLE runs ADD COLUMN changed_since TEXT;

-- A stranger's `main` is not ours. A branch has no colon in its name.
UPDATE runs SET branch = 'fork:' || branch WHERE fork = 1 AND branch IS NOT NULL;

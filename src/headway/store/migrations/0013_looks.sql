-- What the loops ask for again and again, found without a look at all that was.

-- What was told and not yet worked on, by whose it is.
CREATE INDEX arrivals_to_do ON arrivals (repository, number) WHERE due_at IS NOT NULL;

-- What a server still has to do for a branch.
CREATE INDEX runs_unfinished_of_ref ON runs (service, ref, created_at, number) WHERE state IN ('queued', 'running');

-- SQLite took the index of all runs by state for these three: it knows nothing of how many succeed. Columns that are
-- compared for equality have it take these.
DROP INDEX runs_to_spread;

CREATE INDEX runs_to_spread ON runs (spread_at, finished_at)
    WHERE state = 'succeeded' AND release_id IS NOT NULL AND trigger_key IS NOT NULL AND spread_at IS NULL;

DROP INDEX runs_unfollowed;

CREATE INDEX runs_unfollowed ON runs (followed_at, finished_at, id)
    WHERE state = 'succeeded' AND release_id IS NOT NULL AND followed_at IS NULL;

DROP INDEX runs_by_release;

CREATE INDEX runs_by_release ON runs (release_id, state, created_at) WHERE release_id IS NOT NULL;

-- What is due, whatever waits behind it for a receiver that is away.
DROP INDEX outbox_due;

CREATE INDEX outbox_due_of_kind ON outbox (kind, due_at) WHERE due_at IS NOT NULL;

-- What a server keeps beside runs and deployments: repositories, what arrives from them, what is to be sent, what happened.

CREATE TABLE repositories (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    forge TEXT NOT NULL CHECK (forge IN ('github', 'gitlab', 'gitea', 'headway', 'git')),
    url TEXT NOT NULL,
    web_url TEXT NOT NULL,
    service TEXT,
    team TEXT,
    default_branch TEXT,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    -- seconds; 0 is never
    poll_every BIGINT NOT NULL,
    due_at BIGINT,
    checked_at BIGINT,
    fault TEXT NOT NULL,
    faults INTEGER NOT NULL,
    removed_at BIGINT
);

-- The name is free again once its repository was removed.
CREATE UNIQUE INDEX repositories_by_name ON repositories (name) WHERE removed_at IS NULL;

CREATE INDEX repositories_due ON repositories (due_at) WHERE due_at IS NOT NULL;

-- What a repository's refs pointed to when they were last taken in.
CREATE TABLE refs (
    repository TEXT NOT NULL REFERENCES repositories (id),
    ref TEXT NOT NULL,
    sha TEXT NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (repository, ref)
);

-- Accepted, then worked on: a row is there before its sender is answered.
CREATE TABLE arrivals (
    -- in the order of their coming
    number BIGINT PRIMARY KEY,
    repository TEXT NOT NULL REFERENCES repositories (id),
    -- told twice by the same teller, it is one: the forge's id of the delivery, the note of a push
    key TEXT NOT NULL,
    delivery TEXT NOT NULL,
    -- what it says, for telling the same thing told by two: ref, before, after
    content TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('push', 'tag', 'pull_request', 'delete')),
    ref TEXT NOT NULL,
    body TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'done', 'ignored', 'failed')),
    due_at BIGINT,
    attempts INTEGER NOT NULL,
    note TEXT NOT NULL,
    run TEXT,
    UNIQUE (repository, key)
);

CREATE INDEX arrivals_due ON arrivals (due_at) WHERE due_at IS NOT NULL;

CREATE INDEX arrivals_by_content ON arrivals (repository, content);

CREATE INDEX arrivals_by_age ON arrivals (received_at);

CREATE TABLE schedules (
    repository TEXT NOT NULL REFERENCES repositories (id),
    name TEXT NOT NULL,
    service TEXT NOT NULL,
    cron TEXT NOT NULL,
    zone TEXT NOT NULL,
    branch TEXT NOT NULL,
    -- JSON object
    parameters TEXT NOT NULL,
    due_at BIGINT,
    PRIMARY KEY (repository, name)
);

CREATE INDEX schedules_due ON schedules (due_at) WHERE due_at IS NOT NULL;

-- Effects on the world outside: stored with the change that asks for them, carried out afterwards, told apart by their key.
CREATE TABLE outbox (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    -- two of one key are one effect
    key TEXT NOT NULL UNIQUE,
    -- effects on one subject go out in the order of their position
    subject TEXT NOT NULL,
    position BIGINT NOT NULL,
    body TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'failed', 'obsolete')),
    due_at BIGINT,
    attempts INTEGER NOT NULL,
    note TEXT NOT NULL,
    sent_at BIGINT
);

CREATE INDEX outbox_due ON outbox (due_at) WHERE due_at IS NOT NULL;

CREATE INDEX outbox_by_subject ON outbox (kind, subject, position) WHERE state = 'waiting';

CREATE INDEX outbox_by_age ON outbox (created_at);

-- What happened, in one order, for whoever looks on. Written in the transaction of the change itself.
CREATE TABLE events (
    position BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    -- noun.verb: run.changed, job.changed, deployment.changed, host.changed
    kind TEXT NOT NULL,
    service TEXT NOT NULL,
    subject TEXT NOT NULL,
    -- JSON object
    data TEXT NOT NULL
);

CREATE INDEX events_by_age ON events (at);

-- Runs that a server began: by what, for whom, in which order.
-- push, tag, pull_request, cron, manual, release, rerun, try; empty for the runs of a command on this machine
ALTER TABLE runs ADD COLUMN event TEXT NOT NULL DEFAULT '';
-- two of one key are one run
ALTER TABLE runs ADD COLUMN trigger_key TEXT;
ALTER TABLE runs ADD COLUMN ref TEXT;
ALTER TABLE runs ADD COLUMN priority BIGINT NOT NULL DEFAULT 0;
-- Why it may not start yet, until a person says so; NULL: nothing holds it
ALTER TABLE runs ADD COLUMN held_for TEXT;
ALTER TABLE runs ADD COLUMN approved_by TEXT;
ALTER TABLE runs ADD COLUMN fork INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN pull_request BIGINT;
-- the run that this one repeats, and the run that came in its place
ALTER TABLE runs ADD COLUMN rerun_of TEXT;
ALTER TABLE runs ADD COLUMN superseded_by TEXT;
-- JSON object of a manual run's values
ALTER TABLE runs ADD COLUMN parameters TEXT NOT NULL DEFAULT '{}';
-- JSON array of the faults of a headway.toml that could not be read
ALTER TABLE runs ADD COLUMN faults TEXT NOT NULL DEFAULT '[]';
-- runs of one group wait for each other
ALTER TABLE runs ADD COLUMN concurrency_group TEXT;
ALTER TABLE runs ADD COLUMN concurrency_limit INTEGER;
ALTER TABLE runs ADD COLUMN repository_id TEXT;

-- when its release was offered to the services that wait for releases of this one; NULL: not yet
ALTER TABLE runs ADD COLUMN spread_at BIGINT;

CREATE INDEX runs_to_spread ON runs (finished_at)
    WHERE state = 'succeeded' AND release_id IS NOT NULL AND trigger_key IS NOT NULL AND spread_at IS NULL;

CREATE UNIQUE INDEX runs_by_trigger ON runs (trigger_key) WHERE trigger_key IS NOT NULL;

-- What a server begins is told apart by its trigger: the same commit on two branches is two runs.
DROP INDEX runs_unfinished;

CREATE UNIQUE INDEX runs_unfinished ON runs (service, repository, commit_sha, tree, selection)
    WHERE state IN ('queued', 'running') AND trigger_key IS NULL;

-- What waits to be driven, in its order.
CREATE INDEX runs_waiting ON runs (priority DESC, created_at) WHERE state IN ('queued', 'running');

CREATE INDEX runs_by_branch ON runs (service, branch, created_at);

CREATE INDEX runs_by_age ON runs (service, created_at);

CREATE INDEX runs_by_time ON runs (created_at);

CREATE INDEX deployments_by_age ON deployments (service, requested_at);

CREATE INDEX test_cases_by_name ON test_cases (name, job);

-- A matrix or several slots: how many of the builder's slots a job takes, and the group it waits in.
ALTER TABLE jobs ADD COLUMN slots INTEGER NOT NULL DEFAULT 1;
ALTER TABLE jobs ADD COLUMN concurrency_group TEXT;
ALTER TABLE jobs ADD COLUMN concurrency_limit INTEGER;

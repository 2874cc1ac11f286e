-- Runs, their jobs, and what jobs leave behind. Logs and artifacts are files; here are their offsets and hashes.

CREATE TABLE commits (
    repository TEXT NOT NULL,
    sha TEXT NOT NULL,
    tree TEXT NOT NULL,
    -- JSON array of ids
    parents TEXT NOT NULL,
    author TEXT NOT NULL,
    authored_at BIGINT NOT NULL,
    committer TEXT NOT NULL,
    committed_at BIGINT NOT NULL,
    subject TEXT NOT NULL,
    PRIMARY KEY (repository, sha)
);

CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    number BIGINT NOT NULL,
    service TEXT NOT NULL,
    repository TEXT NOT NULL,
    commit_sha TEXT NOT NULL,
    tree TEXT NOT NULL,
    dirty INTEGER NOT NULL,
    branch TEXT,
    tag TEXT,
    -- JSON array of the names that were asked for with --job; [] is all
    selection TEXT NOT NULL,
    -- JSON: the definitions and options that were decided when the run began
    plan TEXT NOT NULL,
    state TEXT NOT NULL CHECK (
        state IN ('queued', 'running', 'succeeded', 'failed', 'errored', 'cancelled', 'skipped')
    ),
    reason TEXT NOT NULL,
    requested_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    finished_at BIGINT,
    due_at BIGINT,
    release_id TEXT,
    cancel_reason TEXT,
    -- the owner's token of the table claims: whoever holds an older one writes nothing
    token BIGINT NOT NULL,
    UNIQUE (service, number)
);

-- The same content is not run twice at the same time: whoever comes second attaches or looks on.
CREATE UNIQUE INDEX runs_unfinished ON runs (service, repository, commit_sha, tree, selection)
    WHERE state IN ('queued', 'running');

CREATE INDEX runs_by_commit ON runs (service, commit_sha);

CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    run TEXT NOT NULL REFERENCES runs (id),
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    definition TEXT NOT NULL,
    -- JSON object, axis to value
    matrix TEXT NOT NULL,
    -- JSON array of definitions
    needs TEXT NOT NULL,
    state TEXT NOT NULL CHECK (
        state IN ('queued', 'running', 'succeeded', 'failed', 'errored', 'cancelled', 'skipped')
    ),
    reason TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    allow_failure INTEGER NOT NULL,
    queued_at BIGINT NOT NULL,
    started_at BIGINT,
    finished_at BIGINT,
    directory TEXT,
    -- bytes of the runner's file that were taken, bytes of the masked log that were kept
    taken BIGINT NOT NULL,
    kept BIGINT NOT NULL,
    -- JSON object
    outputs TEXT NOT NULL,
    -- counts of its test reports; NULL without any
    tests_total INTEGER,
    tests_failed INTEGER,
    tests_errored INTEGER,
    tests_skipped INTEGER,
    UNIQUE (run, name)
);

-- Attempts that were followed by another one; the latest stands in jobs.
CREATE TABLE attempts (
    job TEXT NOT NULL REFERENCES jobs (id),
    attempt INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    started_at BIGINT,
    finished_at BIGINT NOT NULL,
    kept BIGINT NOT NULL,
    PRIMARY KEY (job, attempt)
);

CREATE TABLE steps (
    job TEXT NOT NULL REFERENCES jobs (id),
    attempt INTEGER NOT NULL,
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL CHECK (
        state IN ('queued', 'running', 'succeeded', 'failed', 'errored', 'cancelled', 'skipped')
    ),
    exit_code INTEGER,
    started_at BIGINT,
    finished_at BIGINT,
    -- seconds since the builder's boot when it began: durations come from here, never from two clocks
    uptime DOUBLE PRECISION,
    -- its part of the masked log, in bytes
    log_start BIGINT,
    log_end BIGINT,
    PRIMARY KEY (job, attempt, position)
);

CREATE TABLE job_artifacts (
    job TEXT NOT NULL REFERENCES jobs (id),
    path TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size BIGINT NOT NULL,
    executable INTEGER NOT NULL,
    PRIMARY KEY (job, path)
);

CREATE INDEX job_artifacts_by_content ON job_artifacts (sha256);

-- Cases of the latest attempt's JUnit reports.
CREATE TABLE test_cases (
    job TEXT NOT NULL REFERENCES jobs (id),
    position INTEGER NOT NULL,
    suite TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    duration DOUBLE PRECISION NOT NULL,
    message TEXT NOT NULL,
    file TEXT,
    line INTEGER,
    PRIMARY KEY (job, position)
);

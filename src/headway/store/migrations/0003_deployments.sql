-- Deployments, their hosts, and the audit of what was done on them.

CREATE TABLE deployments (
    id TEXT PRIMARY KEY,
    number BIGINT NOT NULL,
    service TEXT NOT NULL,
    repository TEXT NOT NULL,
    environment TEXT NOT NULL,
    production INTEGER NOT NULL,
    release_id TEXT NOT NULL,
    commit_sha TEXT NOT NULL,
    previous_release TEXT,
    kind TEXT NOT NULL CHECK (kind IN ('planned', 'hotfix', 'rollback', 'redeploy')),
    state TEXT NOT NULL CHECK (
        state IN ('held', 'running', 'rolling_back', 'succeeded', 'rolled_back', 'failed', 'cancelled')
    ),
    reason TEXT NOT NULL,
    requested_by TEXT NOT NULL,
    requested_at BIGINT NOT NULL,
    approved_by TEXT,
    approval_verified INTEGER NOT NULL,
    started_at BIGINT,
    first_switched_at BIGINT,
    verified_at BIGINT,
    finished_at BIGINT,
    rolled_back_automatically INTEGER NOT NULL,
    supersedes TEXT,
    due_at BIGINT,
    -- JSON: what was decided when it began (hosts, batches, commands, settings without their secrets)
    plan TEXT NOT NULL,
    -- the owner's token of the table claims: whoever holds an older one writes nothing
    token BIGINT NOT NULL,
    UNIQUE (service, number)
);

-- What is live, what is under way, and the history of an environment, whatever its length.
CREATE INDEX deployments_of_environment ON deployments (service, environment, state, requested_at);

CREATE INDEX deployments_by_release ON deployments (release_id);

CREATE TABLE deployment_hosts (
    deployment TEXT NOT NULL REFERENCES deployments (id),
    host TEXT NOT NULL,
    -- in the order of their switch
    position INTEGER NOT NULL,
    batch INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    previous_release TEXT,
    attempt INTEGER NOT NULL,
    switched_at BIGINT,
    verified_at BIGINT,
    reverted_at BIGINT,
    due_at BIGINT,
    PRIMARY KEY (deployment, host)
);

CREATE TABLE deployment_steps (
    deployment TEXT NOT NULL REFERENCES deployments (id),
    host TEXT NOT NULL,
    step TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    state TEXT NOT NULL,
    exit_code INTEGER,
    started_at BIGINT NOT NULL,
    finished_at BIGINT,
    output TEXT NOT NULL,
    PRIMARY KEY (deployment, host, step, attempt)
);

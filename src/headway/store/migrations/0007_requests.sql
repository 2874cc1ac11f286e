-- Wishes for deployments, which stand at the gate until it opens, and what people said to them.

CREATE TABLE requests (
    id TEXT PRIMARY KEY,
    service TEXT NOT NULL,
    environment TEXT NOT NULL,
    release_id TEXT NOT NULL,
    commit_sha TEXT NOT NULL,
    repository TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('planned', 'hotfix', 'rollback', 'redeploy')),
    force INTEGER NOT NULL,
    requested_by TEXT NOT NULL,
    requested_at BIGINT NOT NULL,
    origin TEXT NOT NULL CHECK (origin IN ('automatic', 'person', 'api')),
    -- why it was made: the same cause makes the same wish once
    cause TEXT NOT NULL,
    state TEXT NOT NULL CHECK (
        state IN ('waiting', 'begun', 'done', 'refused', 'withdrawn', 'superseded', 'expired')
    ),
    -- one sentence: what it waits for, or what came of it
    reason TEXT NOT NULL,
    -- JSON array: all that stands in its way, as the gate said when it last looked
    obstacles TEXT NOT NULL,
    -- when to look again; NULL once it is over
    due_at BIGINT,
    expires_at BIGINT NOT NULL,
    deployment TEXT,
    -- rollback: the deployment whose settings are taken over
    settings_of TEXT,
    ended_at BIGINT,
    UNIQUE (service, environment, release_id, cause)
);

-- One stands at each gate; a newer one of another release takes its place.
CREATE UNIQUE INDEX requests_waiting ON requests (service, environment) WHERE state = 'waiting';

CREATE INDEX requests_due ON requests (due_at) WHERE due_at IS NOT NULL;

CREATE INDEX requests_by_deployment ON requests (deployment) WHERE deployment IS NOT NULL;

CREATE INDEX requests_by_age ON requests (service, requested_at);

CREATE TABLE approvals (
    request TEXT NOT NULL REFERENCES requests (id),
    person TEXT NOT NULL,
    yes INTEGER NOT NULL,
    comment TEXT NOT NULL,
    at BIGINT NOT NULL,
    -- after this it no longer counts
    expires_at BIGINT NOT NULL,
    -- 0 when the name was only stated on a command line
    verified INTEGER NOT NULL,
    PRIMARY KEY (request, person)
);

-- Who put it there when it was not Headway: `jenkins`; empty for Headway's own.
ALTER TABLE deployments ADD COLUMN origin TEXT NOT NULL DEFAULT '';
-- what its recorder calls it; two of one key are one deployment
ALTER TABLE deployments ADD COLUMN record_key TEXT;
-- the request that it fulfils
ALTER TABLE deployments ADD COLUMN request TEXT;
-- what a person asks of it while it goes on: pause, stay, back; and who asked
ALTER TABLE deployments ADD COLUMN asked TEXT CHECK (asked IN ('pause', 'stay', 'back'));
ALTER TABLE deployments ADD COLUMN asked_by TEXT;
-- When it was decided what follows from it; what was there before a server never makes anything follow.
ALTER TABLE deployments ADD COLUMN followed_at BIGINT;
ALTER TABLE runs ADD COLUMN followed_at BIGINT;

UPDATE deployments SET followed_at = requested_at;
UPDATE runs SET followed_at = created_at;

CREATE UNIQUE INDEX deployments_by_record ON deployments (service, record_key) WHERE record_key IS NOT NULL;

CREATE INDEX deployments_unfollowed ON deployments (finished_at)
    WHERE state = 'succeeded' AND followed_at IS NULL;

-- Whoever goes on with what was left looks for these.
CREATE INDEX deployments_unfinished ON deployments (requested_at)
    WHERE state IN ('held', 'running', 'rolling_back');

CREATE INDEX runs_unfollowed ON runs (finished_at)
    WHERE state = 'succeeded' AND release_id IS NOT NULL AND followed_at IS NULL;

CREATE INDEX runs_by_release ON runs (release_id) WHERE release_id IS NOT NULL;

-- What pages list: the newest of everything first, however long the history.

CREATE INDEX deployments_by_time ON deployments (requested_at);

-- The last one to an environment, whatever came of it.
CREATE INDEX deployments_newest ON deployments (service, environment, requested_at);

CREATE INDEX releases_by_time ON releases (service, created_at);

CREATE INDEX repositories_of_service ON repositories (service) WHERE removed_at IS NULL;

-- All of a commit, whatever the service.
CREATE INDEX runs_of_commit ON runs (commit_sha);

CREATE INDEX releases_of_commit ON releases (commit_sha);

CREATE INDEX deployments_of_commit ON deployments (commit_sha);

-- Effects that were given up.
CREATE INDEX outbox_failed ON outbox (created_at) WHERE state = 'failed';

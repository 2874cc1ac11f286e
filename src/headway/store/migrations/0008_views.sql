-- What pages list: deployments of all services, newest first, however long the history.

CREATE INDEX deployments_by_time ON deployments (requested_at);

CREATE INDEX releases_by_time ON releases (service, created_at);

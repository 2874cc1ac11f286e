-- What stands on which host of an environment: the one answer to "what runs where", written with every change of a
-- deployment's hosts.
CREATE TABLE standings (
    service TEXT NOT NULL,
    environment TEXT NOT NULL,
    host TEXT NOT NULL,
    -- NULL: nothing
    release_id TEXT,
    commit_sha TEXT NOT NULL,
    -- what put it there
    deployment TEXT,
    number BIGINT,
    since BIGINT,
    state TEXT NOT NULL CHECK (state IN ('serves', 'moving', 'unclear')),
    reason TEXT NOT NULL,
    -- deployments have gone on without it since then
    missed_since BIGINT,
    missed_why TEXT NOT NULL,
    -- 0: the last deployment's file does not name it any more
    member INTEGER NOT NULL,
    PRIMARY KEY (service, environment, host)
);

CREATE INDEX standings_of_host ON standings (host);

-- As far as the deployments until now tell: of each host the last one that served there.
INSERT INTO standings (
    service, environment, host, release_id, commit_sha, deployment, number, since, state, reason, missed_since,
    missed_why, member
)
SELECT service, environment, host, release_id, commit_sha, id, number, since, 'serves', '', NULL, '',
    CASE WHEN EXISTS (
        SELECT 1 FROM deployment_hosts named WHERE named.host = found.host AND named.deployment = (
            SELECT newest.id FROM deployments newest
            WHERE newest.service = found.service AND newest.environment = found.environment
                AND EXISTS (SELECT 1 FROM deployment_hosts any_host WHERE any_host.deployment = newest.id)
            ORDER BY newest.requested_at DESC, newest.id DESC LIMIT 1
        )
    ) THEN 1 ELSE 0 END
FROM (
    SELECT d.service, d.environment, h.host, d.release_id, d.commit_sha, d.id, d.number,
        COALESCE(h.verified_at, d.finished_at, d.requested_at) AS since,
        ROW_NUMBER() OVER (
            PARTITION BY d.service, d.environment, h.host ORDER BY d.requested_at DESC, d.id DESC
        ) AS place
    FROM deployment_hosts h JOIN deployments d ON d.id = h.deployment
    WHERE h.state IN ('live', 'finishing', 'finished', 'watching')
) AS found
WHERE place = 1;

-- Hosts that a person leaves out of a deployment that is asked for: names, as JSON.
ALTER TABLE requests ADD COLUMN left_out TEXT NOT NULL DEFAULT '[]';

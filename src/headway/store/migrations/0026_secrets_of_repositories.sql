-- A service's secrets are of the repository that declared it: the next one that takes its name is not given them.
-- Empty: set before any repository declared the service; the first one that does has them then.
ALTER TABLE secrets ADD COLUMN repository TEXT;
UPDATE secrets SET repository = (
    SELECT r.id FROM repositories r WHERE r.removed_at IS NULL AND r.service IS NOT NULL
        AND (secrets.scope = 'service' AND secrets.owner = r.service
            OR secrets.scope = 'environment' AND SUBSTR(secrets.owner, 1, LENGTH(r.service) + 1) = r.service || '/')
    ORDER BY r.created_at, r.id LIMIT 1
);

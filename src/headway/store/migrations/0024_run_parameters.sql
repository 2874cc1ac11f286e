-- The same content with other parameters is another run.
DROP INDEX runs_unfinished;

CREATE UNIQUE INDEX runs_unfinished ON runs (service, repository, commit_sha, tree, selection, parameters)
    WHERE state IN ('queued', 'running') AND trigger_key IS NULL;

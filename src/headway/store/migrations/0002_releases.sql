-- Releases: a commit and its artifacts. The bytes are files, named by their SHA-256.

CREATE TABLE releases (
    id TEXT PRIMARY KEY,
    service TEXT NOT NULL,
    repository TEXT NOT NULL,
    commit_sha TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    run TEXT,
    -- when the same content was last made or asked for; retention counts age from here
    renewed_at BIGINT NOT NULL,
    -- when retention let its artifacts go; the row stays, so that history can say what it was
    removed_at BIGINT
);

CREATE INDEX releases_by_age ON releases (service, renewed_at);

CREATE INDEX releases_by_commit ON releases (service, commit_sha);

CREATE TABLE release_artifacts (
    release_id TEXT NOT NULL REFERENCES releases (id),
    path TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size BIGINT NOT NULL,
    executable INTEGER NOT NULL,
    PRIMARY KEY (release_id, path)
);

CREATE INDEX release_artifacts_by_content ON release_artifacts (sha256);

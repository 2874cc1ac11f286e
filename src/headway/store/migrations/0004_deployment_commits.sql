-- Which commits a deployment brought: known when it begins, kept because the repository may be elsewhere later.

CREATE TABLE deployment_changes (
    deployment TEXT PRIMARY KEY REFERENCES deployments (id),
    -- the commit that was live when it began; NULL for the first deployment to an environment
    base TEXT,
    -- why its commits could not be found; NULL when they were
    unknown TEXT
);

CREATE TABLE deployment_commits (
    deployment TEXT NOT NULL REFERENCES deployments (id),
    sha TEXT NOT NULL,
    committed_at BIGINT NOT NULL,
    subject TEXT NOT NULL,
    PRIMARY KEY (deployment, sha)
);

-- People, how they come in, what they may use, and what was done by whom; and secrets, encrypted.

CREATE TABLE people (
    -- what org.toml, approvals and the audit call them
    handle TEXT PRIMARY KEY,
    display_name TEXT NOT NULL,
    email TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('viewer', 'developer', 'operator', 'administrator')),
    -- argon2id, with its parameters and salt; NULL: only a link or a token lets them in
    password_hash TEXT,
    created_at BIGINT NOT NULL,
    disabled_at BIGINT
);

-- Links that let somebody in once. Only the SHA-256 of what stands in the link is known here.
CREATE TABLE sign_in_links (
    hash TEXT PRIMARY KEY,
    -- NULL: whoever comes by it becomes the first administrator
    person TEXT REFERENCES people (handle),
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);

CREATE INDEX sign_in_links_by_person ON sign_in_links (person);

-- Browsers that are signed in. Only the SHA-256 of the cookie's value is known here.
CREATE TABLE sessions (
    hash TEXT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    person TEXT NOT NULL REFERENCES people (handle),
    created_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    address TEXT NOT NULL,
    user_agent TEXT NOT NULL
);

CREATE INDEX sessions_by_person ON sessions (person);

CREATE INDEX sessions_by_end ON sessions (expires_at);

-- Tokens of programs. The text is shown once; its SHA-256 stays.
CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    -- the first characters of the text, by which a person tells it apart
    prefix TEXT NOT NULL,
    name TEXT NOT NULL,
    person TEXT NOT NULL REFERENCES people (handle),
    -- JSON array
    scopes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    last_used_at BIGINT,
    revoked_at BIGINT
);

CREATE INDEX tokens_by_person ON tokens (person, created_at);

-- Failures of signing in, by account and by address, so that a restart forgets none.
CREATE TABLE sign_in_attempts (
    kind TEXT NOT NULL CHECK (kind IN ('account', 'address')),
    -- of an account the SHA-256 of what was typed: people type passwords there, too
    subject TEXT NOT NULL,
    failures BIGINT NOT NULL,
    failed_at BIGINT NOT NULL,
    -- not before this
    free_at BIGINT NOT NULL,
    PRIMARY KEY (kind, subject)
);

CREATE INDEX sign_in_attempts_by_age ON sign_in_attempts (failed_at);

-- What was changed by whom. Rows are added and read, never changed; the numbers have no gap.
CREATE TABLE audit (
    number BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    -- session, token NAME, socket, command, headway
    via TEXT NOT NULL,
    address TEXT NOT NULL,
    -- noun.verb
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    -- JSON, or empty
    was TEXT NOT NULL,
    became TEXT NOT NULL
);

CREATE INDEX audit_by_actor ON audit (actor, number);

CREATE INDEX audit_by_action ON audit (action, number);

CREATE INDEX audit_by_subject ON audit (subject, number);

CREATE TABLE secrets (
    scope TEXT NOT NULL CHECK (scope IN ('team', 'service', 'environment', 'repository', 'webhook')),
    -- storefront; shop; shop/production; the id of a repository or of a webhook
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    ciphertext TEXT NOT NULL,
    -- of the key that opens it
    key_id TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    updated_by TEXT NOT NULL,
    PRIMARY KEY (scope, owner, name)
);

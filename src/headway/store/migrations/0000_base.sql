-- What every noun needs: numbers that people type, and who works on what.

CREATE TABLE counters (
    service TEXT NOT NULL,
    noun TEXT NOT NULL,
    next_number BIGINT NOT NULL,
    PRIMARY KEY (service, noun)
);

-- A row stays after its claim was released, so that `token` never goes back.
CREATE TABLE claims (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    owner TEXT,
    reason TEXT NOT NULL,
    token BIGINT NOT NULL,
    claimed_at BIGINT NOT NULL,
    lease_until BIGINT NOT NULL,
    PRIMARY KEY (kind, id)
);

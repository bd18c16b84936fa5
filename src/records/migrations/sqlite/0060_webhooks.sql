-- What owners' webhook receivers are to be told. A receiver is one host of one
-- owner, and is leased as a whole: so exactly one process sends to it at a time,
-- and one that does not answer holds up nobody else.
CREATE TABLE webhook_receivers (
    owner_id    TEXT NOT NULL,
    host        TEXT NOT NULL,
    -- When something is to be sent; NULL while nothing waits.
    due_at      BIGINT,
    -- Failures in a row.
    failures    BIGINT NOT NULL,
    lease_owner TEXT,
    lease_token TEXT,
    lease_until BIGINT NOT NULL,
    PRIMARY KEY (owner_id, host)
);

CREATE INDEX webhook_receivers_by_turn ON webhook_receivers (due_at);

-- One row an event, made in the transaction of what it tells of.
CREATE TABLE webhook_deliveries (
    id         TEXT PRIMARY KEY,
    owner_id   TEXT NOT NULL,
    host       TEXT NOT NULL,
    url        TEXT NOT NULL,
    kind       TEXT NOT NULL,
    payload    TEXT NOT NULL,
    upload_id  TEXT,
    status     TEXT NOT NULL,
    attempts   BIGINT NOT NULL,
    run_at     BIGINT NOT NULL,
    last_error TEXT,
    created_at BIGINT NOT NULL,
    ended_at   BIGINT
);

CREATE INDEX webhook_deliveries_due ON webhook_deliveries (owner_id, host, run_at) WHERE status = 'waiting';
CREATE INDEX webhook_deliveries_by_owner ON webhook_deliveries (owner_id, id);
CREATE INDEX webhook_deliveries_by_end ON webhook_deliveries (ended_at) WHERE ended_at IS NOT NULL;

-- What deliveries are signed with, sealed as credentials are. An earlier
-- secret goes on signing beside its successor for a while.
CREATE TABLE webhook_secrets (
    owner_id   TEXT NOT NULL,
    number     BIGINT NOT NULL,
    key_id     TEXT NOT NULL,
    nonce      BLOB NOT NULL,
    sealed     BLOB NOT NULL,
    created_at BIGINT NOT NULL,
    ends_at    BIGINT,
    PRIMARY KEY (owner_id, number)
);

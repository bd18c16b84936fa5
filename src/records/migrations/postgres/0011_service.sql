-- What the API adds: who may ask, what was asked twice, and what happened.

CREATE TABLE api_keys (
    id          TEXT PRIMARY KEY,
    secret_hash TEXT NOT NULL,
    owner_id    TEXT NOT NULL,
    author_id   TEXT NOT NULL,
    projects    TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    revoked_at  BIGINT
);

-- The answer to a request that carried an Idempotency-Key.
CREATE TABLE idempotency (
    owner_id   TEXT NOT NULL,
    key        TEXT NOT NULL,
    body_hash  TEXT NOT NULL,
    answer     TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (owner_id, key)
);

-- Moves and warnings of an upload, in order.
CREATE TABLE events (
    upload_id  TEXT NOT NULL,
    seq        BIGINT NOT NULL,
    kind       TEXT NOT NULL,
    data       TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (upload_id, seq)
);

-- Bytes that are here, while somebody works on it.
ALTER TABLE jobs ADD COLUMN done_bytes BIGINT NOT NULL DEFAULT 0;

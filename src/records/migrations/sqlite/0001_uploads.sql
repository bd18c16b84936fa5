-- Times are milliseconds since 1970, ids and JSON are text: the same text of
-- SQL serves every database.

CREATE TABLE uploads (
    id                 TEXT PRIMARY KEY,
    owner_id           TEXT NOT NULL,
    author_id          TEXT NOT NULL,
    created_at         BIGINT NOT NULL,
    updated_at         BIGINT NOT NULL,
    file_name          TEXT NOT NULL,
    kind               TEXT NOT NULL,
    source             TEXT NOT NULL,
    status             TEXT NOT NULL,
    asset_options      TEXT,
    config             TEXT,
    content_type       TEXT,
    entity_id          TEXT,
    error_message      TEXT,
    file_size          BIGINT,
    job_id             TEXT NOT NULL,
    original_file_name TEXT,
    parts              TEXT,
    parts_count        BIGINT,
    provider           TEXT,
    url                TEXT,
    -- What is not on the public record.
    request            TEXT NOT NULL,
    request_key        TEXT NOT NULL,
    plan               TEXT,
    plan_key           TEXT,
    error_code         TEXT,
    error_hint         TEXT
);

CREATE INDEX uploads_by_owner ON uploads (owner_id, created_at, id);
CREATE INDEX uploads_by_request ON uploads (owner_id, request_key, created_at);
CREATE INDEX uploads_by_plan ON uploads (owner_id, plan_key, created_at);

-- One row an unfinished upload. The lease token is new at every claim: a
-- worker that lost its lease can write nothing more.
CREATE TABLE jobs (
    id           TEXT PRIMARY KEY,
    kind         TEXT NOT NULL,
    upload_id    TEXT NOT NULL UNIQUE REFERENCES uploads (id),
    priority     BIGINT NOT NULL,
    run_at       BIGINT NOT NULL,
    attempt      BIGINT NOT NULL,
    lease_owner  TEXT,
    lease_token  TEXT,
    lease_until  BIGINT NOT NULL,
    last_error   TEXT
);

CREATE INDEX jobs_by_turn ON jobs (priority, run_at);

CREATE TABLE artifacts (
    upload_id         TEXT NOT NULL REFERENCES uploads (id),
    position          BIGINT NOT NULL,
    path              TEXT NOT NULL,
    size              BIGINT,
    sha256            TEXT,
    git_sha1          TEXT,
    status            TEXT NOT NULL,
    verification      TEXT,
    bytes_transferred BIGINT NOT NULL,
    reused            BOOLEAN NOT NULL,
    repaired          BOOLEAN NOT NULL,
    checkpoint        TEXT,
    error_code        TEXT,
    -- Why it was refused, and what its headers say it is (JSON).
    reason            TEXT,
    facts             TEXT,
    PRIMARY KEY (upload_id, position)
);

CREATE TABLE artifact_parts (
    upload_id   TEXT NOT NULL,
    position    BIGINT NOT NULL,
    number      BIGINT NOT NULL,
    byte_offset BIGINT NOT NULL,
    size        BIGINT NOT NULL,
    tag         TEXT NOT NULL,
    PRIMARY KEY (upload_id, position, number)
);

-- Blobs in the storage, so that a file known by its git id alone is found again.
CREATE TABLE blobs (
    sha256     TEXT PRIMARY KEY,
    size       BIGINT NOT NULL,
    git_sha1   TEXT,
    created_at BIGINT NOT NULL
);

CREATE INDEX blobs_by_git_id ON blobs (git_sha1);

CREATE TABLE entities (
    id         TEXT PRIMARY KEY,
    owner_id   TEXT NOT NULL,
    kind       TEXT NOT NULL,
    name       TEXT NOT NULL,
    upload_id  TEXT NOT NULL UNIQUE REFERENCES uploads (id),
    created_at BIGINT NOT NULL
);

CREATE TABLE entity_files (
    entity_id TEXT NOT NULL REFERENCES entities (id),
    path      TEXT NOT NULL,
    size      BIGINT NOT NULL,
    sha256    TEXT NOT NULL,
    PRIMARY KEY (entity_id, path)
);

CREATE INDEX entity_files_by_blob ON entity_files (sha256);

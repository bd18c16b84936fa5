-- Scheduled imports. The lease is like a job's: its token is new at every
-- claim, and a run that lost it writes nothing more.

CREATE TABLE syncs (
    id          TEXT PRIMARY KEY,
    owner_id    TEXT NOT NULL,
    name        TEXT NOT NULL,
    spec        TEXT NOT NULL,
    cron        TEXT NOT NULL,
    time_zone   TEXT NOT NULL,
    paused      BOOLEAN NOT NULL,
    next_run_at BIGINT,
    lease_owner TEXT,
    lease_token TEXT,
    lease_until BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    UNIQUE (owner_id, name)
);

CREATE INDEX syncs_by_turn ON syncs (next_run_at);

CREATE TABLE sync_runs (
    id         TEXT PRIMARY KEY,
    sync_id    TEXT NOT NULL REFERENCES syncs (id) ON DELETE CASCADE,
    cause      TEXT NOT NULL,
    status     TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at   BIGINT,
    counts     TEXT NOT NULL,
    error      TEXT
);

CREATE INDEX sync_runs_by_sync ON sync_runs (sync_id, started_at);

-- What a sync has seen: one row a source, with the revision last imported.
CREATE TABLE sync_items (
    sync_id       TEXT NOT NULL REFERENCES syncs (id) ON DELETE CASCADE,
    source        TEXT NOT NULL,
    revision      TEXT,
    upload_id     TEXT,
    missing_since BIGINT,
    PRIMARY KEY (sync_id, source)
);

-- Files that their owner brings in parts, until they are imported. While
-- `completed_at` is NULL parts are taken, and nobody works on the upload.
CREATE TABLE intakes (
    upload_id    TEXT PRIMARY KEY REFERENCES uploads (id),
    owner_id     TEXT NOT NULL,
    -- Where the storage keeps the parts (JSON).
    staged       TEXT NOT NULL,
    -- When the URLs for the parts were last handed out.
    asked_at     BIGINT NOT NULL,
    completed_at BIGINT,
    -- The parts there were when it was completed (JSON).
    parts        TEXT
);

CREATE INDEX intakes_by_owner ON intakes (owner_id, completed_at);
CREATE INDEX intakes_by_age ON intakes (completed_at, asked_at);

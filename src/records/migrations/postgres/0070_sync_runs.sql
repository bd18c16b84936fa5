-- What a run found, source by source, and which process runs it.
ALTER TABLE sync_runs ADD COLUMN difference TEXT;
ALTER TABLE sync_runs ADD COLUMN worker TEXT;

-- Runs that wait for a worker are few; the scheduler looks for them often.
CREATE INDEX sync_runs_waiting ON sync_runs (sync_id) WHERE status = 'waiting';

-- How a source was taken when it was last imported (a request's key), and how
-- large it was where that was too large to be imported.
ALTER TABLE sync_items ADD COLUMN request_key TEXT;
ALTER TABLE sync_items ADD COLUMN size BIGINT;
CREATE INDEX sync_items_by_upload ON sync_items (upload_id);

-- The sync that an upload is owned by, and what of its list it is. NULL once
-- somebody else asked for the same: then no sync may remove it.
ALTER TABLE uploads ADD COLUMN sync_id TEXT;
ALTER TABLE uploads ADD COLUMN sync_subject TEXT;
CREATE INDEX uploads_by_sync ON uploads (sync_id, sync_subject) WHERE sync_id IS NOT NULL;

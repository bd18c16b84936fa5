-- What hands jobs out fairly: `turn` is an owner's place in the round, counted
-- on from where the round is, so that a thousand jobs of one owner don't hold
-- back the first of another. `host` is where the bytes come from.

ALTER TABLE jobs ADD COLUMN owner_id TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN host TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN turn BIGINT NOT NULL DEFAULT 0;

UPDATE jobs SET owner_id = (SELECT uploads.owner_id FROM uploads WHERE uploads.id = jobs.upload_id);

CREATE INDEX jobs_by_order ON jobs (priority DESC, turn, run_at, id);
CREATE INDEX jobs_by_owner ON jobs (owner_id, turn);
CREATE INDEX jobs_by_round ON jobs (turn);
CREATE INDEX uploads_by_owner_id ON uploads (owner_id, id);

-- A host that said "not before": every worker keeps to it.
CREATE TABLE host_pauses (
    host         TEXT PRIMARY KEY,
    paused_until BIGINT NOT NULL
);

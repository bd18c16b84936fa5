-- What those who watch everything ask for: what changed since, what stands
-- where, what came of it, and who works right now.

CREATE INDEX uploads_by_change ON uploads (updated_at, id);
CREATE INDEX uploads_by_owner_change ON uploads (owner_id, updated_at, id);
CREATE INDEX uploads_by_status ON uploads (owner_id, status, id);
CREATE INDEX jobs_by_lease ON jobs (lease_until);
CREATE INDEX entities_by_owner ON entities (owner_id, created_at, id);

-- What an owner has and has asked for is added up from these.
CREATE INDEX entities_of_owner ON entities (owner_id);
CREATE INDEX uploads_unfinished ON uploads (owner_id) WHERE status IN ('pending', 'validating', 'validated');

-- What the operator allows one owner beyond, or short of, what all have. NULL: as all.
CREATE TABLE owner_limits (
    owner_id   TEXT PRIMARY KEY,
    max_queued BIGINT,
    max_bytes  BIGINT
);

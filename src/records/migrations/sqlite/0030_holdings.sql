-- Blobs that a collector is about to remove. An import that has just named its
-- blobs waits until those it sees here are gone.
CREATE TABLE condemned (
    sha256 TEXT PRIMARY KEY,
    worker TEXT NOT NULL,
    until  BIGINT NOT NULL
);

CREATE INDEX artifacts_by_sha256 ON artifacts (sha256);
CREATE INDEX artifacts_by_git_id ON artifacts (git_sha1);

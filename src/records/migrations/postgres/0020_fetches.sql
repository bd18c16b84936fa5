-- Who fetches which content: the right ends with the lease it was taken under.
CREATE TABLE fetches (
    content     TEXT PRIMARY KEY,
    upload_id   TEXT NOT NULL,
    lease_token TEXT NOT NULL
);

CREATE INDEX fetches_by_upload ON fetches (upload_id);

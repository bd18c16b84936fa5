-- Tokens for hubs and hosts, sealed: what is here is of no use without the key,
-- which is never in the database.
CREATE TABLE credentials (
    owner_id   TEXT NOT NULL,
    name       TEXT NOT NULL,
    key_id     TEXT NOT NULL,
    nonce      BYTEA NOT NULL,
    sealed     BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (owner_id, name)
);

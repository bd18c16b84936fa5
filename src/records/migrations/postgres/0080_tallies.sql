-- What there is of each, counted as it changes, so that nobody has to count a
-- table that only grows. Triggers do it: whatever writes, an older version of
-- the program as well, is counted, and in its own transaction.
--
-- `uploads` and `errors` count what there is; `moves`, `failures`, `claims`,
-- `retries` and `bytes` only go up. A count is spread over shards, one a
-- session as good as always, and is touched as the last thing before a commit:
-- transactions that count the same don't wait for each other.

CREATE TABLE tallies (
    name     TEXT NOT NULL,
    label    TEXT NOT NULL,
    provider TEXT NOT NULL,
    shard    BIGINT NOT NULL,
    count    BIGINT NOT NULL,
    PRIMARY KEY (name, label, provider, shard)
) WITH (fillfactor = 50);

CREATE FUNCTION tally_upload() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Always in one order: two that meet at a shard after all can't wait for each other.
    INSERT INTO tallies AS t (name, label, provider, shard, count)
    SELECT name, label, COALESCE(provider, ''), pg_backend_pid() % 64, SUM(amount)
    FROM (VALUES
        ('uploads', OLD.status, OLD.provider, -1),
        ('uploads', NEW.status, NEW.provider, 1),
        ('moves', CASE WHEN NEW.status IS DISTINCT FROM OLD.status THEN NEW.status END, NEW.provider, 1),
        ('errors', OLD.error_code, OLD.provider, -1),
        ('errors', NEW.error_code, NEW.provider, 1),
        ('failures', CASE WHEN NEW.error_code IS DISTINCT FROM OLD.error_code THEN NEW.error_code END, NEW.provider, 1)
    ) AS changes (name, label, provider, amount)
    WHERE label IS NOT NULL
    GROUP BY 1, 2, 3 HAVING SUM(amount) <> 0 ORDER BY 1, 2, 3
    ON CONFLICT (name, label, provider, shard) DO UPDATE SET count = t.count + excluded.count;
    RETURN NULL;
END $$;

CREATE FUNCTION tally_claim() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tallies AS t (name, label, provider, shard, count)
    SELECT name, '', '', pg_backend_pid() % 64, 1
    FROM (VALUES ('claims'), (CASE WHEN NEW.attempt > 1 THEN 'retries' END)) AS changes (name)
    WHERE name IS NOT NULL
    ON CONFLICT (name, label, provider, shard) DO UPDATE SET count = t.count + 1;
    RETURN NULL;
END $$;

CREATE FUNCTION tally_bytes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tallies AS t (name, label, provider, shard, count)
    SELECT 'bytes', '', COALESCE(provider, ''), pg_backend_pid() % 64, NEW.bytes_transferred - OLD.bytes_transferred
    FROM uploads WHERE id = NEW.upload_id
    ON CONFLICT (name, label, provider, shard) DO UPDATE SET count = t.count + excluded.count;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER uploads_tallied AFTER INSERT OR DELETE ON uploads
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION tally_upload();
CREATE CONSTRAINT TRIGGER uploads_tallied_anew AFTER UPDATE OF status, provider, error_code ON uploads
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status OR OLD.provider IS DISTINCT FROM NEW.provider
        OR OLD.error_code IS DISTINCT FROM NEW.error_code)
    EXECUTE FUNCTION tally_upload();
CREATE CONSTRAINT TRIGGER jobs_tallied AFTER UPDATE OF attempt ON jobs
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NEW.attempt > OLD.attempt) EXECUTE FUNCTION tally_claim();
CREATE CONSTRAINT TRIGGER artifacts_tallied AFTER UPDATE OF bytes_transferred ON artifacts
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NEW.bytes_transferred > OLD.bytes_transferred) EXECUTE FUNCTION tally_bytes();

-- What there is already. The triggers hold off whoever writes until this is counted.
INSERT INTO tallies (name, label, provider, shard, count)
SELECT 'uploads', status, COALESCE(provider, ''), 0, COUNT(*) FROM uploads GROUP BY status, COALESCE(provider, '')
UNION ALL
SELECT 'errors', error_code, COALESCE(provider, ''), 0, COUNT(*) FROM uploads
    WHERE error_code IS NOT NULL GROUP BY error_code, COALESCE(provider, '');

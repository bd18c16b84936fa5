-- What there is of each, counted as it changes, so that nobody has to count a
-- table that only grows. Triggers do it: whatever writes, an older version of
-- the program as well, is counted, and in its own transaction.
--
-- `uploads` and `errors` count what there is; `moves`, `failures`, `claims`,
-- `retries` and `bytes` only go up. There is one writer at a time here, so one
-- shard will do.

CREATE TABLE tallies (
    name     TEXT NOT NULL,
    label    TEXT NOT NULL,
    provider TEXT NOT NULL,
    shard    INTEGER NOT NULL,
    count    INTEGER NOT NULL,
    PRIMARY KEY (name, label, provider, shard)
) WITHOUT ROWID;

CREATE TRIGGER uploads_tallied AFTER INSERT ON uploads BEGIN
    INSERT INTO tallies (name, label, provider, shard, count)
    VALUES ('uploads', NEW.status, COALESCE(NEW.provider, ''), 0, 1),
           ('moves', NEW.status, COALESCE(NEW.provider, ''), 0, 1)
    ON CONFLICT (name, label, provider, shard) DO UPDATE SET count = count + excluded.count;
END;

CREATE TRIGGER uploads_tallied_no_more AFTER DELETE ON uploads BEGIN
    INSERT INTO tallies (name, label, provider, shard, count)
    VALUES ('uploads', OLD.status, COALESCE(OLD.provider, ''), 0, -1)
    ON CONFLICT (name, label, provider, shard) DO UPDATE SET count = count + excluded.count;
    INSERT INTO tallies (name, label, provider, shard, count)
    SELECT 'errors', OLD.error_code, COALESCE(OLD.provider, ''), 0, -1 WHERE OLD.error_code IS NOT NULL
    ON CONFLICT (name, label, provider, shard) DO UPDATE SET count = count + excluded.count;
END;

CREATE TRIGGER uploads_tallied_anew AFTER UPDATE OF status, provider, error_code ON uploads
WHEN OLD.status IS NOT NEW.status OR OLD.provider IS NOT NEW.provider OR OLD.error_code IS NOT NEW.error_code
BEGIN
    INSERT INTO tallies (name, label, provider, shard, count)
    VALUES ('uploads', OLD.status, COALESCE(OLD.provider, ''), 0, -1),
           ('uploads', NEW.status, COALESCE(NEW.provider, ''), 0, 1)
    ON CONFLICT (name, label, provider, shard) DO UPDATE SET count = count + excluded.count;
    INSERT INTO tallies (name, label, provider, shard, count)
    SELECT 'moves', NEW.status, COALESCE(NEW.provider, ''), 0, 1 WHERE OLD.status IS NOT NEW.status
    ON CONFLICT (name, label, provider, shard) DO UPDATE SET count = count + excluded.count;
    INSERT INTO tallies (name, label, provider, shard, count)
    SELECT 'errors', OLD.error_code, COALESCE(OLD.provider, ''), 0, -1 WHERE OLD.error_code IS NOT NULL
    ON CONFLICT (name, label, provider, shard) DO UPDATE SET count = count + excluded.count;
    INSERT INTO tallies (name, label, provider, shard, count)
    SELECT 'errors', NEW.error_code, COALESCE(NEW.provider, ''), 0, 1 WHERE NEW.error_code IS NOT NULL
    ON CONFLICT (name, label, provider, shard) DO UPDATE SET count = count + excluded.count;
    INSERT INTO tallies (name, label, provider, shard, count)
    SELECT 'failures', NEW.error_code, COALESCE(NEW.provider, ''), 0, 1
    WHERE NEW.error_code IS NOT NULL AND OLD.error_code IS NOT NEW.error_code
    ON CONFLICT (name, label, provider, shard) DO UPDATE SET count = count + excluded.count;
END;

CREATE TRIGGER jobs_tallied AFTER UPDATE OF attempt ON jobs WHEN NEW.attempt > OLD.attempt BEGIN
    INSERT INTO tallies (name, label, provider, shard, count) VALUES ('claims', '', '', 0, 1)
    ON CONFLICT (name, label, provider, shard) DO UPDATE SET count = count + 1;
    INSERT INTO tallies (name, label, provider, shard, count) SELECT 'retries', '', '', 0, 1 WHERE NEW.attempt > 1
    ON CONFLICT (name, label, provider, shard) DO UPDATE SET count = count + 1;
END;

CREATE TRIGGER artifacts_tallied AFTER UPDATE OF bytes_transferred ON artifacts WHEN NEW.bytes_transferred > OLD.bytes_transferred BEGIN
    INSERT INTO tallies (name, label, provider, shard, count)
    SELECT 'bytes', '', COALESCE(provider, ''), 0, NEW.bytes_transferred - OLD.bytes_transferred
    FROM uploads WHERE id = NEW.upload_id
    ON CONFLICT (name, label, provider, shard) DO UPDATE SET count = count + excluded.count;
END;

INSERT INTO tallies (name, label, provider, shard, count)
SELECT 'uploads', status, COALESCE(provider, ''), 0, COUNT(*) FROM uploads GROUP BY status, COALESCE(provider, '')
UNION ALL
SELECT 'errors', error_code, COALESCE(provider, ''), 0, COUNT(*) FROM uploads
    WHERE error_code IS NOT NULL GROUP BY error_code, COALESCE(provider, '');

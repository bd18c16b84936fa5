//! Two versions side by side: the tables of the new one are good for the old
//! one too, whose statements are still running while the new one takes over.

use std::path::Path;

use modelferry::records::Records;
use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqliteConnection};

use crate::databases::Backend;

/// What the first version wrote and read, from an upload's beginning to its
/// end. It knows no column and no table that came later.
const FIRST_VERSION: &[&str] = &[
    "INSERT INTO uploads (id, owner_id, author_id, created_at, updated_at, file_name, kind, source, status, job_id, \
     request, request_key) VALUES ('upload_N', 'o', 'a', 1, 1, 'f', 'model', 'url', 'pending', 'job_N', '{}', 'k')",
    "INSERT INTO jobs (id, kind, upload_id, priority, run_at, attempt, lease_until) \
     VALUES ('job_N', 'import', 'upload_N', 0, 1, 0, 0)",
    "UPDATE jobs SET lease_owner = 'w', lease_token = 't', lease_until = 9, attempt = attempt + 1 WHERE id = 'job_N'",
    "INSERT INTO artifacts (upload_id, position, path, status, bytes_transferred, reused, repaired) \
     VALUES ('upload_N', 0, 'a.bin', 'pending', 0, FALSE, FALSE)",
    "UPDATE artifacts SET checkpoint = '{}' WHERE upload_id = 'upload_N'",
    "INSERT INTO artifact_parts (upload_id, position, number, byte_offset, size, tag) VALUES ('upload_N', 0, 1, 0, 9, 't')",
    "UPDATE artifacts SET status = 'stored', size = 9, sha256 = 'x', bytes_transferred = bytes_transferred + 9 \
     WHERE upload_id = 'upload_N'",
    "INSERT INTO blobs (sha256, size, created_at) VALUES ('hash_N', 9, 1)",
    "UPDATE uploads SET status = 'validating', provider = 'other', updated_at = 2 WHERE id = 'upload_N'",
    "UPDATE uploads SET status = 'validated', updated_at = 2 WHERE id = 'upload_N'",
    "INSERT INTO entities (id, owner_id, kind, name, upload_id, created_at) VALUES ('model_N', 'o', 'model', 'f', 'upload_N', 3)",
    "INSERT INTO entity_files (entity_id, path, size, sha256) VALUES ('model_N', 'a.bin', 9, 'hash_N')",
    "UPDATE uploads SET status = 'imported', entity_id = 'model_N', updated_at = 3 WHERE id = 'upload_N'",
    "DELETE FROM artifact_parts WHERE upload_id = 'upload_N'",
    "DELETE FROM jobs WHERE upload_id = 'upload_N'",
    "UPDATE uploads SET status = 'failed', error_code = 'internal', error_message = 'm' WHERE id = 'upload_N'",
    "UPDATE uploads SET status = 'pending', error_code = NULL, error_message = NULL WHERE id = 'upload_N'",
];

async fn migrations(folder: &str) -> Migrator {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/records/migrations");
    Migrator::new(root.join(folder)).await.unwrap()
}

/// Each statement of each migration, without its comments.
async fn statements(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for migration in migrations(folder).await.iter() {
        let sql = migration.sql.as_str().to_owned();
        let lines = sql
            .lines()
            .filter(|line| !line.trim_start().starts_with("--"));
        let text = lines.collect::<Vec<_>>().join("\n");
        for statement in split(&text) {
            found.push((migration.description.to_string(), statement));
        }
    }
    found
}

/// At each semicolon that is in no function and no trigger.
fn split(text: &str) -> Vec<String> {
    let (mut found, mut one) = (Vec::new(), String::new());
    for piece in text.split_inclusive(';') {
        one.push_str(piece);
        let words = one.trim_start().to_uppercase();
        let is_open = if words.starts_with("CREATE TRIGGER") {
            !words.trim_end().ends_with("END;")
        } else {
            one.matches("$$").count() % 2 == 1
        };
        if !is_open {
            found.push(one.split_whitespace().collect::<Vec<_>>().join(" "));
            one.clear();
        }
    }
    found.retain(|statement| !statement.is_empty());
    found
}

#[tokio::test]
async fn migrations_only_add() {
    let additions = [
        "CREATE TABLE ",
        "CREATE INDEX ",
        "CREATE UNIQUE INDEX ",
        "CREATE TRIGGER ",
        "CREATE CONSTRAINT TRIGGER ",
        "CREATE FUNCTION ",
        "INSERT INTO ",
        "UPDATE ",
    ];
    for folder in ["sqlite", "postgres"] {
        let statements = statements(folder).await;
        assert!(statements.len() > 30, "{folder}: {statements:#?}");
        for (migration, statement) in statements {
            let adds_column = statement.starts_with("ALTER TABLE ")
                && statement.contains(" ADD COLUMN ")
                && (!statement.contains("NOT NULL") || statement.contains("DEFAULT"));
            assert!(
                adds_column || additions.iter().any(|it| statement.starts_with(it)),
                "{folder} {migration}: an older version may not bear this: {statement}"
            );
        }
    }
}

#[tokio::test]
async fn both_databases_have_the_same_migrations() {
    let names = async |folder: &str| {
        let migrations = migrations(folder).await;
        let names = migrations
            .iter()
            .map(|it| (it.version, it.description.to_string()));
        names.collect::<Vec<_>>()
    };
    assert_eq!(names("sqlite").await, names("postgres").await);
}

/// Applies one migration after the other; after each, the first version's
/// statements all go through.
macro_rules! stepwise {
    ($connection:expr, $folder:expr) => {
        for (nth, migration) in migrations($folder).await.iter().enumerate() {
            let sql = migration.sql.as_str().to_owned();
            $connection
                .execute(sqlx::raw_sql(AssertSqlSafe(sql)))
                .await
                .unwrap();
            for statement in FIRST_VERSION {
                let sql = statement.replace("_N", &format!("_{nth}"));
                let done = $connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await;
                if let Err(error) = done {
                    panic!("after {}: {statement}: {error}", migration.description);
                }
            }
        }
    };
}

#[tokio::test]
async fn the_first_versions_statements_work_after_each_migration_on_sqlite() {
    let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    stepwise!(connection, "sqlite");
}

#[tokio::test]
async fn the_first_versions_statements_work_after_each_migration_on_postgres() {
    let url = crate::databases::fresh_postgres().await;
    let mut connection = PgConnection::connect(&url).await.unwrap();
    stepwise!(connection, "postgres");
}

#[tokio::test]
async fn a_version_that_does_not_know_the_newest_tables_opens_them_all_the_same() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let database = backend.fresh().await;
        // As a version after this one leaves it.
        let sql = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                   VALUES (9999, 'of a later version', TRUE, 'x', 1)";
        match backend {
            Backend::Sqlite => {
                let mut connection = SqliteConnection::connect(&database.url).await.unwrap();
                connection.execute(sql).await.unwrap();
            }
            Backend::Postgres => {
                let mut connection = PgConnection::connect(&database.url).await.unwrap();
                connection.execute(sql).await.unwrap();
            }
        }
        let opened = Records::open(&database.place).await.unwrap();
        assert!(opened.ping().await.is_ok(), "{backend:?}");
    }
}

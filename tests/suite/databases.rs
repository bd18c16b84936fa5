//! Fresh databases for tests: files for SQLite, and a PostgreSQL server that
//! the test process starts and that ends with it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use modelferry::records::{Database, Records};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;

/// A kind of database.
#[derive(Debug, Clone, Copy)]
pub enum Backend {
    Sqlite,
    Postgres,
}

/// A database of one test.
pub struct TestDatabase {
    pub records: Records,
    pub place: Database,
    /// As the setting spells it.
    pub url: String,
    _folder: TempDir,
}

impl Backend {
    /// An empty database.
    pub async fn fresh(self) -> TestDatabase {
        let folder = tempfile::tempdir().unwrap();
        let url = match self {
            Self::Sqlite => format!("sqlite://{}/modelferry.db", folder.path().display()),
            Self::Postgres => fresh_postgres().await,
        };
        let place: Database = url.parse().unwrap();
        TestDatabase {
            records: Records::open(&place).await.unwrap(),
            place,
            url,
            _folder: folder,
        }
    }
}

/// A server and the pipe that keeps it running: when this process ends,
/// however it ends, so does the server.
struct Server {
    url: String,
    _script: Child,
}

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/postgres");
    let mut child = Command::new(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("scripts/postgres runs");
    let mut url = String::new();
    let stdout = child.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut url).unwrap();
    assert!(
        url.starts_with("postgres://"),
        "scripts/postgres could not start a server; what it said is above"
    );
    Server {
        url: url.trim().to_owned(),
        _script: child,
    }
});

/// The URL of the server that `MODELFERRY_TEST_POSTGRES` names, else of one
/// that this process starts.
pub fn server_url() -> String {
    std::env::var("MODELFERRY_TEST_POSTGRES").unwrap_or_else(|_| SERVER.url.clone())
}

/// Another database of the same server.
pub fn with_database(url: &str, name: &str) -> String {
    let mut url = url::Url::parse(url).unwrap();
    url.set_path(name);
    url.to_string()
}

/// A database without tables.
pub async fn fresh_postgres() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!(
        "test_{}_{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    );
    let server = server_url();
    let mut admin = PgConnection::connect(&server).await.unwrap();
    for sql in [
        format!("DROP DATABASE IF EXISTS {name}"),
        format!("CREATE DATABASE {name}"),
    ] {
        sqlx::query(AssertSqlSafe(sql))
            .execute(&mut admin)
            .await
            .unwrap();
    }
    with_database(&server, &name)
}

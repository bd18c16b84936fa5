//! What is known of every upload, kept so that any worker can go on with it.
//!
//! A status moves only by one guarded update: the status it leaves and the
//! lease of the worker that moves it are in its `WHERE`. Such a call answers
//! `false` when the lease is lost; the worker then stops quietly.

mod artifacts;
mod jobs;
mod uploads;

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Sqlite, Transaction};

pub use self::artifacts::{ArtifactRow, Refused, Stored};
pub use self::jobs::{Claim, Entity, EntityFile};
pub use self::uploads::{Filter, NewUpload, UploadDetail};
use crate::error::{Code, Error};

/// The records of one database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Records {
    pool: SqlitePool,
}

impl Records {
    /// Opens the embedded database at `path`, making or migrating it.
    ///
    /// # Errors
    /// [`Code::StorageError`] when the file can't be opened or written.
    pub async fn open(path: &Path) -> Result<Self, Error> {
        let unusable = |error: sqlx::Error| {
            Error::new(
                Code::StorageError,
                format!("can't open the records at {}: {error}", path.display()),
            )
            .hint("check that the folder can be written to, or set MODELFERRY_HOME to one that can")
        };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(10));
        let pool = SqlitePoolOptions::new()
            .max_connections(8)
            .connect_with(options)
            .await
            .map_err(unusable)?;
        sqlx::migrate!("src/records/migrations/sqlite")
            .run(&pool)
            .await
            .map_err(|error| unusable(error.into()))?;
        Ok(Self { pool })
    }

    /// Closes the database, so that nothing is left to write.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// A transaction that may write. Taking the write lock at once is what
    /// keeps two of them from failing halfway.
    async fn write(&self) -> Result<Transaction<'static, Sqlite>, Error> {
        self.pool
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(broken)
    }
}

/// A query that failed for no fault of its caller.
fn broken(error: sqlx::Error) -> Error {
    let full = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .is_some_and(|code| code == "13");
    if full {
        return Error::new(Code::StorageFull, "the disk that holds the records is full")
            .hint("free some space, then run the same command again");
    }
    Error::new(
        Code::StorageError,
        format!("the records can't be reached: {error}"),
    )
}

/// A row that an earlier version, or a person, left in a state we don't know.
fn unreadable(what: &str, cause: impl std::fmt::Display) -> Error {
    Error::internal(&format!("reading {what} from the records"), cause)
}

fn now() -> i64 {
    Utc::now().timestamp_millis()
}

fn time(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis).unwrap_or_default()
}

fn word<T: FromStr<Err: std::fmt::Display>>(what: &str, text: &str) -> Result<T, Error> {
    text.parse().map_err(|error| unreadable(what, error))
}

fn from_json<T: serde::de::DeserializeOwned>(what: &str, text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| unreadable(what, error))
}

fn to_json<T: serde::Serialize>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::internal("writing a record", error))
}

/// Lengths come from hubs; a database integer ends at 2^63.
fn to_db(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn from_db(bytes: i64) -> u64 {
    u64::try_from(bytes).unwrap_or_default()
}

//! What changed, of all uploads: for whoever watches them together.

use super::db::{fetch_all, fetch_optional};
use super::uploads::{COLUMNS, Row};
use super::{Records, from_db};
use crate::error::Error;
use crate::upload::Upload;
use sqlx::AssertSqlSafe;

/// An upload as it stands since it last changed.
#[derive(Debug, Clone)]
pub struct Change {
    /// When, in milliseconds since 1970 by the database's clock.
    pub at: i64,
    /// The record.
    pub upload: Upload,
    /// Why it failed.
    pub error: Option<Error>,
}

/// From where on to list changes.
#[derive(Debug, Clone, Default)]
pub struct Since {
    /// Changes of this time and after, in milliseconds since 1970.
    pub at: i64,
    /// Of that very time, only those with a greater id.
    pub id: String,
}

/// An upload that somebody works on right now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moving {
    /// Its id.
    pub upload: String,
    /// Whose it is.
    pub owner: String,
    /// Bytes that are here.
    pub done_bytes: u64,
    /// Bytes in all, once they are known.
    pub total_bytes: Option<u64>,
}

/// A job that is tried again later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// How often it was begun.
    pub attempts: u32,
    /// When it is tried again.
    pub until: chrono::DateTime<chrono::Utc>,
    /// What went wrong the last time.
    pub error: String,
}

impl Records {
    /// Uploads of every owner that changed since, the earliest first.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn changes(&self, since: &Since, limit: u32) -> Result<Vec<Change>, Error> {
        let mut conn = self.db.read().await?;
        let rows = fetch_all!(
            conn,
            Row,
            AssertSqlSafe(format!(
                "SELECT {COLUMNS} FROM uploads WHERE (updated_at > $1 OR (updated_at = $1 AND id > $2)) \
                 AND updated_at >= $1 ORDER BY updated_at, id LIMIT $3"
            )),
            since.at,
            &since.id,
            i64::from(limit),
        )?;
        rows.into_iter().map(Change::read).collect()
    }

    /// The same of one owner.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn changes_of(
        &self,
        owner: &str,
        since: i64,
        limit: u32,
    ) -> Result<Vec<Change>, Error> {
        let mut conn = self.db.read().await?;
        let rows = fetch_all!(
            conn,
            Row,
            AssertSqlSafe(format!(
                "SELECT {COLUMNS} FROM uploads WHERE owner_id = $1 AND updated_at >= $2 \
                 ORDER BY updated_at, id LIMIT $3"
            )),
            owner,
            since,
            i64::from(limit),
        )?;
        rows.into_iter().map(Change::read).collect()
    }

    /// What is worked on right now, of every owner, at most so many.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn moving(&self, limit: u32) -> Result<Vec<Moving>, Error> {
        let mut conn = self.db.read().await?;
        let rows = fetch_all!(
            conn,
            (String, String, i64, Option<i64>),
            "SELECT j.upload_id, j.owner_id, j.done_bytes, u.file_size FROM jobs j \
             JOIN uploads u ON u.id = j.upload_id WHERE j.lease_until > $1 LIMIT $2",
            self.now(),
            i64::from(limit),
        )?;
        let moving = rows.into_iter().map(|(upload, owner, done, total)| Moving {
            upload,
            owner,
            done_bytes: from_db(done),
            total_bytes: total.map(from_db),
        });
        Ok(moving.collect())
    }

    /// Whether an upload waits to be tried again, and why.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn waiting(&self, upload: &str) -> Result<Option<Waiting>, Error> {
        let mut conn = self.db.read().await?;
        let found = fetch_optional!(
            conn,
            (i64, i64, String),
            "SELECT attempt, run_at, last_error FROM jobs \
             WHERE upload_id = $1 AND last_error IS NOT NULL AND lease_until <= $2",
            upload,
            self.now(),
        )?;
        Ok(found.map(|(attempts, until, error)| Waiting {
            attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
            until: super::time(until),
            error,
        }))
    }

    /// Now by the database's clock, in milliseconds since 1970: where a
    /// watcher of changes begins.
    pub fn clock(&self) -> i64 {
        self.now()
    }
}

impl Change {
    fn read(row: Row) -> Result<Self, Error> {
        let at = row.updated_at;
        let (upload, error) = row.read()?;
        Ok(Self { at, upload, error })
    }
}

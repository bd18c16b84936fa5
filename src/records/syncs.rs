//! Syncs: named subscriptions, and in `runs` who runs them and what of.

mod runs;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;

pub use self::runs::{RunCause, RunCounts, RunRow, RunStatus, SyncClaim, SyncItem};
use super::db::{execute, fetch_all, fetch_optional};
use super::{Records, from_json, time};
use crate::error::{Code, Error};

/// A subscription.
#[derive(Debug, Clone, PartialEq)]
pub struct SyncRow {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub owner_id: String,
    /// What its owner calls it; no other of theirs has the name.
    pub name: String,
    /// What it takes, from where.
    pub spec: Value,
    /// When: a cron expression.
    pub cron: String,
    /// In which zone that is meant.
    pub time_zone: String,
    /// Whether its schedule is out of force.
    pub is_paused: bool,
    /// When it is due next.
    pub next_run_at: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// A subscription to be made.
#[derive(Debug, Clone)]
pub struct NewSync<'a> {
    /// Whose it is.
    pub owner: &'a str,
    /// What it is called.
    pub name: &'a str,
    /// What it takes, from where.
    pub spec: &'a Value,
    /// When: a cron expression.
    pub cron: &'a str,
    /// In which zone that is meant.
    pub time_zone: &'a str,
    /// When it is due first.
    pub next_run_at: Option<DateTime<Utc>>,
}

const COLUMNS: &str =
    "id, owner_id, name, spec, cron, time_zone, paused, next_run_at, created_at, updated_at";

impl Records {
    /// Makes a sync.
    ///
    /// # Errors
    /// [`Code::InvalidRequest`] when the name is in use.
    pub async fn create_sync(&self, new: &NewSync<'_>) -> Result<SyncRow, Error> {
        let id = format!("sync_{}", Uuid::now_v7().simple());
        let mut tx = self.db.write().await?;
        let made = execute!(
            tx,
            "INSERT INTO syncs (id, owner_id, name, spec, cron, time_zone, paused, next_run_at, lease_until, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, $9) ON CONFLICT (owner_id, name) DO NOTHING",
            &id,
            new.owner,
            new.name,
            new.spec.to_string(),
            new.cron,
            new.time_zone,
            false,
            new.next_run_at.map(|at| at.timestamp_millis()),
            self.now(),
        )?;
        if made == 0 {
            return Err(Error::new(
                Code::InvalidRequest,
                format!("there already is a sync named {}", new.name.escape_debug()),
            )
            .hint("choose another name, or remove that one first"));
        }
        tx.commit().await?;
        self.sync(new.owner, &id).await
    }

    /// A sync of this owner, by its id or its name.
    ///
    /// # Errors
    /// [`Code::NotFound`] when this owner has none of that id or name.
    pub async fn sync(&self, owner: &str, id_or_name: &str) -> Result<SyncRow, Error> {
        let mut conn = self.db.read().await?;
        let sql = AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM syncs WHERE owner_id = $1 AND (id = $2 OR name = $2)"
        ));
        let row = fetch_optional!(conn, Row, sql, owner, id_or_name)?;
        row.map(Row::read).transpose()?.ok_or_else(|| {
            Error::new(
                Code::NotFound,
                format!("there is no sync {}", id_or_name.escape_debug()),
            )
            .hint("`modelferry sync list` shows those there are")
        })
    }

    /// Every sync of this owner, by name.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn syncs(&self, owner: &str) -> Result<Vec<SyncRow>, Error> {
        let mut conn = self.db.read().await?;
        let sql = AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM syncs WHERE owner_id = $1 ORDER BY name"
        ));
        let rows = fetch_all!(conn, Row, sql, owner)?;
        rows.into_iter().map(Row::read).collect()
    }

    /// Changes what a sync takes and when. A run under way goes on as it began.
    ///
    /// # Errors
    /// [`Code::NotFound`] when it is gone.
    pub async fn update_sync(&self, sync: &SyncRow) -> Result<(), Error> {
        let mut conn = self.db.read().await?;
        let done = execute!(
            conn,
            "UPDATE syncs SET spec = $3, cron = $4, time_zone = $5, paused = $6, next_run_at = $7, updated_at = $8 \
             WHERE owner_id = $1 AND id = $2",
            &sync.owner_id,
            &sync.id,
            sync.spec.to_string(),
            &sync.cron,
            &sync.time_zone,
            sync.is_paused,
            sync.next_run_at.map(|at| at.timestamp_millis()),
            self.now(),
        )?;
        match done {
            0 => Err(Error::new(
                Code::NotFound,
                format!("the sync {} was removed", sync.name.escape_debug()),
            )),
            _ => Ok(()),
        }
    }

    /// Removes a sync, its runs and its notes. What it imported stays.
    ///
    /// # Errors
    /// [`Code::NotFound`] when this owner has none of that id or name.
    pub async fn remove_sync(&self, owner: &str, id_or_name: &str) -> Result<SyncRow, Error> {
        let sync = self.sync(owner, id_or_name).await?;
        let mut conn = self.db.read().await?;
        execute!(conn, "DELETE FROM syncs WHERE id = $1", &sync.id)?;
        Ok(sync)
    }
}

#[derive(FromRow)]
struct Row {
    id: String,
    owner_id: String,
    name: String,
    spec: String,
    cron: String,
    time_zone: String,
    paused: bool,
    next_run_at: Option<i64>,
    created_at: i64,
    updated_at: i64,
}

impl Row {
    fn read(self) -> Result<SyncRow, Error> {
        Ok(SyncRow {
            id: self.id,
            owner_id: self.owner_id,
            name: self.name,
            spec: from_json("a sync", &self.spec)?,
            cron: self.cron,
            time_zone: self.time_zone,
            is_paused: self.paused,
            next_run_at: self.next_run_at.map(time),
            created_at: time(self.created_at),
            updated_at: time(self.updated_at),
        })
    }
}

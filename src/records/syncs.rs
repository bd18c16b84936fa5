//! Syncs: named subscriptions, and in `runs` who runs them and what of.

mod claims;
mod difference;
mod items;
mod prune;
mod runs;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;

pub use self::claims::SyncClaim;
pub use self::difference::{Difference, MOST_NAMED, Named, SavedError};
pub use self::items::{KnownItem, SyncItem};
pub use self::prune::Pruned;
pub use self::runs::{RunCause, RunCounts, RunEnd, RunRow, RunStatus};
use super::db::{execute, fetch_all, fetch_optional};
use super::signals::Signal;
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
    /// When it is due next; `None` while it is paused.
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
    /// Whether its schedule is out of force from the start.
    pub is_paused: bool,
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
            new.is_paused,
            new.next_run_at.map(|at| at.timestamp_millis()),
            self.now(),
        )?;
        if made == 0 {
            return Err(name_in_use(new.name));
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
        row.map(Row::read)
            .transpose()?
            .ok_or_else(|| gone(id_or_name))
    }

    /// Syncs of this owner by name: at most `limit` of them after the name `after`.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn syncs(
        &self,
        owner: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<SyncRow>, Error> {
        let mut conn = self.db.read().await?;
        let sql = AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM syncs WHERE owner_id = $1 AND name > $2 ORDER BY name LIMIT $3"
        ));
        let rows = fetch_all!(
            conn,
            Row,
            sql,
            owner,
            after.unwrap_or_default(),
            i64::from(limit)
        )?;
        rows.into_iter().map(Row::read).collect()
    }

    /// Changes a sync as it stands, in one transaction. A run under way goes
    /// on as it began.
    ///
    /// # Errors
    /// [`Code::NotFound`] when this owner has none of that id or name,
    /// [`Code::InvalidRequest`] when the new name is in use, or what `change`
    /// says: then nothing is changed.
    pub async fn change_sync(
        &self,
        owner: &str,
        id_or_name: &str,
        change: impl FnOnce(&mut SyncRow) -> Result<(), Error> + Send,
    ) -> Result<SyncRow, Error> {
        let id = self.sync(owner, id_or_name).await?.id;
        let mut tx = self.db.write().await?;
        let sql = AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM syncs WHERE id = $1{}",
            self.db.locking()
        ));
        let row = fetch_optional!(tx, Row, sql, &id)?;
        let mut sync = row.map(Row::read).transpose()?.ok_or_else(|| gone(&id))?;
        let earlier_name = sync.name.clone();
        change(&mut sync)?;
        if sync.name != earlier_name {
            let sql = "SELECT id FROM syncs WHERE owner_id = $1 AND name = $2";
            if fetch_optional!(tx, (String,), sql, owner, &sync.name)?.is_some() {
                return Err(name_in_use(&sync.name));
            }
        }
        execute!(
            tx,
            "UPDATE syncs SET name = $2, spec = $3, cron = $4, time_zone = $5, paused = $6, next_run_at = $7, \
             updated_at = $8 WHERE id = $1",
            &id,
            &sync.name,
            sync.spec.to_string(),
            &sync.cron,
            &sync.time_zone,
            sync.is_paused,
            sync.next_run_at.map(|at| at.timestamp_millis()),
            self.now(),
        )?;
        tx.signal(Signal::Work).await?;
        tx.commit().await?;
        self.sync(owner, &id).await
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

fn name_in_use(name: &str) -> Error {
    Error::new(
        Code::InvalidRequest,
        format!("there already is a sync named {}", name.escape_debug()),
    )
    .hint("choose another name, or remove that one first")
}

fn gone(id_or_name: &str) -> Error {
    Error::new(
        Code::NotFound,
        format!("there is no sync {}", id_or_name.escape_debug()),
    )
    .hint("`modelferry sync list` shows those there are")
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

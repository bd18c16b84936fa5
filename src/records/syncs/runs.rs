//! The runs of syncs: who runs one, what it came to, what it has seen.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;

use super::{COLUMNS, Row, SyncRow};
use crate::error::{Code, Error};
use crate::records::db::{Tx, execute, fetch_all, fetch_optional};
use crate::records::jobs::millis;
use crate::records::{Records, from_json, time, to_json, word};
use crate::upload::words;

words!(
    /// What set a run off.
    RunCause {
        /// Its schedule.
        Schedule = "schedule",
        /// A person or a program.
        Request = "request",
    }
);

words!(
    /// How a run stands.
    RunStatus {
        /// Under way.
        Running = "running",
        /// Went through the whole list; single sources may have failed.
        Done = "done",
        /// Could not go through the list.
        Failed = "failed",
        /// Its process died or was stopped.
        Interrupted = "interrupted",
    }
);

/// What a run came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RunCounts {
    /// Entries of the list that fit the filter.
    pub seen: u64,
    /// Of those, imported for the first time.
    pub new: u64,
    /// Imported at another revision than before.
    pub changed: u64,
    /// At the revision that is held.
    pub unchanged: u64,
    /// Could not be imported.
    pub failed: u64,
    /// Held, and no longer in the list.
    pub missing: u64,
    /// Of those, removed here.
    pub pruned: u64,
    /// Bytes that came over the wire.
    pub bytes: u64,
}

/// The right to run one sync, until the lease runs out.
#[derive(Debug, Clone)]
pub struct SyncClaim {
    /// The sync as it stood when it was claimed.
    pub sync: SyncRow,
    /// The run that this began.
    pub run_id: String,
    token: String,
}

/// One run of a sync.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRow {
    /// Its id.
    pub id: String,
    /// What set it off.
    pub cause: RunCause,
    /// How it stands.
    pub status: RunStatus,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// What it came to so far.
    pub counts: RunCounts,
    /// Why it failed.
    pub error: Option<Error>,
}

/// One source that a sync has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncItem {
    /// The source, without a revision.
    pub source: String,
    /// The revision last imported; `None`: never yet.
    pub revision: Option<String>,
    /// The upload that imported it.
    pub upload_id: Option<String>,
    /// Since when it is no longer in the list.
    pub missing_since: Option<DateTime<Utc>>,
}

impl Records {
    /// Takes this sync and begins a run. `None`: it is being run.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn claim_sync(
        &self,
        sync: &SyncRow,
        worker: &str,
        lease: Duration,
    ) -> Result<Option<SyncClaim>, Error> {
        self.begin(&sync.id, RunCause::Request, worker, lease).await
    }

    /// Takes the sync that has been due for longest and begins a run. `None`:
    /// none is due, or another worker was faster.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn claim_due_sync(
        &self,
        worker: &str,
        lease: Duration,
    ) -> Result<Option<SyncClaim>, Error> {
        let mut conn = self.db.read().await?;
        let due = fetch_optional!(
            conn,
            (String,),
            "SELECT id FROM syncs WHERE next_run_at <= $1 AND lease_until <= $1 AND NOT paused \
             ORDER BY next_run_at LIMIT 1",
            self.now(),
        )?;
        drop(conn);
        match due {
            Some((id,)) => self.begin(&id, RunCause::Schedule, worker, lease).await,
            None => Ok(None),
        }
    }

    async fn begin(
        &self,
        id: &str,
        cause: RunCause,
        worker: &str,
        lease: Duration,
    ) -> Result<Option<SyncClaim>, Error> {
        let token = Uuid::new_v4().simple().to_string();
        let run_id = format!("run_{}", Uuid::now_v7().simple());
        let at = self.now();
        let mut tx = self.db.write().await?;
        // A scheduled one must still be due: another worker may just have run it.
        let taken = execute!(
            tx,
            "UPDATE syncs SET lease_owner = $2, lease_token = $3, lease_until = $4 \
             WHERE id = $1 AND lease_until <= $5 AND ($6 = 'request' OR (next_run_at <= $5 AND NOT paused))",
            id,
            worker,
            &token,
            at + millis(lease),
            at,
            cause.as_str(),
        )?;
        if taken == 0 {
            return Ok(None);
        }
        execute!(
            tx,
            "UPDATE sync_runs SET status = 'interrupted', ended_at = $2 WHERE sync_id = $1 AND status = 'running'",
            id,
            at,
        )?;
        execute!(
            tx,
            "INSERT INTO sync_runs (id, sync_id, cause, status, started_at, counts) VALUES ($1, $2, $3, 'running', $4, $5)",
            &run_id,
            id,
            cause.as_str(),
            at,
            to_json(&RunCounts::default())?,
        )?;
        let sql = AssertSqlSafe(format!("SELECT {COLUMNS} FROM syncs WHERE id = $1"));
        let row = fetch_optional!(tx, Row, sql, id)?;
        tx.commit().await?;
        let sync = row.map(Row::read).transpose()?;
        Ok(sync.map(|sync| SyncClaim {
            sync,
            run_id,
            token,
        }))
    }

    /// Keeps a claim alive. `false`: it is lost.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn renew_sync(&self, claim: &SyncClaim, lease: Duration) -> Result<bool, Error> {
        let mut conn = self.db.read().await?;
        let done = execute!(
            conn,
            "UPDATE syncs SET lease_until = $3 WHERE id = $1 AND lease_token = $2",
            &claim.sync.id,
            &claim.token,
            self.now() + millis(lease),
        )?;
        Ok(done == 1)
    }

    /// Notes what was found of one source. `false`: the lease is lost.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn note_item(&self, claim: &SyncClaim, item: &SyncItem) -> Result<bool, Error> {
        let Some(mut tx) = self.leased_sync(claim).await? else {
            return Ok(false);
        };
        execute!(
            tx,
            "INSERT INTO sync_items (sync_id, source, revision, upload_id, missing_since) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (sync_id, source) DO UPDATE SET revision = excluded.revision, upload_id = excluded.upload_id, \
             missing_since = excluded.missing_since",
            &claim.sync.id,
            &item.source,
            item.revision.as_deref(),
            item.upload_id.as_deref(),
            item.missing_since.map(|at| at.timestamp_millis()),
        )?;
        tx.commit().await?;
        Ok(true)
    }

    /// Ends a run and gives the claim back. `false`: the lease is lost.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn end_run(
        &self,
        claim: &SyncClaim,
        status: RunStatus,
        counts: &RunCounts,
        error: Option<&Error>,
        next_run_at: Option<DateTime<Utc>>,
    ) -> Result<bool, Error> {
        let Some(mut tx) = self.leased_sync(claim).await? else {
            return Ok(false);
        };
        let error = error.map(SavedError::from);
        execute!(
            tx,
            "UPDATE sync_runs SET status = $2, ended_at = $3, counts = $4, error = $5 WHERE id = $1",
            &claim.run_id,
            status.as_str(),
            self.now(),
            to_json(counts)?,
            error.as_ref().map(to_json).transpose()?,
        )?;
        execute!(
            tx,
            "UPDATE syncs SET lease_owner = NULL, lease_token = NULL, lease_until = 0, next_run_at = $2 WHERE id = $1",
            &claim.sync.id,
            next_run_at.map(|at| at.timestamp_millis()),
        )?;
        tx.commit().await?;
        Ok(true)
    }

    /// What a sync has seen so far.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn sync_items(&self, sync: &str) -> Result<Vec<SyncItem>, Error> {
        let mut conn = self.db.read().await?;
        let rows = fetch_all!(
            conn,
            (String, Option<String>, Option<String>, Option<i64>),
            "SELECT source, revision, upload_id, missing_since FROM sync_items WHERE sync_id = $1 ORDER BY source",
            sync,
        )?;
        let item = |(source, revision, upload_id, missing): (_, _, _, Option<i64>)| SyncItem {
            source,
            revision,
            upload_id,
            missing_since: missing.map(time),
        };
        Ok(rows.into_iter().map(item).collect())
    }

    /// A sync's runs, newest first.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn sync_runs(&self, sync: &str, limit: u32) -> Result<Vec<RunRow>, Error> {
        let mut conn = self.db.read().await?;
        let rows = fetch_all!(
            conn,
            RunColumns,
            "SELECT id, cause, status, started_at, ended_at, counts, error FROM sync_runs WHERE sync_id = $1 \
             ORDER BY started_at DESC, id DESC LIMIT $2",
            sync,
            i64::from(limit),
        )?;
        rows.into_iter().map(RunColumns::read).collect()
    }

    /// A transaction of a run that still has its lease.
    async fn leased_sync(&self, claim: &SyncClaim) -> Result<Option<Tx>, Error> {
        let mut tx = self.db.write().await?;
        let sql = AssertSqlSafe(format!(
            "SELECT id FROM syncs WHERE id = $1 AND lease_token = $2{}",
            self.db.locking()
        ));
        let held = fetch_optional!(tx, (String,), sql, &claim.sync.id, &claim.token)?;
        Ok(held.map(|_| tx))
    }
}

#[derive(FromRow)]
struct RunColumns {
    id: String,
    cause: String,
    status: String,
    started_at: i64,
    ended_at: Option<i64>,
    counts: String,
    error: Option<String>,
}

impl RunColumns {
    fn read(self) -> Result<RunRow, Error> {
        let error: Option<SavedError> = self
            .error
            .map(|text| from_json("a run's error", &text))
            .transpose()?;
        Ok(RunRow {
            id: self.id,
            cause: word("a cause", &self.cause)?,
            status: word("a status", &self.status)?,
            started_at: time(self.started_at),
            ended_at: self.ended_at.map(time),
            counts: from_json("counts", &self.counts)?,
            error: error.map(Error::from),
        })
    }
}

/// An error as it is kept.
#[derive(Serialize, Deserialize)]
struct SavedError {
    code: Code,
    message: String,
    hint: Option<String>,
}

impl From<&Error> for SavedError {
    fn from(error: &Error) -> Self {
        Self {
            code: error.code,
            message: error.message.clone(),
            hint: error.hint.clone(),
        }
    }
}

impl From<SavedError> for Error {
    fn from(saved: SavedError) -> Self {
        Self {
            code: saved.code,
            message: saved.message,
            hint: saved.hint,
            retry_after: None,
        }
    }
}

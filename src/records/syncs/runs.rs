//! The runs of syncs, and what they came to.

use chrono::{DateTime, Utc};
use modelferry_providers::SafeUrl;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{AssertSqlSafe, FromRow};
use utoipa::ToSchema;

use super::{Difference, SavedError, SyncClaim, SyncRow};
use crate::error::{Code, Error};
use crate::records::db::{execute, fetch_all, fetch_optional};
use crate::records::deliveries::{Announcement, announce};
use crate::records::{Records, from_json, time, to_json, word};
use crate::upload::words;

/// The most runs of one sync that are kept, the newest.
const KEPT: i64 = 500;

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
        /// Asked for; the next worker that is free begins it.
        Waiting = "waiting",
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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

/// One run of a sync.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRow {
    /// Its id.
    pub id: String,
    /// The sync it is of.
    pub sync_id: String,
    /// What set it off.
    pub cause: RunCause,
    /// How it stands.
    pub status: RunStatus,
    /// The process that runs it, or did.
    pub worker: Option<String>,
    /// When it began, or was asked for.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// What it came to so far.
    pub counts: RunCounts,
    /// The same, source by source.
    pub difference: Difference,
    /// Why it failed.
    pub error: Option<Error>,
}

/// A worker's end of a run.
#[derive(Debug)]
pub struct RunEnd<'a> {
    /// How it stands.
    pub status: RunStatus,
    /// What it came to.
    pub counts: &'a RunCounts,
    /// The same, source by source.
    pub difference: &'a Difference,
    /// Why it failed.
    pub error: Option<&'a Error>,
    /// Who is told, and what.
    pub tells: Option<(&'a SafeUrl, &'a Value)>,
}

impl Records {
    /// Keeps what a run came to so far, for watchers. `false`: the lease is lost.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn save_run(
        &self,
        claim: &SyncClaim,
        counts: &RunCounts,
        difference: &Difference,
    ) -> Result<bool, Error> {
        let Some((mut tx, _)) = self.leased_sync(claim).await? else {
            return Ok(false);
        };
        execute!(
            tx,
            "UPDATE sync_runs SET counts = $2, difference = $3 WHERE id = $1",
            &claim.run_id,
            to_json(counts)?,
            to_json(difference)?,
        )?;
        tx.commit().await?;
        Ok(true)
    }

    /// Ends a run and gives the claim back; `next` tells of the sync as it
    /// stands then when it is due again. `false`: the lease is lost.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn end_run(
        &self,
        claim: &SyncClaim,
        end: &RunEnd<'_>,
        next: impl FnOnce(&SyncRow) -> Option<DateTime<Utc>> + Send,
    ) -> Result<bool, Error> {
        let Some((mut tx, sync)) = self.leased_sync(claim).await? else {
            return Ok(false);
        };
        execute!(
            tx,
            "UPDATE sync_runs SET status = $2, ended_at = $3, counts = $4, difference = $5, error = $6 WHERE id = $1",
            &claim.run_id,
            end.status.as_str(),
            self.now(),
            to_json(end.counts)?,
            to_json(end.difference)?,
            end.error
                .map(SavedError::from)
                .as_ref()
                .map(to_json)
                .transpose()?,
        )?;
        let next = if sync.is_paused { None } else { next(&sync) };
        execute!(
            tx,
            "UPDATE syncs SET lease_owner = NULL, lease_token = NULL, lease_until = 0, next_run_at = $2 WHERE id = $1",
            &sync.id,
            next.map(|at| at.timestamp_millis()),
        )?;
        execute!(
            tx,
            "DELETE FROM sync_runs WHERE sync_id = $1 AND id <= \
             (SELECT id FROM sync_runs WHERE sync_id = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)",
            &sync.id,
            KEPT,
        )?;
        if let Some((url, data)) = end.tells {
            let announcement = Announcement {
                owner: &sync.owner_id,
                url,
                kind: "sync.run",
                data,
                upload: None,
            };
            announce(&mut tx, &announcement, self.now()).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// A sync's runs, newest first: at most `limit` of them before the run `before`.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn sync_runs(
        &self,
        sync: &str,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<RunRow>, Error> {
        let mut conn = self.db.read().await?;
        let sql = AssertSqlSafe(format!(
            "SELECT {RUN_COLUMNS} FROM sync_runs WHERE sync_id = $1 AND ($2 = '' OR id < $2) ORDER BY id DESC LIMIT $3"
        ));
        let rows = fetch_all!(
            conn,
            RunColumns,
            sql,
            sync,
            before.unwrap_or_default(),
            i64::from(limit),
        )?;
        rows.into_iter().map(RunColumns::read).collect()
    }

    /// One run.
    ///
    /// # Errors
    /// [`Code::NotFound`] when it is gone.
    pub async fn sync_run(&self, id: &str) -> Result<RunRow, Error> {
        let mut conn = self.db.read().await?;
        let sql = AssertSqlSafe(format!("SELECT {RUN_COLUMNS} FROM sync_runs WHERE id = $1"));
        let row = fetch_optional!(conn, RunColumns, sql, id)?;
        let row = row.ok_or_else(|| Error::new(Code::NotFound, "the run is gone"))?;
        row.read()
    }
}

const RUN_COLUMNS: &str =
    "id, sync_id, cause, status, worker, started_at, ended_at, counts, difference, error";

#[derive(FromRow)]
struct RunColumns {
    id: String,
    sync_id: String,
    cause: String,
    status: String,
    worker: Option<String>,
    started_at: i64,
    ended_at: Option<i64>,
    counts: String,
    difference: Option<String>,
    error: Option<String>,
}

impl RunColumns {
    fn read(self) -> Result<RunRow, Error> {
        let error: Option<SavedError> = self
            .error
            .map(|text| from_json("a run's error", &text))
            .transpose()?;
        let difference = self.difference.as_deref();
        let difference = difference.map(|text| from_json("a run's difference", text));
        Ok(RunRow {
            id: self.id,
            sync_id: self.sync_id,
            cause: word("a cause", &self.cause)?,
            status: word("a status", &self.status)?,
            worker: self.worker,
            started_at: time(self.started_at),
            ended_at: self.ended_at.map(time),
            counts: from_json("counts", &self.counts)?,
            difference: difference.transpose()?.unwrap_or_default(),
            error: error.map(Error::from),
        })
    }
}

//! The runs of syncs: who runs one, and what it came to.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, FromRow};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{COLUMNS, Difference, Row, SavedError, SyncRow};
use crate::error::{Code, Error};
use crate::records::db::{Tx, execute, fetch_all, fetch_optional};
use crate::records::jobs::millis;
use crate::records::signals::Signal;
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
}

impl Records {
    /// Takes this sync and begins a run, which is the one that waits if there
    /// is one. `None`: it is being run.
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

    /// Takes the sync that has been due for longest, or that somebody asked
    /// for, and begins a run. `None`: none is due, or another worker was faster.
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
            "SELECT id FROM syncs WHERE lease_until <= $1 AND ((next_run_at <= $1 AND NOT paused) \
             OR id IN (SELECT sync_id FROM sync_runs WHERE status = 'waiting')) \
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
        let at = self.now();
        let mut tx = self.db.write().await?;
        // One that is due must still be so: another worker may just have run it.
        let taken = execute!(
            tx,
            "UPDATE syncs SET lease_owner = $2, lease_token = $3, lease_until = $4 \
             WHERE id = $1 AND lease_until <= $5 AND ($6 = 'request' OR (next_run_at <= $5 AND NOT paused) \
             OR id IN (SELECT sync_id FROM sync_runs WHERE status = 'waiting'))",
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
        let shown = format!("{worker} (process {})", std::process::id());
        let run_id = begin_run(&mut tx, id, cause, &shown, at).await?;
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

    /// Asks for a run by whichever worker is free. One that waits already is
    /// answered again.
    ///
    /// # Errors
    /// [`Code::NotFound`] when this owner has none of that id or name;
    /// [`Code::InvalidRequest`] when it is being run.
    pub async fn request_run(&self, owner: &str, id_or_name: &str) -> Result<RunRow, Error> {
        let sync = self.sync(owner, id_or_name).await?;
        if let Some(running) = self.running(&sync).await? {
            return Err(running);
        }
        let at = self.now();
        let mut tx = self.db.write().await?;
        let sql = AssertSqlSafe(format!(
            "SELECT id FROM syncs WHERE id = $1{}",
            self.db.locking()
        ));
        fetch_optional!(tx, (String,), sql, &sync.id)?;
        let sql = "SELECT id FROM sync_runs WHERE sync_id = $1 AND status = 'waiting'";
        let waiting = fetch_optional!(tx, (String,), sql, &sync.id)?;
        let id = match waiting {
            Some((id,)) => id,
            None => insert_run(&mut tx, &sync.id, RunCause::Request, None, at).await?,
        };
        tx.signal(Signal::Work).await?;
        tx.commit().await?;
        self.sync_run(&id).await
    }

    /// That a sync is being run, and by whom, as an error for who wants to.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn running(&self, sync: &SyncRow) -> Result<Option<Error>, Error> {
        let mut conn = self.db.read().await?;
        let running = fetch_optional!(
            conn,
            (Option<String>, i64),
            "SELECT r.worker, r.started_at FROM sync_runs r JOIN syncs s ON s.id = r.sync_id \
             WHERE s.id = $1 AND s.lease_until > $2 AND r.status = 'running' ORDER BY r.id DESC LIMIT 1",
            &sync.id,
            self.now(),
        )?;
        Ok(running.map(|(worker, since)| {
            let since = time(since).format("%Y-%m-%d %H:%M:%S");
            Error::new(
                Code::InvalidRequest,
                format!(
                    "the sync {} is being run by {} since {since} UTC",
                    sync.name.escape_debug(),
                    worker.as_deref().unwrap_or("another process"),
                ),
            )
            .hint("wait for its end: no two runs of one sync go on at once")
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

    /// A transaction of a run that still has its lease, and the sync as it
    /// stands now.
    pub(super) async fn leased_sync(
        &self,
        claim: &SyncClaim,
    ) -> Result<Option<(Tx, SyncRow)>, Error> {
        let mut tx = self.db.write().await?;
        let sql = AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM syncs WHERE id = $1 AND lease_token = $2{}",
            self.db.locking()
        ));
        let held = fetch_optional!(tx, Row, sql, &claim.sync.id, &claim.token)?;
        let sync = held.map(Row::read).transpose()?;
        Ok(sync.map(|sync| (tx, sync)))
    }
}

/// The run that waits goes on as this worker's, or a new one begins.
async fn begin_run(
    tx: &mut Tx,
    sync: &str,
    cause: RunCause,
    worker: &str,
    at: i64,
) -> Result<String, Error> {
    let sql = "SELECT id FROM sync_runs WHERE sync_id = $1 AND status = 'waiting'";
    let Some((id,)) = fetch_optional!(tx, (String,), sql, sync)? else {
        return insert_run(tx, sync, cause, Some(worker), at).await;
    };
    execute!(
        tx,
        "UPDATE sync_runs SET status = 'running', started_at = $2, worker = $3 WHERE id = $1",
        &id,
        at,
        worker,
    )?;
    Ok(id)
}

/// A run of a worker, or one that waits for a worker.
async fn insert_run(
    tx: &mut Tx,
    sync: &str,
    cause: RunCause,
    worker: Option<&str>,
    at: i64,
) -> Result<String, Error> {
    let id = format!("run_{}", Uuid::now_v7().simple());
    let status = match worker {
        Some(_) => RunStatus::Running,
        None => RunStatus::Waiting,
    };
    execute!(
        tx,
        "INSERT INTO sync_runs (id, sync_id, cause, status, worker, started_at, counts) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &id,
        sync,
        cause.as_str(),
        status.as_str(),
        worker,
        at,
        to_json(&RunCounts::default())?,
    )?;
    Ok(id)
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

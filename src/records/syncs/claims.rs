//! Who runs a sync: claims with a lease, of which each sync has one at a time.

use std::time::Duration;

use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::{COLUMNS, Row, RunCause, RunCounts, RunRow, RunStatus, SyncRow};
use crate::error::{Code, Error};
use crate::records::db::{Tx, execute, fetch_optional};
use crate::records::jobs::millis;
use crate::records::signals::Signal;
use crate::records::{Records, time, to_json};

/// The right to run one sync, until the lease runs out.
#[derive(Debug, Clone)]
pub struct SyncClaim {
    /// The sync as it stood when it was claimed.
    pub sync: SyncRow,
    /// The run that this began.
    pub run_id: String,
    token: String,
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

//! Jobs: who may work on an upload, and for how long.

use std::time::Duration;

use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::db::{Tx, execute, fetch_optional};
use super::{Records, UploadDetail};
use crate::error::Error;

/// The right to work on one upload, until the lease runs out. Only
/// [`Records::claim`] makes one.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The upload as it stood when it was claimed.
    pub detail: UploadDetail,
    token: String,
}

impl Claim {
    /// The upload's id.
    pub fn upload_id(&self) -> &str {
        &self.detail.upload.id
    }

    pub(super) fn token(&self) -> &str {
        &self.token
    }
}

impl Records {
    /// Takes an upload's job, when nobody has it.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn claim(
        &self,
        owner: &str,
        upload: &str,
        worker: &str,
        lease: Duration,
    ) -> Result<Option<Claim>, Error> {
        let token = Uuid::new_v4().simple().to_string();
        let at = self.now();
        let mut tx = self.db.write().await?;
        let taken = execute!(
            tx,
            "UPDATE jobs SET lease_owner = $1, lease_token = $2, lease_until = $3, attempt = attempt + 1 \
             WHERE upload_id = $4 AND lease_until <= $5",
            worker,
            &token,
            at + millis(lease),
            upload,
            at,
        )?;
        tx.commit().await?;
        if taken == 0 {
            return Ok(None);
        }
        let detail = self.get(owner, upload).await?;
        Ok(Some(Claim { detail, token }))
    }

    /// Keeps a claim alive. `false`: it is lost.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn renew(&self, claim: &Claim, lease: Duration) -> Result<bool, Error> {
        let until = self.now() + millis(lease);
        self.guarded(
            "UPDATE jobs SET lease_until = $3 WHERE upload_id = $1 AND lease_token = $2",
            claim,
            until,
        )
        .await
    }

    /// Gives a claim back, so that the next worker need not wait.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn release(&self, claim: &Claim) -> Result<bool, Error> {
        let sql = "UPDATE jobs SET lease_owner = NULL, lease_token = NULL, lease_until = $3 WHERE upload_id = $1 AND lease_token = $2";
        self.guarded(sql, claim, 0).await
    }

    async fn guarded(&self, sql: &'static str, claim: &Claim, value: i64) -> Result<bool, Error> {
        let mut conn = self.db.read().await?;
        let done = execute!(conn, sql, claim.upload_id(), &claim.token, value)?;
        Ok(done == 1)
    }

    /// Frees whatever a worker that is known to be dead had claimed.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn release_dead(&self, worker: &str) -> Result<u64, Error> {
        let mut conn = self.db.read().await?;
        execute!(
            conn,
            "UPDATE jobs SET lease_owner = NULL, lease_token = NULL, lease_until = 0 WHERE lease_owner = $1",
            worker,
        )
    }

    /// A transaction of a worker that still has its lease; `None` when it is
    /// lost. Nobody can claim the job until the transaction ends.
    pub(super) async fn leased(&self, claim: &Claim) -> Result<Option<Tx>, Error> {
        let mut tx = self.db.write().await?;
        let held = fetch_optional!(
            tx,
            (String,),
            AssertSqlSafe(format!(
                "SELECT id FROM jobs WHERE upload_id = $1 AND lease_token = $2{}",
                self.db.locking()
            )),
            claim.upload_id(),
            claim.token(),
        )?;
        Ok(held.map(|_| tx))
    }
}

/// Puts an upload's job in the queue, in the transaction that makes it runnable.
pub(super) async fn enqueue(
    tx: &mut Tx,
    job: &str,
    upload: &str,
    priority: i32,
    at: i64,
) -> Result<(), Error> {
    execute!(
        tx,
        "INSERT INTO jobs (id, kind, upload_id, priority, run_at, attempt, lease_until) VALUES ($1, 'import', $2, $3, $4, 0, 0)",
        job,
        upload,
        i64::from(priority),
        at,
    )?;
    Ok(())
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 2)
}

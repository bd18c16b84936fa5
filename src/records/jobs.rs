//! Jobs: who may work on an upload, and for how long.

use std::time::Duration;

use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::db::{Tx, execute, fetch_optional};
use super::signals::Signal;
use super::{Records, UploadDetail};
use crate::error::{Code, Error};

/// How long the first failure is waited out; every further one twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// The least after a hub said that it was asked too often.
const RATE_LIMITED_WAIT: Duration = Duration::from_secs(30);
/// The most of our own choosing.
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
/// The most that a hub is believed.
pub(super) const LONGEST_ASKED: Duration = Duration::from_secs(24 * 60 * 60);

/// The right to work on one upload, until the lease runs out. Only
/// [`Records::claim`] and [`Records::claim_next`] make one.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The upload as it stood when it was claimed.
    pub detail: UploadDetail,
    token: String,
    attempt: u32,
    attempts: u32,
}

impl Claim {
    /// The upload's id.
    pub fn upload_id(&self) -> &str {
        &self.detail.upload.id
    }

    pub(super) const fn next(
        detail: UploadDetail,
        token: String,
        attempt: u32,
        attempts: u32,
    ) -> Self {
        Self {
            detail,
            token,
            attempt,
            attempts,
        }
    }

    /// How long to wait before the upload is tried again after this failure, no
    /// less than the hub asked for; `None`: it is final. Only what says nothing against the source is
    /// tried again, and only by a worker that nobody waits for.
    pub fn tries_again_in(&self, error: &Error) -> Option<Duration> {
        if !error.code.keeps_staged() || self.attempt >= self.attempts {
            return None;
        }
        let doubled = FIRST_WAIT.saturating_mul(1 << (self.attempt.saturating_sub(1)).min(16));
        let least = match (error.retry_after, error.code) {
            (Some(asked), _) => asked.min(LONGEST_ASKED),
            (None, Code::RateLimited) => RATE_LIMITED_WAIT,
            (None, _) => FIRST_WAIT,
        };
        Some(doubled.min(LONGEST_WAIT).max(least))
    }

    /// Whether the workers that had it before all died of it.
    pub const fn is_worn_out(&self) -> bool {
        self.attempts > 0 && self.attempt > self.attempts
    }

    /// How often the upload was begun, this time included.
    pub const fn attempt(&self) -> u32 {
        self.attempt
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
        Ok(Some(Claim::next(detail, token, 1, 0)))
    }

    /// Keeps a claim alive. `false`: it is lost.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn renew(&self, claim: &Claim, lease: Duration) -> Result<bool, Error> {
        let until = self.now() + millis(lease);
        let mut conn = self.db.read().await?;
        let done = execute!(
            conn,
            "UPDATE jobs SET lease_until = $3 WHERE upload_id = $1 AND lease_token = $2",
            claim.upload_id(),
            claim.token(),
            until,
        )?;
        Ok(done == 1)
    }

    /// Gives a claim back, so that the next worker need not wait. It does not
    /// count as a try.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn release(&self, claim: &Claim) -> Result<bool, Error> {
        let Some(mut tx) = self.leased(claim).await? else {
            return Ok(false);
        };
        execute!(
            tx,
            "UPDATE jobs SET lease_owner = NULL, lease_token = NULL, lease_until = 0, attempt = attempt - 1 \
             WHERE upload_id = $1 AND lease_token = $2",
            claim.upload_id(),
            claim.token(),
        )?;
        tx.signal(Signal::Work).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Frees whatever a worker that is known to be dead had claimed.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn release_dead(&self, worker: &str) -> Result<u64, Error> {
        let mut tx = self.db.write().await?;
        execute!(tx, "DELETE FROM condemned WHERE worker = $1", worker)?;
        execute!(
            tx,
            "UPDATE syncs SET lease_owner = NULL, lease_token = NULL, lease_until = 0 WHERE lease_owner = $1",
            worker,
        )?;
        execute!(
            tx,
            "UPDATE webhook_receivers SET lease_owner = NULL, lease_token = NULL, lease_until = 0 WHERE lease_owner = $1",
            worker,
        )?;
        let freed = execute!(
            tx,
            "UPDATE jobs SET lease_owner = NULL, lease_token = NULL, lease_until = 0 WHERE lease_owner = $1",
            worker,
        )?;
        if freed > 0 {
            tx.signal(Signal::Work).await?;
        }
        tx.commit().await?;
        Ok(freed)
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

pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 2)
}

//! The queue: which job is next, when a job is tried again, and how one is
//! taken out.

use std::time::Duration;

use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::db::{Tx, execute, fetch_optional};
use super::deliveries::announce_end;
use super::events::put_status;
use super::intakes::end_intake;
use super::jobs::{LONGEST_ASKED, millis};
use super::moves::put_error;
use super::signals::Signal;
use super::uploads::read_upload;
use super::{Claim, Records};
use crate::error::{Code, Error};
use crate::request::ImportRequest;
use crate::upload::{UploadSource, UploadStatus};

/// Who claims, and on which terms.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The worker's id.
    pub worker: String,
    /// How long a claim holds without being renewed.
    pub lease: Duration,
    /// How often an upload is begun before its failure is final.
    pub attempts: u32,
}

impl Records {
    /// Takes the next job: the highest priority first, owners in turn, then
    /// the one that waits longest. Hosts that asked for a pause get it.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn claim_next(&self, terms: &Terms) -> Result<Option<Claim>, Error> {
        let token = Uuid::new_v4().simple().to_string();
        let at = self.now();
        let mut tx = self.db.write().await?;
        let taken = fetch_optional!(
            tx,
            (String, String, i64),
            AssertSqlSafe(format!(
                "UPDATE jobs SET lease_owner = $1, lease_token = $2, lease_until = $3, attempt = attempt + 1 \
                 WHERE id = (SELECT id FROM jobs WHERE run_at <= $4 AND lease_until <= $4 \
                 AND NOT EXISTS (SELECT 1 FROM host_pauses p WHERE p.host = jobs.host AND p.paused_until > $4) \
                 ORDER BY priority DESC, turn, run_at, id LIMIT 1{}) RETURNING upload_id, owner_id, attempt",
                self.db.skipping()
            )),
            &terms.worker,
            &token,
            at + millis(terms.lease),
            at,
        )?;
        let Some((upload, owner, attempt)) = taken else {
            return Ok(None);
        };
        tx.signal(Signal::Changed(upload.clone())).await?;
        tx.commit().await?;
        let detail = self.get(&owner, &upload).await?;
        let attempt = u32::try_from(attempt).unwrap_or(u32::MAX);
        Ok(Some(Claim::next(detail, token, attempt, terms.attempts)))
    }

    /// Puts an upload back for later, with what went wrong. `false`: the
    /// lease is lost.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn postpone(
        &self,
        claim: &Claim,
        error: &Error,
        wait: Duration,
    ) -> Result<bool, Error> {
        let until = self.now() + millis(wait);
        let Some(mut tx) = self.leased(claim).await? else {
            return Ok(false);
        };
        if error.code == Code::RateLimited || error.retry_after.is_some() {
            // What the hub asked for holds for the host; a longer wait is this upload's own.
            let asked = error.retry_after.map(|asked| asked.min(LONGEST_ASKED));
            execute!(
                tx,
                "INSERT INTO host_pauses (host, paused_until) SELECT host, $2 FROM jobs WHERE upload_id = $1 \
                 ON CONFLICT (host) DO UPDATE SET paused_until = excluded.paused_until \
                 WHERE host_pauses.paused_until < excluded.paused_until",
                claim.upload_id(),
                asked.map_or(until, |asked| self.now() + millis(asked)),
            )?;
        }
        execute!(
            tx,
            "UPDATE jobs SET lease_owner = NULL, lease_token = NULL, lease_until = 0, run_at = $3, last_error = $4 \
             WHERE upload_id = $1 AND lease_token = $2",
            claim.upload_id(),
            claim.token(),
            until,
            error.record_message(),
        )?;
        tx.signal(Signal::Changed(claim.upload_id().to_owned()))
            .await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Ends an upload of this owner on request; whoever works on it loses its
    /// claim. `false`: it had ended already.
    ///
    /// # Errors
    /// [`Code::NotFound`] when this owner has none of that id.
    pub async fn cancel(&self, owner: &str, upload: &str) -> Result<bool, Error> {
        let detail = self.get(owner, upload).await?;
        let hint = match detail.upload.source {
            UploadSource::Multipart => "make a new upload: the parts of this one are thrown away",
            _ => "`retry` starts it again",
        };
        let error = Error::new(Code::Cancelled, "the upload was cancelled").hint(hint);
        let end = End {
            upload,
            error: &error,
            abandoned_since: None,
        };
        self.end_at_once(&end).await
    }

    /// Ends an upload whoever works on it. `false`: it is not to be ended.
    pub(super) async fn end_at_once(&self, end: &End<'_>) -> Result<bool, Error> {
        let upload = end.upload;
        let mut tx = self.db.write().await?;
        // First the job, as every worker does: whoever is second waits, and none for the other.
        let lock = AssertSqlSafe(format!(
            "SELECT id FROM jobs WHERE upload_id = $1{}",
            self.db.locking()
        ));
        fetch_optional!(tx, (String,), lock, upload)?;
        let moved = execute!(
            tx,
            "UPDATE uploads SET status = 'failed', updated_at = $2 \
             WHERE id = $1 AND status IN ('pending', 'validating', 'validated') \
             AND ($3 IS NULL OR EXISTS (SELECT 1 FROM intakes WHERE upload_id = $1 AND completed_at IS NULL AND asked_at <= $3))",
            upload,
            self.now(),
            end.abandoned_since,
        )?;
        if moved == 0 {
            return Ok(false);
        }
        put_error(&mut tx, upload, end.error).await?;
        end_intake(&mut tx, upload).await?;
        execute!(tx, "DELETE FROM jobs WHERE upload_id = $1", upload)?;
        let failed = UploadStatus::Failed;
        put_status(&mut tx, upload, failed, Some(end.error), self.now()).await?;
        let detail = read_upload(&mut tx, upload).await?;
        let receiver = detail.request.webhook.as_ref();
        announce_end(&mut tx, receiver, upload, self.now()).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// The end of an upload that no worker brings about.
pub(super) struct End<'a> {
    pub upload: &'a str,
    /// Why.
    pub error: &'a Error,
    /// Only one in parts that is open, and was not asked for since.
    pub abandoned_since: Option<i64>,
}

/// Puts an upload's job in the queue, in the transaction that makes it
/// runnable: after the last of its owner, and not before the current round.
pub(super) async fn enqueue(
    tx: &mut Tx,
    job: &str,
    upload: &str,
    request: &ImportRequest,
    at: i64,
) -> Result<(), Error> {
    execute!(
        tx,
        "INSERT INTO jobs (id, kind, upload_id, owner_id, host, priority, run_at, attempt, lease_until, turn) \
         SELECT $1, 'import', $2, $3, $4, $5, $6, 0, 0, 1 + MAX(places.turn) FROM ( \
             SELECT COALESCE(MAX(turn), 0) AS turn FROM jobs WHERE owner_id = $3 \
             UNION ALL SELECT COALESCE(MIN(turn), 1) - 1 FROM jobs) AS places",
        job,
        upload,
        &request.owner,
        request.host(),
        i64::from(request.priority),
        at,
    )?;
    tx.signal(Signal::Work).await
}

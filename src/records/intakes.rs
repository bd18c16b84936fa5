//! Files that their owner brings in parts: open until completed, then a job.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::db::{Tx, execute, fetch_all, fetch_optional};
use super::jobs::millis;
use super::once::Once;
use super::queue::{End, enqueue};
use super::{Claim, Created, NewUpload, Records, UploadDetail, from_json, time, to_json, word};
use crate::error::{Code, Error};
use crate::storage::{Part, Staged};
use crate::upload::{UploadSource, UploadStatus};

/// How often it is written down that URLs were handed out.
const NOTED: Duration = Duration::from_secs(3600);

/// What an upload in parts has beside every other.
#[derive(Debug, Clone)]
pub struct NewIntake<'a> {
    /// The upload's id, which its parts are staged under.
    pub upload: &'a str,
    /// Where they go.
    pub staged: &'a Staged,
    /// The whole file's length in bytes.
    pub size: u64,
    /// How many parts it comes in.
    pub parts: u32,
    /// The file's name as the client wrote it.
    pub original_file_name: &'a str,
    /// The media type as the client stated it.
    pub content_type: &'a str,
}

/// An upload in parts that is not over.
#[derive(Debug, Clone)]
pub struct Intake {
    /// The upload.
    pub upload: String,
    /// Whose it is.
    pub owner: String,
    /// Where the upload stands.
    pub status: UploadStatus,
    /// Where its parts are.
    pub staged: Staged,
    /// The whole file's length in bytes.
    pub size: u64,
    /// How many parts it comes in.
    pub count: u32,
    /// When its URLs were last handed out, to the hour.
    pub asked_at: DateTime<Utc>,
    /// The parts there were when it was completed; `None` while it is open.
    pub parts: Option<Vec<Part>>,
}

impl Intake {
    /// Whether parts are taken.
    pub fn is_open(&self) -> bool {
        self.parts.is_none() && self.status == UploadStatus::Pending
    }
}

impl Records {
    /// Makes an upload that waits for its parts, unless `once` says that it was
    /// made already, or this owner has `most` of those open.
    ///
    /// # Errors
    /// [`Code::RateLimited`] when the owner has too many open.
    pub async fn create_intake(
        &self,
        new: &NewUpload<'_>,
        intake: &NewIntake<'_>,
        once: Option<Once<'_>>,
        most: u32,
    ) -> Result<Created, Error> {
        self.create_once(new, Some(intake), once, most).await
    }

    /// The upload in parts of that id, whoever's it is, until it is over.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn intake(&self, upload: &str) -> Result<Option<Intake>, Error> {
        let mut conn = self.db.read().await?;
        let found = fetch_optional!(
            conn,
            (
                String,
                String,
                String,
                Option<i64>,
                Option<i64>,
                i64,
                Option<String>
            ),
            "SELECT u.owner_id, u.status, i.staged, u.file_size, u.parts_count, i.asked_at, i.parts \
             FROM intakes i JOIN uploads u ON u.id = i.upload_id WHERE i.upload_id = $1",
            upload,
        )?;
        let Some((owner, status, staged, size, count, asked_at, parts)) = found else {
            return Ok(None);
        };
        Ok(Some(Intake {
            upload: upload.to_owned(),
            owner,
            status: word("a status", &status)?,
            staged: from_json("where parts are staged", &staged)?,
            size: super::from_db(size.unwrap_or_default()),
            count: u32::try_from(count.unwrap_or_default()).unwrap_or_default(),
            asked_at: time(asked_at),
            parts: parts
                .map(|parts| from_json("an upload's parts", &parts))
                .transpose()?,
        }))
    }

    /// Notes that URLs for the parts were handed out: the upload is not abandoned.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn note_asked(&self, intake: &Intake) -> Result<(), Error> {
        let at = self.now();
        // Whoever polls is to cost no writes.
        if at - intake.asked_at.timestamp_millis() < millis(NOTED) {
            return Ok(());
        }
        let mut conn = self.db.read().await?;
        execute!(
            conn,
            "UPDATE intakes SET asked_at = $2 WHERE upload_id = $1 AND completed_at IS NULL",
            &intake.upload,
            at,
        )?;
        Ok(())
    }

    /// Closes an upload to further parts and queues its job, in one
    /// transaction. `false`: it was closed already, or is over.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn complete_intake(
        &self,
        detail: &UploadDetail,
        parts: &[Part],
    ) -> Result<bool, Error> {
        let upload = &detail.upload;
        let at = self.now();
        let mut tx = self.db.write().await?;
        // First the upload, as whoever ends it does: neither waits for the other in a ring.
        let pending = execute!(
            tx,
            "UPDATE uploads SET updated_at = $2 WHERE id = $1 AND status = 'pending'",
            &upload.id,
            at,
        )?;
        let closed = execute!(
            tx,
            "UPDATE intakes SET completed_at = $2, parts = $3 WHERE upload_id = $1 AND completed_at IS NULL",
            &upload.id,
            at,
            to_json(&parts)?,
        )?;
        if pending == 0 || closed == 0 {
            return Ok(false);
        }
        let job = upload.job_id.as_deref().unwrap_or_default();
        enqueue(&mut tx, job, &upload.id, &detail.request, at).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// The open uploads whose URLs nobody has asked for in so long.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn abandoned_intakes(&self, after: Duration) -> Result<Vec<String>, Error> {
        let mut conn = self.db.read().await?;
        let rows = fetch_all!(
            conn,
            (String,),
            "SELECT upload_id FROM intakes WHERE completed_at IS NULL AND asked_at <= $1 ORDER BY asked_at",
            self.now() - millis(after),
        )?;
        Ok(rows.into_iter().map(|(upload,)| upload).collect())
    }

    /// Ends an upload that was abandoned. `false`: it is not, after all.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn end_abandoned(&self, upload: &str, after: Duration) -> Result<bool, Error> {
        let error = Error::new(
            Code::Cancelled,
            format!(
                "the upload was never completed, and nobody asked for its URLs in {}",
                in_words(after)
            ),
        )
        .hint("make a new upload and send its parts");
        let end = End {
            upload,
            error: &error,
            abandoned_since: Some(self.now() - millis(after)),
        };
        self.end_at_once(&end).await
    }

    /// Puts down what an upload in parts has beside every other, in the
    /// transaction that makes it.
    pub(super) async fn insert_intake(
        &self,
        tx: &mut Tx,
        owner: &str,
        new: &NewIntake<'_>,
    ) -> Result<(), Error> {
        execute!(
            tx,
            "UPDATE uploads SET file_size = $2, parts_count = $3, original_file_name = $4, content_type = $5 WHERE id = $1",
            new.upload,
            super::to_db(new.size),
            i64::from(new.parts),
            new.original_file_name,
            new.content_type,
        )?;
        execute!(
            tx,
            "INSERT INTO intakes (upload_id, owner_id, staged, asked_at) VALUES ($1, $2, $3, $4)",
            new.upload,
            owner,
            to_json(new.staged)?,
            self.now(),
        )?;
        Ok(())
    }
}

/// Fails when an owner has so many uploads open.
pub(super) async fn check_open(tx: &mut Tx, owner: &str, most: u32) -> Result<(), Error> {
    let full = fetch_optional!(
        tx,
        (String,),
        "SELECT upload_id FROM intakes WHERE owner_id = $1 AND completed_at IS NULL LIMIT 1 OFFSET $2",
        owner,
        i64::from(most.saturating_sub(1)),
    )?;
    if full.is_none() {
        return Ok(());
    }
    let message = format!("{most} uploads of this owner wait for their parts already");
    Err(Error::new(Code::RateLimited, message).hint("complete some, or cancel them"))
}

/// The parts are used up, or never will be.
pub(super) async fn end_intake(tx: &mut Tx, upload: &str) -> Result<(), Error> {
    execute!(tx, "DELETE FROM intakes WHERE upload_id = $1", upload)?;
    Ok(())
}

/// The same where a worker ends an upload: most have no parts.
pub(super) async fn end_claimed_intake(tx: &mut Tx, claim: &Claim) -> Result<(), Error> {
    if claim.detail.upload.source == UploadSource::Multipart {
        end_intake(tx, claim.upload_id()).await?;
    }
    Ok(())
}

fn in_words(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds >= 172_800 => format!("{} days", seconds / 86_400),
        seconds if seconds >= 7_200 => format!("{} hours", seconds / 3_600),
        seconds => format!("{seconds} s"),
    }
}

//! Making an upload once, however often it is asked for.

use serde_json::Value;

use super::db::{Tx, execute, fetch_optional};
use super::intakes::check_open;
use super::{NewIntake, NewUpload, Records, from_json, to_json};
use crate::error::{Code, Error};
use crate::upload::Upload;

/// How long a key is remembered.
const KEPT: i64 = 24 * 60 * 60 * 1000;

/// What makes two requests one.
#[derive(Debug, Clone, Copy)]
pub struct Once<'a> {
    /// The `Idempotency-Key`.
    pub key: &'a str,
    /// A hash of all that was asked.
    pub body_hash: &'a str,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Created {
    /// The upload was made now.
    Now(Box<Upload>),
    /// It was made before: the answer of then.
    Before(Value),
    /// The key was used for another request.
    OtherRequest,
}

impl Records {
    /// Makes an upload with its job, unless `once` says that it was made
    /// already, or this owner has `most` in the queue.
    ///
    /// # Errors
    /// [`Code::RateLimited`] when the owner's queue is full.
    pub async fn create_for(
        &self,
        new: &NewUpload<'_>,
        once: Option<Once<'_>>,
        most: u32,
    ) -> Result<Created, Error> {
        self.create_once(new, None, once, most).await
    }

    /// What was answered to this request before, if it was made.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn answered(&self, owner: &str, once: Once<'_>) -> Result<Option<Created>, Error> {
        let mut tx = self.db.write().await?;
        let found = self.remembered(&mut tx, owner, once).await?;
        tx.commit().await?;
        Ok(found)
    }

    pub(super) async fn create_once(
        &self,
        new: &NewUpload<'_>,
        intake: Option<&NewIntake<'_>>,
        once: Option<Once<'_>>,
        most: u32,
    ) -> Result<Created, Error> {
        let owner = &new.request.owner;
        let mut tx = self.db.write().await?;
        if let Some(once) = once
            && let Some(found) = self.remembered(&mut tx, owner, once).await?
        {
            return Ok(found);
        }
        match intake {
            Some(_) => check_open(&mut tx, owner, most).await?,
            None => check_room(&mut tx, owner, most).await?,
        }
        let upload = self.insert_upload(&mut tx, new, intake).await?;
        if let Some(once) = once {
            let kept = execute!(
                tx,
                "INSERT INTO idempotency (owner_id, key, body_hash, answer, created_at) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (owner_id, key) DO NOTHING",
                owner,
                once.key,
                once.body_hash,
                to_json(&upload)?,
                self.now(),
            )?;
            if kept == 0 {
                // Another request with this key was faster; ours leaves nothing behind.
                drop(tx);
                let mut tx = self.db.write().await?;
                let found = self.remembered(&mut tx, owner, once).await?;
                return found.ok_or_else(|| {
                    Error::new(
                        Code::StorageError,
                        "two requests with one key met; send it again",
                    )
                });
            }
        }
        tx.commit().await?;
        Ok(Created::Now(Box::new(upload)))
    }

    async fn remembered(
        &self,
        tx: &mut Tx,
        owner: &str,
        once: Once<'_>,
    ) -> Result<Option<Created>, Error> {
        execute!(
            tx,
            "DELETE FROM idempotency WHERE owner_id = $1 AND key = $2 AND created_at < $3",
            owner,
            once.key,
            self.now() - KEPT,
        )?;
        let found = fetch_optional!(
            tx,
            (String, String),
            "SELECT body_hash, answer FROM idempotency WHERE owner_id = $1 AND key = $2",
            owner,
            once.key,
        )?;
        found
            .map(|(hash, answer)| {
                if hash == once.body_hash {
                    from_json("an answer", &answer).map(Created::Before)
                } else {
                    Ok(Created::OtherRequest)
                }
            })
            .transpose()
    }
}

async fn check_room(tx: &mut Tx, owner: &str, most: u32) -> Result<(), Error> {
    let full = fetch_optional!(
        tx,
        (i64,),
        "SELECT COALESCE((SELECT max_queued FROM owner_limits WHERE owner_id = $1), $2) FROM jobs WHERE owner_id = $1 \
         ORDER BY turn LIMIT 1 OFFSET COALESCE((SELECT max_queued FROM owner_limits WHERE owner_id = $1), $2) - 1",
        owner,
        i64::from(most),
    )?;
    let Some((most,)) = full else {
        return Ok(());
    };
    Err(Error::new(
        Code::RateLimited,
        format!("{most} uploads of this owner are waiting already"),
    )
    .hint("wait until some have ended, or cancel some"))
}

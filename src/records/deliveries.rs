//! Webhook deliveries: what is to be told, to whom, and how that went.
//!
//! A delivery is a row of the transaction that it tells of. A [`Receiver`] is
//! one host of one owner, leased as a whole.

mod listed;

use std::time::Duration;

use chrono::{DateTime, Utc};
use modelferry_providers::SafeUrl;
use serde::Serialize;
use serde_json::Value;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

pub use self::listed::{DeliveryFilter, DeliveryRow, DeliveryStatus};
use super::db::{Tx, execute, fetch_all, fetch_optional};
use super::events::put_warning;
use super::jobs::millis;
use super::signals::Signal;
use super::uploads::read_upload;
use super::{Records, from_json, time, to_json};
use crate::error::Error;
use crate::upload::rfc3339;

/// Something that an owner's receiver is to hear of.
#[derive(Debug, Clone)]
pub struct Announcement<'a> {
    /// Whose receiver it is.
    pub owner: &'a str,
    /// Where to.
    pub url: &'a SafeUrl,
    /// What sort of event, such as `upload.imported`.
    pub kind: &'a str,
    /// What is told.
    pub data: &'a Value,
    /// The upload that it is about, if it is about one.
    pub upload: Option<&'a str>,
}

/// The right to send to one host of one owner, until the lease runs out.
#[derive(Debug, Clone)]
pub struct Receiver {
    /// Whose receiver it is.
    pub owner: String,
    /// Its host, with the port where that is not the scheme's own.
    pub host: String,
    /// How often in a row it failed.
    pub failures: u32,
    token: String,
}

/// One delivery to be tried now.
#[derive(Debug, Clone)]
pub struct DueDelivery {
    /// Its id, the same at every try.
    pub id: String,
    /// Where to.
    pub url: SafeUrl,
    /// What sort of event.
    pub kind: String,
    /// The body, as it is signed.
    pub payload: String,
    /// The upload that it is about.
    pub upload: Option<String>,
    /// Tries so far.
    pub attempts: u32,
    /// When it happened.
    pub created_at: DateTime<Utc>,
}

/// What is to become of a delivery that failed.
#[derive(Debug, Clone)]
pub struct DeliveryFailure<'a> {
    /// What went wrong, in plain words.
    pub why: &'a str,
    /// When to try again; `None`: it is given up.
    pub wait: Option<Duration>,
}

#[derive(Serialize)]
struct Payload<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    timestamp: String,
    data: &'a Value,
}

/// Puts a delivery in the queue, in the transaction of what it tells of. To be
/// called last in it: whoever else tells this receiver something waits.
pub(super) async fn announce(tx: &mut Tx, what: &Announcement<'_>, at: i64) -> Result<(), Error> {
    let payload = to_json(&Payload {
        kind: what.kind,
        timestamp: rfc3339(&time(at)),
        data: what.data,
    })?;
    let host = what.url.authority();
    execute!(
        tx,
        "INSERT INTO webhook_deliveries (id, owner_id, host, url, kind, payload, upload_id, status, attempts, run_at, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, 'waiting', 0, $8, $8)",
        format!("msg_{}", Uuid::now_v7().simple()),
        what.owner,
        &host,
        what.url.as_url().as_str(),
        what.kind,
        payload,
        what.upload,
        at,
    )?;
    make_due(tx, what.owner, &host, at).await
}

/// Has a receiver looked at no later than this.
async fn make_due(tx: &mut Tx, owner: &str, host: &str, at: i64) -> Result<(), Error> {
    execute!(
        tx,
        "INSERT INTO webhook_receivers (owner_id, host, due_at, failures, lease_until) VALUES ($1, $2, $3, 0, 0) \
         ON CONFLICT (owner_id, host) DO UPDATE SET due_at = excluded.due_at \
         WHERE webhook_receivers.due_at IS NULL OR webhook_receivers.due_at > excluded.due_at",
        owner,
        host,
        at,
    )?;
    tx.signal(Signal::Deliveries).await
}

/// Tells an upload's receiver how it ended, as the record then stands.
pub(super) async fn announce_end(
    tx: &mut Tx,
    url: Option<&SafeUrl>,
    upload: &str,
    at: i64,
) -> Result<(), Error> {
    let Some(url) = url else {
        return Ok(());
    };
    let record = read_upload(tx, upload).await?.upload;
    let kind = format!("upload.{}", record.status);
    let data = serde_json::json!({ "upload": record });
    let what = Announcement {
        owner: &record.owner_id,
        url,
        kind: &kind,
        data: &data,
        upload: Some(upload),
    };
    announce(tx, &what, at).await
}

impl Records {
    /// Puts a delivery in the queue.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn announce(&self, what: &Announcement<'_>) -> Result<(), Error> {
        let mut tx = self.db.write().await?;
        announce(&mut tx, what, self.now()).await?;
        tx.commit().await
    }

    /// How long until something is to be sent that nobody sends yet; `None`:
    /// nothing is known of.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn next_delivery_in(&self) -> Result<Option<Duration>, Error> {
        let at = self.now();
        let mut conn = self.db.read().await?;
        let sql = "SELECT due_at FROM webhook_receivers WHERE due_at IS NOT NULL AND lease_until <= $1 \
                   ORDER BY due_at LIMIT 1";
        let due = fetch_optional!(conn, (i64,), sql, at)?;
        Ok(due.map(|(due,)| Duration::from_millis(u64::try_from(due - at).unwrap_or(0))))
    }

    /// Takes the receiver that has been due for longest. One owner has at most
    /// `most` of them served at once.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn claim_receiver(
        &self,
        worker: &str,
        lease: Duration,
        most: u32,
    ) -> Result<Option<Receiver>, Error> {
        let token = Uuid::new_v4().simple().to_string();
        let at = self.now();
        let mut tx = self.db.write().await?;
        let taken = fetch_optional!(
            tx,
            (String, String, i64),
            AssertSqlSafe(format!(
                "UPDATE webhook_receivers SET lease_owner = $1, lease_token = $2, lease_until = $3 \
                 WHERE (owner_id, host) = (SELECT r.owner_id, r.host FROM webhook_receivers r \
                 WHERE r.due_at <= $4 AND r.lease_until <= $4 AND (SELECT COUNT(*) FROM webhook_receivers o \
                 WHERE o.owner_id = r.owner_id AND o.lease_until > $4) < $5 ORDER BY r.due_at LIMIT 1{}) \
                 RETURNING owner_id, host, failures",
                self.db.skipping()
            )),
            worker,
            &token,
            at + millis(lease),
            at,
            i64::from(most),
        )?;
        tx.commit().await?;
        Ok(taken.map(|(owner, host, failures)| Receiver {
            owner,
            host,
            failures: u32::try_from(failures).unwrap_or(u32::MAX),
            token,
        }))
    }

    /// What this receiver is to be sent now, the oldest first.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn due_deliveries(
        &self,
        receiver: &Receiver,
        most: u32,
    ) -> Result<Vec<DueDelivery>, Error> {
        let mut conn = self.db.read().await?;
        let rows = fetch_all!(
            conn,
            (String, String, String, String, Option<String>, i64, i64),
            "SELECT id, url, kind, payload, upload_id, attempts, created_at FROM webhook_deliveries \
             WHERE owner_id = $1 AND host = $2 AND status = 'waiting' AND run_at <= $3 ORDER BY run_at, id LIMIT $4",
            &receiver.owner,
            &receiver.host,
            self.now(),
            i64::from(most),
        )?;
        rows.into_iter()
            .map(|(id, url, kind, payload, upload, attempts, created_at)| {
                Ok(DueDelivery {
                    id,
                    url: from_json("a webhook's URL", &to_json(&url)?)?,
                    kind,
                    payload,
                    upload,
                    attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
                    created_at: time(created_at),
                })
            })
            .collect()
    }

    /// The receiver has it. That holds however late it is said.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn delivered(&self, delivery: &DueDelivery) -> Result<(), Error> {
        let mut conn = self.db.read().await?;
        execute!(
            conn,
            "UPDATE webhook_deliveries SET status = 'delivered', attempts = $2, ended_at = $3, last_error = NULL \
             WHERE id = $1 AND status = 'waiting'",
            &delivery.id,
            i64::from(delivery.attempts) + 1,
            self.now(),
        )?;
        Ok(())
    }

    /// A try failed. Who watches the upload hears of one that is given up.
    /// `false`: the lease is lost.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn not_delivered(
        &self,
        receiver: &Receiver,
        delivery: &DueDelivery,
        failure: &DeliveryFailure<'_>,
    ) -> Result<bool, Error> {
        let at = self.now();
        let mut tx = self.db.write().await?;
        let run_at = failure.wait.map(|wait| at + millis(wait));
        let status = match run_at {
            Some(_) => DeliveryStatus::Waiting,
            None => DeliveryStatus::Dead,
        };
        let noted = execute!(
            tx,
            "UPDATE webhook_deliveries SET status = $2, attempts = $3, run_at = $4, ended_at = $5, last_error = $6 \
             WHERE id = $1 AND status = 'waiting' AND EXISTS (SELECT 1 FROM webhook_receivers r \
             WHERE r.owner_id = $7 AND r.host = $8 AND r.lease_token = $9)",
            &delivery.id,
            status.as_str(),
            i64::from(delivery.attempts) + 1,
            run_at.unwrap_or(at),
            run_at.is_none().then_some(at),
            failure.why,
            &receiver.owner,
            &receiver.host,
            &receiver.token,
        )?;
        if noted == 0 {
            return Ok(false);
        }
        if let (None, Some(upload)) = (run_at, &delivery.upload) {
            let message = format!(
                "the webhook {} is given up after {} tries: {}",
                delivery.kind,
                delivery.attempts + 1,
                failure.why
            );
            put_warning(&mut tx, upload, "", &message, at).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Gives a receiver back: it is due when the next of its deliveries is,
    /// and not before `pause` is over.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn release_receiver(
        &self,
        receiver: &Receiver,
        failures: u32,
        pause: Duration,
    ) -> Result<(), Error> {
        let mut tx = self.db.write().await?;
        // Held from here on: whoever announces something now waits, and then finds the new time.
        let lock = AssertSqlSafe(format!(
            "SELECT host FROM webhook_receivers WHERE owner_id = $1 AND host = $2 AND lease_token = $3{}",
            self.db.locking()
        ));
        let (owner, host, token) = (&receiver.owner, &receiver.host, &receiver.token);
        if fetch_optional!(tx, (String,), lock, owner, host, token)?.is_none() {
            return Ok(());
        }
        let next = fetch_optional!(
            tx,
            (i64,),
            "SELECT run_at FROM webhook_deliveries WHERE owner_id = $1 AND host = $2 AND status = 'waiting' \
             ORDER BY run_at LIMIT 1",
            owner,
            host,
        )?;
        let due_at = next.map(|(next,)| next.max(self.now() + millis(pause)));
        execute!(
            tx,
            "UPDATE webhook_receivers SET lease_owner = NULL, lease_token = NULL, lease_until = 0, due_at = $3, \
             failures = $4 WHERE owner_id = $1 AND host = $2",
            owner,
            host,
            due_at,
            i64::from(failures),
        )?;
        tx.signal(Signal::Deliveries).await?;
        tx.commit().await
    }

    /// Forgets deliveries that ended before so long, and receivers that
    /// nothing waits for.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn forget_deliveries(&self, kept: Duration) -> Result<u64, Error> {
        let mut conn = self.db.read().await?;
        execute!(
            conn,
            "DELETE FROM webhook_deliveries WHERE ended_at IS NOT NULL AND ended_at < $1",
            self.now() - millis(kept),
        )
    }
}

//! Deliveries as their owner sees them.

use chrono::{DateTime, Utc};
use modelferry_providers::SafeUrl;
use sqlx::{AssertSqlSafe, FromRow};

use super::make_due;
use crate::error::{Code, Error};
use crate::records::db::{execute, fetch_all, fetch_optional};
use crate::records::{Records, from_json, time, to_json, word};
use crate::upload::words;

words!(
    /// Where a delivery stands.
    DeliveryStatus {
        /// To be sent, for the first time or again.
        Waiting = "waiting",
        /// The receiver has it.
        Delivered = "delivered",
        /// Given up.
        Dead = "dead",
    }
);

/// A delivery, without its body.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryRow {
    /// Its id.
    pub id: String,
    /// What sort of event.
    pub kind: String,
    /// Where to. Shown without its query.
    pub url: SafeUrl,
    /// The upload that it is about.
    pub upload_id: Option<String>,
    /// Where it stands.
    pub status: DeliveryStatus,
    /// Tries so far.
    pub attempts: u32,
    /// When it is tried next, while it waits.
    pub run_at: DateTime<Utc>,
    /// Why the last try failed.
    pub last_error: Option<String>,
    /// When it happened.
    pub created_at: DateTime<Utc>,
    /// When it was delivered or given up.
    pub ended_at: Option<DateTime<Utc>>,
}

/// Which deliveries to list.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    /// Only those that stand here.
    pub status: Option<DeliveryStatus>,
    /// The id after which to go on, newest first.
    pub after: Option<String>,
    /// At most so many.
    pub limit: u32,
}

const COLUMNS: &str =
    "id, kind, url, upload_id, status, attempts, run_at, last_error, created_at, ended_at";

impl Records {
    /// Deliveries of this owner, newest first. Those that ended are kept for
    /// some days.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn deliveries(
        &self,
        owner: &str,
        filter: &DeliveryFilter,
    ) -> Result<Vec<DeliveryRow>, Error> {
        let mut conn = self.db.read().await?;
        let rows = fetch_all!(
            conn,
            Row,
            AssertSqlSafe(format!(
                "SELECT {COLUMNS} FROM webhook_deliveries WHERE owner_id = $1 AND ($2 IS NULL OR status = $2) \
                 AND ($3 IS NULL OR id < $3) ORDER BY id DESC LIMIT $4"
            )),
            owner,
            filter.status.map(DeliveryStatus::as_str),
            filter.after.as_deref(),
            i64::from(filter.limit),
        )?;
        rows.into_iter().map(Row::read).collect()
    }

    /// Sends a delivery of this owner once more, as soon as can be. `None`: it
    /// waits for that already.
    ///
    /// # Errors
    /// [`Code::NotFound`] when this owner has none of that id.
    pub async fn redeliver(&self, owner: &str, id: &str) -> Result<Option<DeliveryRow>, Error> {
        let mut tx = self.db.write().await?;
        let at = self.now();
        let found = fetch_optional!(
            tx,
            (String, String),
            "SELECT host, status FROM webhook_deliveries WHERE id = $1 AND owner_id = $2",
            id,
            owner,
        )?;
        let Some((host, status)) = found else {
            let message = format!("there is no delivery {}", id.escape_debug());
            return Err(Error::new(Code::NotFound, message).hint(
                "those that ended are kept for 7 days; `modelferry webhooks list` shows them",
            ));
        };
        if status == DeliveryStatus::Waiting.as_str() {
            return Ok(None);
        }
        // It has a day of tries before it again, as a new one has.
        execute!(
            tx,
            "UPDATE webhook_deliveries SET status = 'waiting', attempts = 0, run_at = $2, created_at = $2, \
             ended_at = NULL, last_error = NULL WHERE id = $1",
            id,
            at,
        )?;
        make_due(&mut tx, owner, &host, at).await?;
        let sql = AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM webhook_deliveries WHERE id = $1"
        ));
        let row = fetch_optional!(tx, Row, sql, id)?;
        tx.commit().await?;
        row.map(Row::read).transpose()
    }
}

#[derive(FromRow)]
struct Row {
    id: String,
    kind: String,
    url: String,
    upload_id: Option<String>,
    status: String,
    attempts: i64,
    run_at: i64,
    last_error: Option<String>,
    created_at: i64,
    ended_at: Option<i64>,
}

impl Row {
    fn read(self) -> Result<DeliveryRow, Error> {
        Ok(DeliveryRow {
            id: self.id,
            kind: self.kind,
            url: from_json("a webhook's URL", &to_json(&self.url)?)?,
            upload_id: self.upload_id,
            status: word("a delivery's status", &self.status)?,
            attempts: u32::try_from(self.attempts).unwrap_or(u32::MAX),
            run_at: time(self.run_at),
            last_error: self.last_error,
            created_at: time(self.created_at),
            ended_at: self.ended_at.map(time),
        })
    }
}

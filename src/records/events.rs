//! What happened to an upload, in order, for whoever watches it.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::db::{Tx, execute, fetch_all, fetch_optional};
use super::signals::Signal;
use super::{Claim, Records, from_db, from_json, time, to_db, to_json, word};
use crate::error::{Code, Error};
use crate::upload::UploadStatus;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRow {
    /// Its place among the upload's events, from 1.
    pub seq: i64,
    /// `status` or `warning`.
    pub kind: String,
    /// What.
    pub data: Value,
    /// When.
    pub at: DateTime<Utc>,
}

/// How an upload stands, as far as a watcher wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glance {
    /// Where it stands.
    pub status: UploadStatus,
    /// Bytes that are here.
    pub done_bytes: u64,
    /// Bytes in all, once they are known.
    pub total_bytes: Option<u64>,
    /// Whether somebody works on it right now.
    pub is_worked_on: bool,
}

impl Records {
    /// What happened to an upload after this place, in order.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn events_after(&self, upload: &str, seq: i64) -> Result<Vec<EventRow>, Error> {
        let mut conn = self.db.read().await?;
        let rows = fetch_all!(
            conn,
            (i64, String, String, i64),
            "SELECT seq, kind, data, created_at FROM events WHERE upload_id = $1 AND seq > $2 ORDER BY seq",
            upload,
            seq,
        )?;
        rows.into_iter()
            .map(|(seq, kind, data, at)| {
                let data = from_json("an event", &data)?;
                let at = time(at);
                Ok(EventRow {
                    seq,
                    kind,
                    data,
                    at,
                })
            })
            .collect()
    }

    /// How an upload stands right now.
    ///
    /// # Errors
    /// [`Code::NotFound`] when there is none of that id.
    pub async fn glance(&self, upload: &str) -> Result<Glance, Error> {
        let mut conn = self.db.read().await?;
        let found = fetch_optional!(
            conn,
            (String, Option<i64>, Option<i64>, Option<i64>),
            "SELECT u.status, u.file_size, j.done_bytes, j.lease_until FROM uploads u \
             LEFT JOIN jobs j ON j.upload_id = u.id WHERE u.id = $1",
            upload,
        )?;
        let Some((status, total, done, lease_until)) = found else {
            return Err(Error::new(Code::NotFound, "there is no such upload"));
        };
        Ok(Glance {
            status: word("a status", &status)?,
            done_bytes: from_db(done.unwrap_or_default()),
            total_bytes: total.map(from_db),
            is_worked_on: lease_until.is_some_and(|until| until > self.now()),
        })
    }

    /// Keeps how many bytes are here, for watchers of any process. `false`:
    /// the lease is lost.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn save_progress(&self, claim: &Claim, done: u64) -> Result<bool, Error> {
        let mut conn = self.db.read().await?;
        let saved = execute!(
            conn,
            "UPDATE jobs SET done_bytes = $3 WHERE upload_id = $1 AND lease_token = $2",
            claim.upload_id(),
            claim.token(),
            to_db(done),
        )?;
        Ok(saved == 1)
    }

    /// Keeps something worth knowing about a file, for watchers of any process.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn warn(&self, upload: &str, path: &str, message: &str) -> Result<(), Error> {
        let mut tx = self.db.write().await?;
        put_warning(&mut tx, upload, path, message, self.now()).await?;
        tx.commit().await
    }
}

/// A move of the record, in the transaction that moves it.
pub(super) async fn put_status(
    tx: &mut Tx,
    upload: &str,
    status: UploadStatus,
    error: Option<&Error>,
    at: i64,
) -> Result<(), Error> {
    let mut data = json!({ "status": status });
    if let Some(error) = error {
        data["error"] = json!({ "code": error.code, "message": error.message, "hint": error.hint });
    }
    put_event(tx, upload, "status", &data, at).await
}

/// Something worth knowing, in the transaction that it belongs to.
pub(super) async fn put_warning(
    tx: &mut Tx,
    upload: &str,
    path: &str,
    message: &str,
    at: i64,
) -> Result<(), Error> {
    let data = json!({ "path": path, "message": message });
    put_event(tx, upload, "warning", &data, at).await
}

async fn put_event(
    tx: &mut Tx,
    upload: &str,
    kind: &str,
    data: &Value,
    at: i64,
) -> Result<(), Error> {
    let data = to_json(data)?;
    let mut put = 0;
    // Another transaction may take the place while this one looks for it.
    while put == 0 {
        put = execute!(
            tx,
            "INSERT INTO events (upload_id, seq, kind, data, created_at) \
             SELECT $1, COALESCE(MAX(seq), 0) + 1, $2, $3, $4 FROM events WHERE upload_id = $1 \
             ON CONFLICT (upload_id, seq) DO NOTHING",
            upload,
            kind,
            &data,
            at,
        )?;
    }
    tx.signal(Signal::Changed(upload.to_owned())).await
}

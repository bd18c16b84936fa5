//! Which blobs are needed, and by whom: what a collector of garbage has to know.
//!
//! A collector and an import agree without a lock, by each writing down what it
//! is about to do before it reads what the other has written. The import names
//! its blobs (its plan is saved), then looks for condemned ones and waits for
//! them. The collector condemns blobs, then looks whether somebody names them
//! now. Whoever comes second sees the other.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use modelferry_providers::Sha256;
use sqlx::AssertSqlSafe;

use super::db::{Conn, execute, fetch_all, fetch_optional};
use super::{Records, from_db, to_db, word};
use crate::error::{Code, Error};
use crate::storage::BlobEntry;

/// How long blobs stay condemned when their collector is not heard of again.
pub const CONDEMNED: Duration = Duration::from_secs(60);
/// How often an import looks whether a collector is done.
const POLL: Duration = Duration::from_millis(100);

/// Where an upload stands, for whoever cleans up after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is waiting or being worked on.
    Running,
    /// It failed, and a retry goes on from what it transferred.
    Resumable,
    /// It ended, and needs nothing that is staged.
    Over,
}

/// A file of something finished, as it should be in the storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// Its content.
    pub sha256: Sha256,
    /// Its length in bytes.
    pub size: u64,
    /// The upload that brought it.
    pub upload: String,
    /// Its owner.
    pub owner: String,
    /// Its place in the upload's plan.
    pub position: u32,
    /// Its path.
    pub path: String,
}

/// The codes of failures that keep what was transferred, for a `WHERE`.
fn resumable_codes() -> String {
    let codes = Code::ALL.iter().filter(|code| code.keeps_staged());
    let quoted: Vec<_> = codes.map(|code| format!("'{code}'")).collect();
    quoted.join(", ")
}

impl Records {
    /// Of these blobs those that something needs: an entity, an upload that
    /// ended well without one, one that is running or can be resumed. A running
    /// upload that does not know yet what a file will hash to may need any blob
    /// of the file's length.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn named(&self, blobs: &[BlobEntry]) -> Result<HashSet<Sha256>, Error> {
        let mut conn = self.db.read().await?;
        let mut named = HashSet::new();
        for blob in blobs {
            if is_named(&mut conn, blob).await? {
                named.insert(blob.sha256);
            }
        }
        Ok(named)
    }

    /// Whether this database ever stored or expected this blob.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn knows_blob(&self, blob: Sha256) -> Result<bool, Error> {
        let mut conn = self.db.read().await?;
        let found = fetch_optional!(
            conn,
            (i64,),
            "SELECT size FROM blobs WHERE sha256 = $1",
            blob.to_string(),
        )?;
        Ok(found.is_some())
    }

    /// Announces that these blobs are about to be removed. It holds for
    /// [`CONDEMNED`] from now.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn condemn(&self, worker: &str, blobs: &[Sha256]) -> Result<(), Error> {
        let until = self.now() + i64::try_from(CONDEMNED.as_millis()).unwrap_or(i64::MAX / 2);
        let mut tx = self.db.write().await?;
        // In one order, so that two collectors never wait for each other in a ring.
        for blob in blobs.iter().map(Sha256::to_string).collect::<BTreeSet<_>>() {
            execute!(
                tx,
                "INSERT INTO condemned (sha256, worker, until) VALUES ($1, $2, $3) \
                 ON CONFLICT (sha256) DO UPDATE SET worker = excluded.worker, until = excluded.until",
                blob,
                worker,
                until,
            )?;
        }
        tx.commit().await
    }

    /// Takes back what was announced; blobs that were removed are forgotten.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn acquit(&self, worker: &str, removed: &[Sha256]) -> Result<(), Error> {
        let mut tx = self.db.write().await?;
        for blob in removed
            .iter()
            .map(Sha256::to_string)
            .collect::<BTreeSet<_>>()
        {
            execute!(tx, "DELETE FROM blobs WHERE sha256 = $1", blob)?;
        }
        execute!(tx, "DELETE FROM condemned WHERE worker = $1", worker)?;
        tx.commit().await
    }

    /// Waits until every blob that is condemned now is gone or acquitted. To be
    /// called after the blobs of an upload are named and before any is used.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn outlast_collectors(&self) -> Result<(), Error> {
        let mut waited_for = self.condemned().await?;
        while !waited_for.is_empty() {
            tokio::time::sleep(POLL).await;
            let still = self.condemned().await?;
            waited_for.retain(|blob| still.contains(blob));
        }
        Ok(())
    }

    async fn condemned(&self) -> Result<HashSet<String>, Error> {
        let mut conn = self.db.read().await?;
        let rows = fetch_all!(
            conn,
            (String,),
            "SELECT sha256 FROM condemned WHERE until > $1",
            self.now(),
        )?;
        Ok(rows.into_iter().map(|(blob,)| blob).collect())
    }

    /// Where an upload of anybody's stands; `None` when this database has none
    /// of that id.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn standing(&self, upload: &str) -> Result<Option<Standing>, Error> {
        let mut conn = self.db.read().await?;
        let found = fetch_optional!(
            conn,
            (String, Option<String>),
            "SELECT status, error_code FROM uploads WHERE id = $1",
            upload,
        )?;
        Ok(found.map(|(status, code)| match status.as_str() {
            "imported" | "complete" => Standing::Over,
            "failed" => {
                let keeps = |code: &Code| code.keeps_staged();
                let known = Code::ALL
                    .iter()
                    .find(|it| code.as_deref() == Some(it.as_str()));
                if known.is_some_and(keeps) {
                    Standing::Resumable
                } else {
                    Standing::Over
                }
            }
            _ => Standing::Running,
        }))
    }

    /// Whether an entity of anybody's has this id.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn is_entity(&self, id: &str) -> Result<bool, Error> {
        let mut conn = self.db.read().await?;
        let found = fetch_optional!(conn, (String,), "SELECT id FROM entities WHERE id = $1", id)?;
        Ok(found.is_some())
    }

    /// The ids of all uploads that ended in failure.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn failed_uploads(&self) -> Result<Vec<String>, Error> {
        let mut conn = self.db.read().await?;
        let rows = fetch_all!(
            conn,
            (String,),
            "SELECT id FROM uploads WHERE status = 'failed'"
        )?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// The files of everything that ended well, or of one upload or entity,
    /// by hash: at most `limit` of them after the blob `after`.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn holdings(
        &self,
        of: Option<&str>,
        after: Option<Sha256>,
        limit: u32,
    ) -> Result<Vec<Holding>, Error> {
        let mut conn = self.db.read().await?;
        let rows = fetch_all!(
            conn,
            (String, i64, String, String, i64, String),
            "SELECT a.sha256, a.size, u.id, u.owner_id, a.position, a.path \
             FROM artifacts a JOIN uploads u ON u.id = a.upload_id \
             WHERE u.status IN ('imported', 'complete') AND a.status = 'stored' \
             AND ($1 = '' OR u.id = $1 OR u.entity_id = $1) AND a.sha256 > $2 \
             ORDER BY a.sha256, u.created_at DESC LIMIT $3",
            of.unwrap_or_default(),
            after.map_or_else(String::new, |blob| blob.to_string()),
            i64::from(limit),
        )?;
        rows.into_iter()
            .map(|(sha256, size, upload, owner, position, path)| {
                Ok(Holding {
                    sha256: word("a hash", &sha256)?,
                    size: from_db(size),
                    upload,
                    owner,
                    position: u32::try_from(position).unwrap_or(u32::MAX),
                    path,
                })
            })
            .collect()
    }
}

async fn is_named(conn: &mut Conn, blob: &BlobEntry) -> Result<bool, Error> {
    // A hub's length may be rounded: what is nearly as long is as long.
    let slack = blob.size / 64 + 2048;
    // Every part is a literal of this program.
    let sql = AssertSqlSafe(format!(
        "SELECT 1 FROM entity_files WHERE sha256 = $1 \
         UNION ALL SELECT 1 FROM artifacts a JOIN uploads u ON u.id = a.upload_id \
         WHERE a.sha256 = $1 AND a.status <> 'refused' AND (u.status <> 'failed' OR u.error_code IN ({})) \
         UNION ALL SELECT 1 FROM artifacts a JOIN uploads u ON u.id = a.upload_id \
         WHERE a.sha256 IS NULL AND u.status = 'pending' AND (a.size IS NULL OR a.size BETWEEN $2 AND $3) \
         UNION ALL SELECT 1 FROM uploads u \
         WHERE u.source = 'multipart' AND u.status = 'pending' AND (u.file_size IS NULL OR u.file_size BETWEEN $2 AND $3) \
         LIMIT 1",
        resumable_codes()
    ));
    let found = fetch_optional!(
        conn,
        (i32,),
        sql,
        blob.sha256.to_string(),
        to_db(blob.size.saturating_sub(slack)),
        to_db(blob.size.saturating_add(slack)),
    )?;
    Ok(found.is_some())
}

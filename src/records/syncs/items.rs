//! What a sync has seen: one row a source.

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, FromRow};

use super::SyncClaim;
use crate::error::Error;
use crate::records::db::{execute, fetch_all, fetch_optional};
use crate::records::{Records, from_db, time, to_db};

/// One source that a sync has seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SyncItem {
    /// The source, without a revision.
    pub source: String,
    /// The revision last imported, or found too large; `None`: never yet.
    pub revision: Option<String>,
    /// How it was taken then: its request's key.
    pub request_key: Option<String>,
    /// The upload that imported it.
    pub upload_id: Option<String>,
    /// How large it was, where that was too large to be imported.
    pub size: Option<u64>,
    /// Since when it is no longer in the list.
    pub missing_since: Option<DateTime<Utc>>,
}

/// A source with whether what was imported of it is still there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownItem {
    /// The source.
    pub item: SyncItem,
    /// Whether its upload is there and ended well.
    pub is_held: bool,
}

const SELECT: &str = "SELECT i.source, i.revision, i.request_key, i.upload_id, i.size, i.missing_since, u.status \
     FROM sync_items i LEFT JOIN uploads u ON u.id = i.upload_id AND u.request_key <> ''";

impl Records {
    /// Notes what was found of one source. `false`: the lease is lost.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn note_item(&self, claim: &SyncClaim, item: &SyncItem) -> Result<bool, Error> {
        let Some((mut tx, _)) = self.leased_sync(claim).await? else {
            return Ok(false);
        };
        execute!(
            tx,
            "INSERT INTO sync_items (sync_id, source, revision, request_key, upload_id, size, missing_since) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (sync_id, source) DO UPDATE SET \
             revision = excluded.revision, request_key = excluded.request_key, upload_id = excluded.upload_id, \
             size = excluded.size, missing_since = excluded.missing_since",
            &claim.sync.id,
            &item.source,
            item.revision.as_deref(),
            item.request_key.as_deref(),
            item.upload_id.as_deref(),
            item.size.map(to_db),
            item.missing_since.map(|at| at.timestamp_millis()),
        )?;
        tx.commit().await?;
        Ok(true)
    }

    /// What a sync has seen so far, by source: at most `limit` of them after
    /// the source `after`.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn sync_items(
        &self,
        sync: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<KnownItem>, Error> {
        let mut conn = self.db.read().await?;
        // Every part is a literal of this file.
        let sql = AssertSqlSafe(format!(
            "{SELECT} WHERE i.sync_id = $1 AND i.source > $2 ORDER BY i.source LIMIT $3"
        ));
        let rows = fetch_all!(
            conn,
            Row,
            sql,
            sync,
            after.unwrap_or_default(),
            i64::from(limit)
        )?;
        Ok(rows.into_iter().map(Row::read).collect())
    }

    /// What a sync knows of one source.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn sync_item(&self, sync: &str, source: &str) -> Result<Option<KnownItem>, Error> {
        let mut conn = self.db.read().await?;
        let sql = AssertSqlSafe(format!("{SELECT} WHERE i.sync_id = $1 AND i.source = $2"));
        let row = fetch_optional!(conn, Row, sql, sync, source)?;
        Ok(row.map(Row::read))
    }
}

#[derive(FromRow)]
struct Row {
    source: String,
    revision: Option<String>,
    request_key: Option<String>,
    upload_id: Option<String>,
    size: Option<i64>,
    missing_since: Option<i64>,
    status: Option<String>,
}

impl Row {
    fn read(self) -> KnownItem {
        KnownItem {
            is_held: matches!(self.status.as_deref(), Some("imported" | "complete")),
            item: SyncItem {
                source: self.source,
                revision: self.revision,
                request_key: self.request_key,
                upload_id: self.upload_id,
                size: self.size.map(from_db),
                missing_since: self.missing_since.map(time),
            },
        }
    }
}

//! Since when contents are here.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::db::fetch_all;
use super::{Records, time};
use crate::error::Error;

/// When contents came into the storage, by the places of their files in a plan.
pub type StoredAt = HashMap<u32, DateTime<Utc>>;

impl Records {
    /// When the content of each of an upload's files came into the storage, by
    /// this upload or an earlier one.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn stored_at(&self, upload: &str) -> Result<StoredAt, Error> {
        let mut conn = self.db.read().await?;
        let rows = fetch_all!(
            conn,
            (i64, i64),
            "SELECT artifacts.position, blobs.created_at FROM artifacts \
             JOIN blobs ON blobs.sha256 = artifacts.sha256 WHERE artifacts.upload_id = $1",
            upload,
        )?;
        let placed = |(position, at)| Some((u32::try_from(position).ok()?, time(at)));
        Ok(rows.into_iter().filter_map(placed).collect())
    }
}

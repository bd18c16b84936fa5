//! What single owners may have, where that differs from what all may.

use super::db::{execute, fetch_optional};
use super::{Records, from_db, to_db};
use crate::error::Error;

/// An owner's own limits; `None`: those that all have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OwnerLimits {
    /// Uploads in the queue.
    pub max_queued: Option<u32>,
    /// Bytes held and asked for.
    pub max_bytes: Option<u64>,
}

impl Records {
    /// An owner's own limits.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn owner_limits(&self, owner: &str) -> Result<OwnerLimits, Error> {
        let mut conn = self.db.read().await?;
        let sql = "SELECT max_queued, max_bytes FROM owner_limits WHERE owner_id = $1";
        let found = fetch_optional!(conn, (Option<i64>, Option<i64>), sql, owner)?;
        let (queued, bytes) = found.unwrap_or_default();
        Ok(OwnerLimits {
            max_queued: queued.map(|queued| u32::try_from(queued).unwrap_or(u32::MAX)),
            max_bytes: bytes.map(from_db),
        })
    }

    /// Sets an owner's own limits.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn set_owner_limits(&self, owner: &str, limits: OwnerLimits) -> Result<(), Error> {
        let mut conn = self.db.read().await?;
        execute!(
            conn,
            "INSERT INTO owner_limits (owner_id, max_queued, max_bytes) VALUES ($1, $2, $3) \
             ON CONFLICT (owner_id) DO UPDATE SET max_queued = excluded.max_queued, max_bytes = excluded.max_bytes",
            owner,
            limits.max_queued.map(i64::from),
            limits.max_bytes.map(to_db),
        )?;
        Ok(())
    }
}

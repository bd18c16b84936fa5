//! What an owner has, and has asked for.

use super::db::fetch_optional;
use super::{Records, from_db};
use crate::error::Error;

/// Bytes of one owner.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OwnerBytes {
    /// In models, assets and completed uploads; a content held twice counts once.
    pub stored: u64,
    /// Of uploads that have not ended, as far as their sizes are known.
    pub expected: u64,
}

impl OwnerBytes {
    /// Both together.
    pub const fn total(self) -> u64 {
        self.stored.saturating_add(self.expected)
    }
}

impl Records {
    /// Adds up what an owner has, and has asked for.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn owner_bytes(&self, owner: &str) -> Result<OwnerBytes, Error> {
        let mut conn = self.db.read().await?;
        let stored = fetch_optional!(
            conn,
            (i64,),
            "SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM ( \
             SELECT f.sha256, f.size FROM entities e JOIN entity_files f ON f.entity_id = e.id WHERE e.owner_id = $1 \
             UNION SELECT a.sha256, a.size FROM uploads u JOIN artifacts a ON a.upload_id = u.id \
             WHERE u.owner_id = $1 AND u.status = 'complete' AND a.status = 'stored') AS files",
            owner,
        )?;
        let expected = fetch_optional!(
            conn,
            (i64,),
            "SELECT CAST(COALESCE(SUM(file_size), 0) AS BIGINT) FROM uploads \
             WHERE owner_id = $1 AND status IN ('pending', 'validating', 'validated')",
            owner,
        )?;
        Ok(OwnerBytes {
            stored: stored.map_or(0, |(bytes,)| from_db(bytes)),
            expected: expected.map_or(0, |(bytes,)| from_db(bytes)),
        })
    }
}

//! Who fetches what: a content that two uploads want at once is fetched once.

use std::collections::HashSet;

use super::db::{Tx, execute};
use super::{Claim, Records};
use crate::error::Error;

impl Records {
    /// Takes the sole right to fetch these contents, and says which were free.
    /// The others belong to uploads whose workers still have their lease: a
    /// right ends with the lease that it was taken under, and with the job.
    /// `None`: the lease is lost.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn reserve(
        &self,
        claim: &Claim,
        contents: &[&str],
    ) -> Result<Option<HashSet<String>>, Error> {
        let mut gained = HashSet::new();
        if contents.is_empty() {
            return Ok(Some(gained));
        }
        // In one order for all, so that two uploads never wait for each other.
        let mut contents = contents.to_vec();
        contents.sort_unstable();
        let Some(mut tx) = self.leased(claim).await? else {
            return Ok(None);
        };
        for content in contents {
            let taken = execute!(
                tx,
                "INSERT INTO fetches (content, upload_id, lease_token) VALUES ($1, $2, $3) \
                 ON CONFLICT (content) DO UPDATE SET upload_id = excluded.upload_id, lease_token = excluded.lease_token \
                 WHERE fetches.upload_id = excluded.upload_id OR NOT EXISTS \
                 (SELECT 1 FROM jobs WHERE jobs.upload_id = fetches.upload_id AND jobs.lease_token = fetches.lease_token AND jobs.lease_until > $4)",
                content,
                claim.upload_id(),
                claim.token(),
                self.now(),
            )?;
            if taken == 1 {
                gained.insert(content.to_owned());
            }
        }
        tx.commit().await?;
        Ok(Some(gained))
    }
}

/// An upload that ended fetches nothing more.
pub(super) async fn end_fetches(tx: &mut Tx, upload: &str) -> Result<(), Error> {
    execute!(tx, "DELETE FROM fetches WHERE upload_id = $1", upload)?;
    Ok(())
}

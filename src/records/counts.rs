//! What there is of each, for whoever watches the whole.

use super::Records;
use super::db::{fetch_all, fetch_optional};
use crate::error::Error;

/// The records, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Uploads by status and provider; a provider is empty until it is known.
    pub uploads: Vec<(String, String, i64)>,
    /// Failed uploads by code.
    pub errors: Vec<(String, i64)>,
    /// Jobs that wait.
    pub waiting: i64,
    /// Jobs that somebody works on.
    pub running: i64,
    /// Milliseconds that the oldest job waits that could be begun.
    pub oldest_wait: i64,
    /// Tries beyond the first of the jobs there are.
    pub retries: i64,
}

impl Records {
    /// Counts what there is.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn counts(&self) -> Result<Counts, Error> {
        let at = self.now();
        let mut conn = self.db.read().await?;
        let uploads = fetch_all!(
            conn,
            (String, String, i64),
            "SELECT status, COALESCE(provider, ''), COUNT(*) FROM uploads GROUP BY status, provider",
        )?;
        let errors = fetch_all!(
            conn,
            (String, i64),
            "SELECT error_code, COUNT(*) FROM uploads WHERE error_code IS NOT NULL GROUP BY error_code",
        )?;
        let jobs = fetch_optional!(
            conn,
            (i64, i64, i64, i64),
            "SELECT CAST(COALESCE(SUM(CASE WHEN lease_until <= $1 THEN 1 ELSE 0 END), 0) AS BIGINT), \
             CAST(COALESCE(SUM(CASE WHEN lease_until > $1 THEN 1 ELSE 0 END), 0) AS BIGINT), \
             CAST(COALESCE(MAX(CASE WHEN lease_until <= $1 AND run_at <= $1 THEN $1 - run_at ELSE 0 END), 0) AS BIGINT), \
             CAST(COALESCE(SUM(CASE WHEN attempt > 1 THEN attempt - 1 ELSE 0 END), 0) AS BIGINT) FROM jobs",
            at,
        )?;
        let (waiting, running, oldest_wait, retries) = jobs.unwrap_or_default();
        Ok(Counts {
            uploads,
            errors,
            waiting,
            running,
            oldest_wait,
            retries,
        })
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), Error> {
        let mut conn = self.db.read().await?;
        fetch_optional!(conn, (String,), "SELECT id FROM jobs LIMIT 1")?;
        Ok(())
    }
}

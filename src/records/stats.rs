//! What an owner's imports came to, added up by the database.

use super::Records;
use super::db::{fetch_all, fetch_optional};
use super::{from_db, time, word};
use crate::error::Error;
use crate::upload::{UploadStatus, words};

/// A span of time, cut into steps.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// Its beginning, in milliseconds since 1970.
    pub since: i64,
    /// Milliseconds a step.
    pub step: i64,
}

words!(
    /// A part of the statistics: none is added up that nobody asked for.
    StatsField {
        /// Uploads by where they stand, of all time.
        Uploads = "uploads",
        /// What ended in each step.
        Steps = "steps",
        /// Failures by code.
        Failures = "failures",
        /// What there is now.
        Held = "held",
    }
);

/// An owner's imports, added up; what was not asked for is absent.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    /// Uploads by where they stand, of all time.
    pub uploads: Option<Vec<(UploadStatus, u64)>>,
    /// What ended in each step, by provider; steps of nothing are left out.
    pub steps: Option<Vec<StepStats>>,
    /// Failures within the span, by code; the most frequent first.
    pub failures: Option<Vec<FailureStats>>,
    /// What there is now.
    pub held: Option<HeldStats>,
}

/// What ended within one step, of one provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepStats {
    /// Which step, from 0.
    pub step: i64,
    /// The provider; empty where an upload ended before it was known.
    pub provider: String,
    /// Uploads that ended well.
    pub finished: u64,
    /// Uploads that failed.
    pub failed: u64,
    /// Bytes that came over the wire.
    pub bytes_transferred: u64,
    /// Bytes that were here already.
    pub bytes_reused: u64,
}

/// Failures of one code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureStats {
    /// The code.
    pub code: String,
    /// How many.
    pub count: u64,
    /// When the last one was.
    pub last_at: chrono::DateTime<chrono::Utc>,
}

/// What an owner has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HeldStats {
    /// Models.
    pub models: u64,
    /// Everything else.
    pub assets: u64,
    /// Their files.
    pub files: u64,
    /// Bytes of those files.
    pub bytes: u64,
    /// Bytes of their distinct contents: what they take up.
    pub stored_bytes: u64,
}

impl Records {
    /// Adds up what an owner's imports came to, as far as it is asked for.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn stats(
        &self,
        owner: &str,
        span: Span,
        fields: &[StatsField],
    ) -> Result<Stats, Error> {
        let mut stats = Stats::default();
        for field in fields {
            match field {
                StatsField::Uploads => stats.uploads = Some(self.uploads_by_status(owner).await?),
                StatsField::Steps => stats.steps = Some(self.steps(owner, span).await?),
                StatsField::Failures => {
                    stats.failures = Some(self.failures(owner, span.since).await?);
                }
                StatsField::Held => stats.held = Some(self.held(owner).await?),
            }
        }
        Ok(stats)
    }

    async fn uploads_by_status(&self, owner: &str) -> Result<Vec<(UploadStatus, u64)>, Error> {
        let mut conn = self.db.read().await?;
        let rows = fetch_all!(
            conn,
            (String, i64),
            "SELECT status, COUNT(*) FROM uploads WHERE owner_id = $1 GROUP BY status",
            owner,
        )?;
        let read =
            |(status, count): (String, i64)| Ok((word("a status", &status)?, from_db(count)));
        rows.into_iter().map(read).collect()
    }

    async fn steps(&self, owner: &str, span: Span) -> Result<Vec<StepStats>, Error> {
        let mut conn = self.db.read().await?;
        // An upload's bytes are added up first: its row counts once.
        let rows = fetch_all!(
            conn,
            (i64, String, i64, i64, i64, i64),
            "SELECT step, provider, CAST(SUM(finished) AS BIGINT), CAST(SUM(failed) AS BIGINT), \
             CAST(SUM(transferred) AS BIGINT), CAST(SUM(reused) AS BIGINT) FROM ( \
                 SELECT (u.updated_at - $2) / $3 AS step, COALESCE(u.provider, '') AS provider, \
                 CASE WHEN u.status = 'failed' THEN 0 ELSE 1 END AS finished, \
                 CASE WHEN u.status = 'failed' THEN 1 ELSE 0 END AS failed, \
                 (SELECT COALESCE(SUM(a.bytes_transferred), 0) FROM artifacts a WHERE a.upload_id = u.id) AS transferred, \
                 (SELECT COALESCE(SUM(a.size), 0) FROM artifacts a WHERE a.upload_id = u.id AND a.reused) AS reused \
                 FROM uploads u WHERE u.owner_id = $1 AND u.updated_at >= $2 \
                 AND u.status IN ('imported', 'complete', 'failed')) AS ended \
             GROUP BY step, provider ORDER BY step, provider",
            owner,
            span.since,
            span.step,
        )?;
        let read = |(step, provider, finished, failed, transferred, reused)| StepStats {
            step,
            provider,
            finished: from_db(finished),
            failed: from_db(failed),
            bytes_transferred: from_db(transferred),
            bytes_reused: from_db(reused),
        };
        Ok(rows.into_iter().map(read).collect())
    }

    async fn failures(&self, owner: &str, since: i64) -> Result<Vec<FailureStats>, Error> {
        let mut conn = self.db.read().await?;
        let rows = fetch_all!(
            conn,
            (String, i64, i64),
            "SELECT error_code, COUNT(*), MAX(updated_at) FROM uploads WHERE owner_id = $1 AND status = 'failed' \
             AND updated_at >= $2 AND error_code IS NOT NULL GROUP BY error_code ORDER BY COUNT(*) DESC, error_code",
            owner,
            since,
        )?;
        let read = |(code, count, last_at)| FailureStats {
            code,
            count: from_db(count),
            last_at: time(last_at),
        };
        Ok(rows.into_iter().map(read).collect())
    }

    async fn held(&self, owner: &str) -> Result<HeldStats, Error> {
        let mut conn = self.db.read().await?;
        let entities = fetch_optional!(
            conn,
            (i64, i64),
            "SELECT CAST(COALESCE(SUM(CASE WHEN kind = 'model' THEN 1 ELSE 0 END), 0) AS BIGINT), \
             CAST(COALESCE(SUM(CASE WHEN kind = 'model' THEN 0 ELSE 1 END), 0) AS BIGINT) \
             FROM entities WHERE owner_id = $1",
            owner,
        )?;
        let files = fetch_optional!(
            conn,
            (i64, i64, i64),
            "SELECT CAST(COALESCE(SUM(times), 0) AS BIGINT), CAST(COALESCE(SUM(times * size), 0) AS BIGINT), \
             CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM ( \
                 SELECT f.sha256, f.size, COUNT(*) AS times FROM entity_files f \
                 JOIN entities e ON e.id = f.entity_id WHERE e.owner_id = $1 GROUP BY f.sha256, f.size) AS contents",
            owner,
        )?;
        let (models, assets) = entities.unwrap_or_default();
        let (files, bytes, stored_bytes) = files.unwrap_or_default();
        Ok(HeldStats {
            models: from_db(models),
            assets: from_db(assets),
            files: from_db(files),
            bytes: from_db(bytes),
            stored_bytes: from_db(stored_bytes),
        })
    }
}

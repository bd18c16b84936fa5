//! What there is of each, for whoever watches the whole.
//!
//! Uploads are never counted here: triggers keep tallies of them, so that a
//! look costs the same however many there are. Jobs are: only those are rows
//! that have not ended.

use super::Records;
use super::db::{Conn, fetch_all, fetch_optional};
use crate::error::Error;

/// One tally.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// A status or an error code; empty where there is but one of its name.
    pub label: String,
    /// The provider; empty until it is known.
    pub provider: String,
    /// How many.
    pub count: i64,
}

/// The records, counted since their beginning, by all processes together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tallies {
    /// Uploads there are, by status.
    pub uploads: Vec<Tally>,
    /// Failed uploads there are, by code.
    pub errors: Vec<Tally>,
    /// Moves there were, by the status they led to.
    pub moves: Vec<Tally>,
    /// Failures there were, by code.
    pub failures: Vec<Tally>,
    /// Bytes that came over the wire for files that ended.
    pub bytes: Vec<Tally>,
    /// Jobs that were begun.
    pub claims: i64,
    /// Of these, not for the first time.
    pub retries: i64,
}

/// The queue right now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Queue {
    /// Jobs that could be begun.
    pub waiting: i64,
    /// Jobs that wait for their time, after a failure.
    pub delayed: i64,
    /// Jobs that a worker has.
    pub running: i64,
    /// Processes that have any.
    pub workers: i64,
    /// Milliseconds that the oldest job waits that could be begun.
    pub oldest_wait: i64,
    /// Hosts that asked for a pause which is not over.
    pub paused_hosts: i64,
}

impl Records {
    /// What there is and was of each.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn tallies(&self) -> Result<Tallies, Error> {
        let mut conn = self.db.read().await?;
        let rows = fetch_all!(
            conn,
            (String, String, String, i64),
            "SELECT name, label, provider, CAST(SUM(count) AS BIGINT) FROM tallies \
             GROUP BY name, label, provider ORDER BY name, label, provider",
        )?;
        let mut tallies = Tallies::default();
        for (name, label, provider, count) in rows {
            let list = match name.as_str() {
                "uploads" => &mut tallies.uploads,
                "errors" => &mut tallies.errors,
                "moves" => &mut tallies.moves,
                "failures" => &mut tallies.failures,
                "bytes" => &mut tallies.bytes,
                "claims" => {
                    tallies.claims = count;
                    continue;
                }
                "retries" => {
                    tallies.retries = count;
                    continue;
                }
                // Of a newer version.
                _ => continue,
            };
            list.push(Tally {
                label,
                provider,
                count,
            });
        }
        Ok(tallies)
    }

    /// How the queue stands. Reads every job: not for each request.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn queue(&self) -> Result<Queue, Error> {
        let at = self.now();
        let mut conn = self.db.read().await?;
        let jobs = fetch_optional!(
            conn,
            (i64, i64, i64, i64, i64),
            "SELECT COUNT(CASE WHEN lease_until <= $1 AND run_at <= $1 THEN 1 END), \
             COUNT(CASE WHEN lease_until <= $1 AND run_at > $1 THEN 1 END), \
             COUNT(CASE WHEN lease_until > $1 THEN 1 END), \
             COUNT(DISTINCT CASE WHEN lease_until > $1 THEN lease_owner END), \
             CAST(COALESCE(MAX(CASE WHEN lease_until <= $1 AND run_at <= $1 THEN $1 - run_at END), 0) AS BIGINT) \
             FROM jobs",
            at,
        )?;
        let (waiting, delayed, running, workers, oldest_wait) = jobs.unwrap_or_default();
        Ok(Queue {
            waiting,
            delayed,
            running,
            workers,
            oldest_wait,
            paused_hosts: paused_hosts(&mut conn, at).await?,
        })
    }

    /// This process's connections: those that are open, and those of them that
    /// nobody uses.
    pub fn connections(&self) -> (u32, usize) {
        self.db.connections()
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

async fn paused_hosts(conn: &mut Conn, at: i64) -> Result<i64, Error> {
    let sql = "SELECT COUNT(*) FROM host_pauses WHERE paused_until > $1";
    let found = fetch_optional!(conn, (i64,), sql, at)?;
    Ok(found.map_or(0, |(count,)| count))
}

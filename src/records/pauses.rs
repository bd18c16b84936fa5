//! Hosts that asked to be left alone: every worker keeps to it.

use std::time::Duration;

use super::db::{execute, fetch_optional};
use super::jobs::millis;
use super::{Records, from_db};
use crate::error::Error;

impl Records {
    /// Leaves hosts alone from now on, for `wait`; one that is to be left
    /// alone for longer already stays so.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn pause_hosts(&self, hosts: &[&str], wait: Duration) -> Result<(), Error> {
        let at = self.now();
        let mut tx = self.db.write().await?;
        execute!(tx, "DELETE FROM host_pauses WHERE paused_until < $1", at)?;
        for host in hosts {
            execute!(
                tx,
                "INSERT INTO host_pauses (host, paused_until) VALUES ($1, $2) \
                 ON CONFLICT (host) DO UPDATE SET paused_until = excluded.paused_until \
                 WHERE host_pauses.paused_until < excluded.paused_until",
                *host,
                at + millis(wait),
            )?;
        }
        tx.commit().await
    }

    /// How long a host is still to be left alone.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn host_pause(&self, host: &str) -> Result<Option<Duration>, Error> {
        let at = self.now();
        let mut conn = self.db.read().await?;
        let sql = "SELECT paused_until FROM host_pauses WHERE host = $1 AND paused_until > $2";
        let found = fetch_optional!(conn, (i64,), sql, host, at)?;
        Ok(found.map(|(until,)| Duration::from_millis(from_db(until - at))))
    }
}

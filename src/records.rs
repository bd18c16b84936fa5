//! What is known of every upload, kept so that any worker can go on with it.
//!
//! A status moves only by one guarded update: the status it leaves and the
//! lease of the worker that moves it are in its `WHERE`. Such a call answers
//! `false` when the lease is lost; the worker then stops quietly.

mod alone;
mod artifacts;
mod changes;
mod counts;
mod credentials;
mod db;
mod deliveries;
mod entities;
mod events;
mod fetches;
mod holdings;
mod intakes;
mod jobs;
mod keys;
mod limits;
mod moves;
mod once;
mod pauses;
mod place;
mod queue;
mod signals;
mod stats;
mod stored;
mod syncs;
mod trouble;
mod uploads;
mod usage;
mod verdicts;
mod webhook_secrets;

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Utc};
use tokio::sync::broadcast;

pub use self::artifacts::{ArtifactRow, Stored};
pub use self::changes::{Change, Moving, Since, Waiting};
pub use self::counts::{Queue, Tallies, Tally};
pub use self::credentials::CredentialRow;
use self::db::{Db, fetch_optional};
pub use self::deliveries::{
    Announcement, DeliveryFailure, DeliveryFilter, DeliveryRow, DeliveryStatus, DueDelivery,
    Receiver,
};
pub use self::entities::{EntityFilter, EntityRow, ListedEntity};
pub use self::events::{EventRow, Glance};
pub use self::holdings::{CONDEMNED, Holding, Standing};
pub use self::intakes::{Intake, NewIntake};
pub use self::jobs::Claim;
pub use self::keys::ApiKey;
pub use self::limits::OwnerLimits;
pub use self::moves::{Entity, EntityFile};
pub use self::once::{Created, Once};
pub use self::place::{Database, PostgresTarget};
pub use self::queue::Terms;
pub use self::signals::{Following, Signal, wait_for};
pub use self::stats::{FailureStats, HeldStats, Span, Stats, StatsField, StepStats};
pub use self::stored::StoredAt;
pub use self::syncs::{
    Difference, KnownItem, MOST_NAMED, Named, NewSync, Pruned, RunCause, RunCounts, RunEnd, RunRow,
    RunStatus, SavedError, SyncClaim, SyncItem, SyncRow,
};
use self::trouble::unreadable;
pub use self::uploads::{Filter, NewUpload, UploadDetail, new_upload_id};
pub use self::usage::OwnerBytes;
pub use self::verdicts::Refused;
pub use self::webhook_secrets::WebhookSecretRow;
use crate::error::Error;

/// The records of one database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Records {
    db: Db,
    /// Milliseconds that the database's clock is ahead of this machine's.
    ahead: Arc<AtomicI64>,
}

impl Records {
    /// Opens a database, making or migrating its tables. A path means the
    /// embedded database in that file.
    ///
    /// # Errors
    /// [`Code::StorageError`](crate::error::Code::StorageError) when it can't
    /// be reached, opened or written.
    pub async fn open(place: impl Into<Database>) -> Result<Self, Error> {
        let place = place.into();
        let _alone = alone::alone(&place).await?;
        let records = Self {
            db: Db::open(&place).await?,
            ahead: Arc::default(),
        };
        records.set_clock().await?;
        Ok(records)
    }

    /// Closes the database, so that nothing is left to write.
    pub async fn close(&self) {
        self.db.close().await;
    }

    /// Takes a server's time as the time: leases of workers on several
    /// machines are then held against one clock.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn set_clock(&self) -> Result<(), Error> {
        if !self.db.is_server() {
            return Ok(());
        }
        let mut conn = self.db.read().await?;
        let before = Utc::now().timestamp_millis();
        let sql = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";
        let found = fetch_optional!(conn, (i64,), sql)?;
        let after = Utc::now().timestamp_millis();
        if let Some((there,)) = found {
            let here = before + (after - before) / 2;
            self.ahead.store(there - here, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Hears of work and of changes, from now on. On PostgreSQL also of those
    /// that other processes make.
    pub fn signals(&self) -> broadcast::Receiver<Signal> {
        self.db.subscribe()
    }

    /// Hears of changes to this upload alone, from now on: what to wait with
    /// where thousands do.
    pub fn following(&self, upload: &str) -> Following {
        self.db.following(upload)
    }

    /// Whether [`Records::signals`] tells what other processes do. Where it
    /// does not, whoever waits looks more often.
    pub fn hears_others(&self) -> bool {
        self.db.is_server()
    }

    /// Now, by the database's clock.
    fn now(&self) -> i64 {
        Utc::now().timestamp_millis() + self.ahead.load(Ordering::Relaxed)
    }
}

fn time(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis).unwrap_or_default()
}

fn word<T: FromStr<Err: std::fmt::Display>>(what: &str, text: &str) -> Result<T, Error> {
    text.parse().map_err(|error| unreadable(what, error))
}

fn from_json<T: serde::de::DeserializeOwned>(what: &str, text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| unreadable(what, error))
}

fn to_json<T: serde::Serialize>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::internal("writing a record", error))
}

/// Lengths come from hubs; a database integer ends at 2^63.
fn to_db(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn from_db(bytes: i64) -> u64 {
    u64::try_from(bytes).unwrap_or_default()
}

//! Who waits is woken: work in the queue, and changes to an upload.
//!
//! A signal is a wish, not a promise: one can be lost when a connection is.
//! Whoever waits for one also looks for itself from time to time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::postgres::{PgListener, PgPool};
use tokio::sync::broadcast;

/// The PostgreSQL channel.
pub(super) const CHANNEL: &str = "modelferry";
/// No upload has such an id.
const DELIVERIES: &str = "deliveries";
/// Signals that a slow reader may lag behind.
const BACKLOG: usize = 1024;

/// Something happened that somebody may wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// A job can be claimed.
    Work,
    /// Somebody's receiver is to be told something.
    Deliveries,
    /// The upload with this id changed.
    Changed(String),
}

impl Signal {
    /// As it goes through PostgreSQL.
    pub(super) fn payload(&self) -> &str {
        match self {
            Self::Work => "",
            Self::Deliveries => DELIVERIES,
            Self::Changed(upload) => upload,
        }
    }

    fn read(payload: &str) -> Self {
        match payload {
            "" => Self::Work,
            DELIVERIES => Self::Deliveries,
            upload => Self::Changed(upload.to_owned()),
        }
    }
}

/// The signals of this process; on PostgreSQL also those of the others.
#[derive(Debug, Clone)]
pub(super) struct Signals {
    sender: broadcast::Sender<Signal>,
    listening: Arc<AtomicBool>,
}

impl Default for Signals {
    fn default() -> Self {
        Self {
            sender: broadcast::Sender::new(BACKLOG),
            listening: Arc::default(),
        }
    }
}

impl Signals {
    pub fn send(&self, signal: Signal) {
        // Nobody waits: nobody needs it.
        let _ = self.sender.send(signal);
    }

    pub fn subscribe(&self) -> broadcast::Receiver<Signal> {
        self.sender.subscribe()
    }

    /// Hears what other processes say, from now on until the pool is closed.
    pub fn listen(&self, pool: &PgPool) {
        if !self.listening.swap(true, Ordering::Relaxed) {
            tokio::spawn(forward(pool.clone(), self.sender.clone()));
        }
    }
}

async fn forward(pool: PgPool, sender: broadcast::Sender<Signal>) {
    while !pool.is_closed() {
        if let Err(error) = forward_until_cut(&pool, &sender).await {
            tracing::debug!(%error, "the database's signals were cut off");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn forward_until_cut(
    pool: &PgPool,
    sender: &broadcast::Sender<Signal>,
) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    // What came while nobody listened is not said again.
    let _ = sender.send(Signal::Work);
    loop {
        let notification = listener.recv().await?;
        let _ = sender.send(Signal::read(notification.payload()));
    }
}

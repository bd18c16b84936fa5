//! Who waits is woken: work in the queue, and changes to an upload.
//!
//! A signal is a wish, not a promise: one can be lost when a connection is.
//! Whoever waits for one also looks for itself from time to time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgListener, PgPool};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Semaphore, broadcast, watch};
use tokio::time::timeout;

/// The PostgreSQL channel.
pub(super) const CHANNEL: &str = "modelferry";
/// No upload has such an id.
const DELIVERIES: &str = "deliveries";
/// Signals that a slow reader may lag behind.
const BACKLOG: usize = 1024;
/// What is committed is committed: nobody waits longer for others to hear of it.
const SAYING: Duration = Duration::from_secs(2);

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

/// Returns when a signal that is wanted came, or may have been missed, or after
/// `most`: whoever waits then looks for itself.
pub async fn wait_for(
    signals: &mut broadcast::Receiver<Signal>,
    most: Duration,
    is_wanted: impl Fn(&Signal) -> bool,
) {
    let said = async {
        loop {
            match signals.recv().await {
                Ok(signal) if !is_wanted(&signal) => {}
                Ok(_) | Err(RecvError::Lagged(_)) => return,
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    };
    // Time is up: that is the other way to return.
    let _ = timeout(most, said).await;
}

/// The signals of this process; on PostgreSQL also those of the others.
#[derive(Debug, Clone)]
pub(super) struct Signals {
    heard: Heard,
    listening: Arc<AtomicBool>,
    said: Arc<Said>,
}

/// What is to be said to all processes.
#[derive(Debug)]
struct Said {
    waiting: Mutex<Vec<Signal>>,
    /// Whoever has it says what all the others wait with.
    turn: Semaphore,
}

/// Who hears: some hear everything, and many one upload each.
#[derive(Debug, Clone)]
struct Heard {
    all: broadcast::Sender<Signal>,
    uploads: Arc<Mutex<HashMap<String, watch::Sender<()>>>>,
}

/// Hears of changes to one upload.
#[derive(Debug)]
pub struct Following {
    upload: String,
    receiver: watch::Receiver<()>,
    heard: Heard,
}

impl Following {
    /// Returns once there may have been a change since the last time.
    pub async fn next(&mut self) {
        // Its sender lives for as long as this does.
        let _ = self.receiver.changed().await;
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let mut uploads = self.heard.uploads();
        // This one is still among them.
        if let Some(sender) = uploads.get(&self.upload)
            && sender.receiver_count() <= 1
        {
            uploads.remove(&self.upload);
        }
    }
}

impl Heard {
    fn uploads(&self) -> MutexGuard<'_, HashMap<String, watch::Sender<()>>> {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, signal: Signal) {
        if let Signal::Changed(upload) = &signal
            && let Some(sender) = self.uploads().get(upload)
        {
            sender.send_replace(());
        }
        // Nobody waits: nobody needs it.
        let _ = self.all.send(signal);
    }

    /// What came while nobody listened is not said again: all look.
    fn send_all(&self) {
        for sender in self.uploads().values() {
            sender.send_replace(());
        }
        let _ = self.all.send(Signal::Work);
    }

    fn following(&self, upload: &str) -> Following {
        let mut uploads = self.uploads();
        let sender = uploads
            .entry(upload.to_owned())
            .or_insert_with(|| watch::Sender::new(()));
        Following {
            upload: upload.to_owned(),
            receiver: sender.subscribe(),
            heard: self.clone(),
        }
    }
}

impl Default for Signals {
    fn default() -> Self {
        Self {
            heard: Heard {
                all: broadcast::Sender::new(BACKLOG),
                uploads: Arc::default(),
            },
            listening: Arc::default(),
            said: Arc::new(Said {
                waiting: Mutex::default(),
                turn: Semaphore::new(1),
            }),
        }
    }
}

impl Signals {
    /// Tells this process.
    pub fn send(&self, signal: Signal) {
        self.heard.send(signal);
    }

    /// Tells every process. Outside of the transaction that gave the reason: a
    /// transaction with a `NOTIFY` commits alone, one after the other, and each
    /// would wait for the disk by itself.
    pub async fn say(&self, pool: &PgPool, signals: Vec<Signal>) {
        if signals.is_empty() {
            return;
        }
        self.said.waiting().extend(signals);
        if timeout(SAYING, self.said.say_all(pool)).await.is_err() {
            tracing::debug!("others will find out for themselves what changed");
        }
    }

    pub fn subscribe(&self) -> broadcast::Receiver<Signal> {
        self.heard.all.subscribe()
    }

    pub fn following(&self, upload: &str) -> Following {
        self.heard.following(upload)
    }

    /// Hears what other processes say, from now on until the pool is closed.
    pub fn listen(&self, pool: &PgPool) {
        if !self.listening.swap(true, Ordering::Relaxed) {
            tokio::spawn(forward(pool.clone(), self.heard.clone()));
        }
    }
}

impl Said {
    fn waiting(&self) -> MutexGuard<'_, Vec<Signal>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn say_all(&self, pool: &PgPool) {
        let Ok(_turn) = self.turn.acquire().await else {
            return;
        };
        let signals = std::mem::take(&mut *self.waiting());
        if signals.is_empty() {
            return;
        }
        let payloads: Vec<&str> = signals.iter().map(Signal::payload).collect();
        // PostgreSQL itself leaves out what is said twice.
        let said =
            sqlx::query("SELECT pg_notify($1, payload) FROM UNNEST($2::TEXT[]) AS said (payload)")
                .bind(CHANNEL)
                .bind(payloads)
                .execute(pool)
                .await;
        if let Err(error) = said {
            tracing::debug!(%error, "others will find out for themselves what changed");
        }
    }
}

async fn forward(pool: PgPool, heard: Heard) {
    while !pool.is_closed() {
        if let Err(error) = forward_until_cut(&pool, &heard).await {
            tracing::debug!(%error, "the database's signals were cut off");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn forward_until_cut(pool: &PgPool, heard: &Heard) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    heard.send_all();
    loop {
        // `None` is a connection that was lost and made anew.
        match listener.try_recv().await? {
            Some(notification) => heard.send(Signal::read(notification.payload())),
            None => heard.send_all(),
        }
    }
}

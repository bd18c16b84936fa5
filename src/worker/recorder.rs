//! Writes down what happens to an upload, for watchers of other processes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::Instrument;

use crate::progress::{Event, Observer};
use crate::records::{Claim, Records};

/// How often progress is written down, where there is any.
const PACE: Duration = Duration::from_millis(500);

/// One upload's recorder.
pub(super) struct Recorder {
    heard: Arc<Heard>,
    writer: JoinHandle<()>,
}

#[derive(Debug)]
struct Heard {
    done: AtomicU64,
    warnings: mpsc::UnboundedSender<(String, String)>,
}

impl Recorder {
    /// Begins to write down what the observer hears.
    pub fn start(records: &Records, claim: &Claim) -> Self {
        // Bounded by the plan: a few warnings a file.
        let (warnings, said) = mpsc::unbounded_channel();
        let heard = Arc::new(Heard {
            done: AtomicU64::new(0),
            warnings,
        });
        let writer = Writer {
            records: records.clone(),
            claim: claim.clone(),
            heard: Arc::downgrade(&heard),
            written: 0,
        };
        Self {
            heard,
            writer: tokio::spawn(writer.run(said).in_current_span()),
        }
    }

    /// What the import is to tell.
    pub fn observer(&self) -> Arc<dyn Observer> {
        self.heard.clone()
    }

    /// Ends when all is written down.
    pub async fn end(self) {
        drop(self.heard);
        // A writer that panicked has said so.
        let _ = self.writer.await;
    }
}

impl Observer for Heard {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Planned(plan) => {
                for warning in &plan.warnings {
                    self.warn("", &warning.message);
                }
            }
            Event::Begins { done, .. } => self.add(*done),
            Event::Received { bytes, .. } => self.add(*bytes),
            Event::Stored { stored, .. } if stored.reused => self.add(stored.size),
            Event::Warning { path, message } => self.warn(path, message),
            _ => {}
        }
    }
}

impl Heard {
    fn add(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }

    fn warn(&self, path: &str, message: &str) {
        // Fails only when nobody writes any more.
        let _ = self.warnings.send((path.to_owned(), message.to_owned()));
    }
}

struct Writer {
    records: Records,
    claim: Claim,
    heard: std::sync::Weak<Heard>,
    written: u64,
}

impl Writer {
    async fn run(mut self, mut said: mpsc::UnboundedReceiver<(String, String)>) {
        let mut pace = tokio::time::interval(PACE);
        loop {
            tokio::select! {
                warning = said.recv() => match warning {
                    Some((path, message)) => self.warn(&path, &message).await,
                    None => return,
                },
                _ = pace.tick() => self.save_progress().await,
            }
        }
    }

    async fn warn(&self, path: &str, message: &str) {
        let upload = self.claim.upload_id();
        if let Err(error) = self.records.warn(upload, path, message).await {
            tracing::warn!(%upload, %error, "a warning could not be recorded");
        }
    }

    async fn save_progress(&mut self) {
        let Some(done) = self
            .heard
            .upgrade()
            .map(|heard| heard.done.load(Ordering::Relaxed))
        else {
            return;
        };
        if done == self.written {
            return;
        }
        // Progress that can't be written is not worth more than a late bar.
        if self.records.save_progress(&self.claim, done).await.is_ok() {
            self.written = done;
        }
    }
}

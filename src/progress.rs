//! What an import tells whoever watches it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use modelferry_providers::{Artifact, Plan};

use crate::error::Error;
use crate::records::Stored;
use crate::transfer::Meter;
use crate::upload::UploadStatus;

/// Something that happened to one upload.
#[derive(Debug)]
pub enum Event<'a> {
    /// It is known what will be moved.
    Planned(&'a Plan),
    /// A file's first bytes are on their way; `done` of them were here already.
    Begins {
        /// Its place in the plan.
        index: u32,
        /// Its length, where it is known.
        total: Option<u64>,
        /// Bytes that an earlier run left.
        done: u64,
    },
    /// Bytes came.
    Received {
        /// Its place in the plan.
        index: u32,
        /// How many more.
        bytes: u64,
    },
    /// A file's blob is published, or was there already.
    Stored {
        /// Its place in the plan.
        index: u32,
        /// What came of it.
        stored: &'a Stored,
    },
    /// The record moved.
    Status(UploadStatus),
    /// Something worth knowing about a file.
    Warning {
        /// Its path.
        path: &'a str,
        /// What.
        message: &'a str,
    },
    /// The record ended as `failed`.
    Failed {
        /// Why.
        error: &'a Error,
    },
}

/// Watches one upload. Called from many tasks, and must not block.
pub trait Observer: fmt::Debug + Send + Sync {
    /// Something happened.
    fn event(&self, event: &Event<'_>);
}

/// Watches nothing.
#[derive(Debug)]
pub struct Unwatched;

impl Observer for Unwatched {
    fn event(&self, _: &Event<'_>) {}
}

/// Counts one file's bytes and passes them on.
#[derive(Debug)]
pub struct ArtifactMeter {
    observer: Arc<dyn Observer>,
    index: u32,
    received: AtomicU64,
    stated: Option<u64>,
}

impl ArtifactMeter {
    /// For the file at this place of the plan.
    pub fn new(observer: Arc<dyn Observer>, index: u32, artifact: &Artifact) -> Self {
        Self {
            observer,
            index,
            received: AtomicU64::new(0),
            stated: artifact.size.approximate(),
        }
    }

    /// Bytes that came over the wire so far, repeats included.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}

impl Meter for ArtifactMeter {
    fn received(&self, bytes: u64) {
        self.received.fetch_add(bytes, Ordering::Relaxed);
        self.observer.event(&Event::Received {
            index: self.index,
            bytes,
        });
    }

    fn begins(&self, total: Option<u64>, done: u64) {
        let total = total.or(self.stated);
        self.observer.event(&Event::Begins {
            index: self.index,
            total,
            done,
        });
    }
}

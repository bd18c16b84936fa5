//! How many bytes came over the wire for one source during one run. The
//! upload's own count goes back to runs before this one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::progress::{Event, Observer};

/// Counts what it passes on.
#[derive(Debug)]
pub(super) struct Counted {
    inner: Arc<dyn Observer>,
    bytes: AtomicU64,
}

impl Counted {
    /// For whoever watches the source.
    pub fn new(inner: Arc<dyn Observer>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            bytes: AtomicU64::new(0),
        })
    }

    /// Bytes so far.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl Observer for Counted {
    fn event(&self, event: &Event<'_>) {
        if let Event::Received { bytes, .. } = event {
            self.bytes.fetch_add(*bytes, Ordering::Relaxed);
        }
        self.inner.event(event);
    }
}

//! Spacing between requests to one host, learnt from how it answers.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The spacing that a first push-back brings.
const FIRST_GAP: Duration = Duration::from_millis(100);
/// The widest spacing; longer waits are for the server to ask.
const WIDEST_GAP: Duration = Duration::from_secs(2);
/// Below this, spacing is dropped.
const LEAST_GAP: Duration = Duration::from_millis(10);
/// A lane unused for so long has forgotten what it learnt.
const MEMORY: Duration = Duration::from_secs(300);

/// Hosts that pushed back. Each request to one starts at a slot of its own:
/// spacing doubles with every 429 or 503 and shrinks by a quarter with every
/// good answer. A host that never pushed back is asked without any wait.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<HashMap<String, Lane>>);

#[derive(Debug)]
struct Lane {
    gap: Duration,
    next: Instant,
}

impl Pace {
    /// Waits for this request's slot.
    pub(super) async fn wait(&self, host: &str) {
        if let Some(slot) = self.slot(host) {
            tokio::time::sleep_until(slot).await;
        }
    }

    fn slot(&self, host: &str) -> Option<Instant> {
        let mut lanes = self.lanes();
        let lane = lanes.get_mut(host)?;
        let slot = lane.next.max(Instant::now());
        lane.next = slot + lane.gap;
        Some(slot)
    }

    /// The host pushed back.
    pub(super) fn slower(&self, host: &str) {
        let now = Instant::now();
        let mut lanes = self.lanes();
        lanes.retain(|_, lane| now.saturating_duration_since(lane.next) < MEMORY);
        let lane = lanes.entry(host.to_owned()).or_insert(Lane {
            gap: Duration::ZERO,
            next: now,
        });
        lane.gap = (lane.gap * 2).clamp(FIRST_GAP, WIDEST_GAP);
    }

    /// The host answered well.
    pub(super) fn faster(&self, host: &str) {
        let mut lanes = self.lanes();
        let Some(lane) = lanes.get_mut(host) else {
            return;
        };
        lane.gap = lane.gap * 3 / 4;
        if lane.gap < LEAST_GAP {
            lanes.remove(host);
        }
    }

    fn lanes(&self) -> MutexGuard<'_, HashMap<String, Lane>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_host_that_pushes_back_is_asked_at_intervals() {
        let pace = Pace::default();
        let start = Instant::now();
        pace.wait("h").await;
        assert_eq!(start.elapsed(), Duration::ZERO, "no push-back, no wait");
        pace.slower("h");
        for _ in 0..3 {
            pace.wait("h").await;
        }
        assert_eq!(start.elapsed(), FIRST_GAP * 2);
        pace.wait("other").await;
        assert_eq!(start.elapsed(), FIRST_GAP * 2, "other hosts are left alone");
    }

    #[tokio::test(start_paused = true)]
    async fn good_answers_bring_the_speed_back() {
        let pace = Pace::default();
        for _ in 0..20 {
            pace.slower("h");
        }
        assert_eq!(pace.lanes()["h"].gap, WIDEST_GAP);
        for _ in 0..20 {
            pace.faster("h");
        }
        assert!(pace.lanes().is_empty());
    }
}

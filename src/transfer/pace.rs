//! A limit on bytes a second, shared by every connection of a process.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Spaces bytes out in time. Without a rate it costs nothing.
#[derive(Debug)]
pub struct Pace {
    rate: Option<u64>,
    /// When the next byte may come.
    next: Mutex<Instant>,
}

impl Pace {
    /// At most `rate` bytes a second.
    pub fn new(rate: Option<u64>) -> Self {
        Self {
            rate: rate.filter(|rate| *rate > 0),
            next: Mutex::new(Instant::now()),
        }
    }

    /// Waits until `bytes` that came are within the rate.
    pub async fn spend(&self, bytes: u64) {
        if let Some(until) = self.book(bytes) {
            tokio::time::sleep_until(until).await;
        }
    }

    /// Counts `bytes` that came, without a wait. Says until when they take.
    pub fn book(&self, bytes: u64) -> Option<Instant> {
        let rate = self.rate?;
        let cost = Duration::from_secs_f64(bytes as f64 / rate as f64);
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        *next = (*next).max(Instant::now()) + cost;
        Some(*next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn bytes_take_the_time_that_the_rate_gives_them() {
        let pace = Pace::new(Some(1_000));
        let start = Instant::now();
        for _ in 0..10 {
            pace.spend(500).await;
        }
        assert_eq!(start.elapsed().as_secs(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_rate_nothing_waits() {
        let start = Instant::now();
        Pace::new(None).spend(u64::MAX).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}

//! A limit on bytes a second, shared by every connection of a process.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A reader that comes late, because the machine is busy, may catch up on so much.
const LATE: Duration = Duration::from_millis(100);

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
        let now = Instant::now();
        *next = (*next).max(now.checked_sub(LATE).unwrap_or(now)) + cost;
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
    async fn a_reader_that_is_now_and_then_late_has_the_rate_nevertheless() {
        let pace = Pace::new(Some(1_000_000));
        let start = Instant::now();
        for nth in 0..1_000 {
            pace.spend(10_000).await;
            if nth % 10 == 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        let took = start.elapsed().as_secs_f64();
        assert!((9.9..10.5).contains(&took), "{took}");
    }

    #[tokio::test(start_paused = true)]
    async fn time_that_was_not_used_is_not_saved_up() {
        let pace = Pace::new(Some(1_000));
        tokio::time::sleep(Duration::from_secs(60)).await;
        let start = Instant::now();
        pace.spend(2_000).await;
        assert!(start.elapsed() >= Duration::from_millis(1_900));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_rate_nothing_waits() {
        let start = Instant::now();
        Pace::new(None).spend(u64::MAX).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}

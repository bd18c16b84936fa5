//! How slowly a body may come before it counts as stalled.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

/// The least rate that a body must keep up, seen over a window.
#[derive(Debug, Clone, Copy)]
pub struct LeastRate {
    /// Bytes a second.
    pub rate: u64,
    /// How much time of waiting is looked at together.
    pub window: Duration,
}

impl Default for LeastRate {
    fn default() -> Self {
        Self {
            rate: 1024,
            window: Duration::from_secs(30),
        }
    }
}

/// A body did not come, or too slowly.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooSlow;

/// Watches one body. Only the time spent waiting for it counts: a reader that
/// takes its time is not the server's fault.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    idle: Duration,
    least: LeastRate,
    waited: Duration,
    seen: u64,
}

impl Watch {
    /// `idle`: the longest wait for any byte at all.
    pub(super) fn new(idle: Duration, least: LeastRate) -> Self {
        Self {
            idle,
            least,
            waited: Duration::ZERO,
            seen: 0,
        }
    }

    /// Waits for the next piece of the body.
    pub(super) async fn wait<E>(
        &mut self,
        next: impl Future<Output = Option<Result<Bytes, E>>>,
    ) -> Result<Option<Result<Bytes, E>>, TooSlow> {
        let start = Instant::now();
        let piece = tokio::time::timeout(self.idle, next)
            .await
            .map_err(|_| TooSlow)?;
        self.waited += start.elapsed();
        if let Some(Ok(bytes)) = &piece {
            self.seen += bytes.len() as u64;
            self.check_rate()?;
        }
        Ok(piece)
    }

    fn check_rate(&mut self) -> Result<(), TooSlow> {
        if self.waited < self.least.window {
            return Ok(());
        }
        let enough = self.waited.as_secs_f64() * self.least.rate as f64;
        if (self.seen as f64) < enough {
            return Err(TooSlow);
        }
        (self.waited, self.seen) = (Duration::ZERO, 0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits for `pieces` of `size` bytes, each `apart` after the one before;
    /// gives how many came before it was too slow.
    async fn came(pieces: usize, size: usize, apart: Duration, reader: Duration) -> usize {
        let mut watch = Watch::new(Duration::from_secs(15), LeastRate::default());
        for nth in 0..pieces {
            let next = async {
                tokio::time::sleep(apart).await;
                Some(Ok::<_, ()>(Bytes::from(vec![0; size])))
            };
            if watch.wait(next).await.is_err() {
                return nth;
            }
            tokio::time::sleep(reader).await;
        }
        pieces
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_drip_is_stalled_once_a_window_has_passed() {
        assert_eq!(came(1000, 1, SECOND, Duration::ZERO).await, 29);
        assert_eq!(came(1000, 10_000, SECOND * 14, Duration::ZERO).await, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn no_byte_at_all_is_stalled_sooner() {
        assert_eq!(came(1, 1, SECOND * 16, Duration::ZERO).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_line_above_the_least_rate_goes_on() {
        assert_eq!(came(200, 1100, SECOND, Duration::ZERO).await, 200);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_takes_its_time_is_no_fault_of_the_server() {
        let soon = Duration::from_millis(1);
        assert_eq!(came(200, 1, soon, SECOND * 60).await, 200);
    }
}

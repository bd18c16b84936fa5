//! How slow is too slow: for an answer on its own, and beside its siblings.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use modelferry_providers::{ErrorKind, ProviderError};
use tokio::time::Instant;

/// Rates of this many finished ranges are remembered.
const REMEMBERED: usize = 9;
/// Fewer finished ranges say nothing about what is usual.
const ENOUGH: usize = 3;

/// What an answer may take. A pause without a byte is the HTTP layer's to end;
/// this is about bytes that come, but too few.
#[derive(Debug, Clone)]
pub struct Patience {
    /// Bytes a second that an answer must bring…
    pub least_rate: u64,
    /// …over this long, or it is dropped and asked for again.
    pub window: Duration,
    /// A range is not compared with its siblings before it took this long.
    pub grace: Duration,
    /// One that is so many times slower than they usually are is asked for a
    /// second time, and the first to be there wins.
    pub times_slower: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            least_rate: 1024,
            window: Duration::from_secs(30),
            grace: Duration::from_secs(3),
            times_slower: 4,
        }
    }
}

impl Patience {
    /// The failure of an answer to bring enough of this.
    pub fn stalled(&self, what: &str) -> ProviderError {
        ProviderError::transient(
            ErrorKind::Stalled,
            format!(
                "{what} comes at fewer than {} bytes a second",
                self.least_rate
            ),
        )
        .hint("the server or the network is overloaded; try again later")
    }

    /// How often an answer that brings nothing is looked at.
    pub fn tick(&self) -> Duration {
        self.grace.min(self.window) / 4
    }
}

/// How fast the bytes of one file come.
#[derive(Debug, Default)]
pub struct Tempo {
    /// Rates of the ranges that came last.
    recent: Mutex<VecDeque<f64>>,
    so_far: AtomicU64,
}

impl Tempo {
    /// So many more bytes came.
    pub fn more(&self, bytes: u64) {
        self.so_far.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes that came, of all ranges together.
    pub fn so_far(&self) -> u64 {
        self.so_far.load(Ordering::Relaxed)
    }

    /// A range came whole.
    pub fn finished(&self, bytes: u64, took: Duration) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() == REMEMBERED {
            recent.pop_front();
        }
        recent.push_back(rate(bytes, took));
    }

    /// The median rate in bytes a second, once enough is known.
    fn usual(&self) -> Option<f64> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rates: Vec<f64> = recent.iter().copied().collect();
        rates.sort_by(f64::total_cmp);
        (rates.len() >= ENOUGH).then(|| rates[rates.len() / 2])
    }

    /// Whether a range that brought so much in this time lags behind.
    pub fn is_behind(&self, bytes: u64, took: Duration, patience: &Patience) -> bool {
        took >= patience.grace
            && self
                .usual()
                .is_some_and(|usual| rate(bytes, took) * f64::from(patience.times_slower) < usual)
    }
}

fn rate(bytes: u64, took: Duration) -> f64 {
    bytes as f64 / took.as_secs_f64().max(1e-6)
}

/// Watches one answer for a drip. Only time spent waiting for the server counts.
#[derive(Debug, Default)]
pub struct Drip {
    bytes: u64,
    waited: Duration,
}

impl Drip {
    /// The next chunk of an answer that nothing else is done with meanwhile.
    ///
    /// # Errors
    /// The answer's own, and [`ErrorKind::Stalled`] when it has become a drip.
    pub async fn next(
        &mut self,
        bytes: &mut (impl Stream<Item = Result<Bytes, ProviderError>> + Unpin),
        patience: &Patience,
    ) -> Result<Option<Bytes>, ProviderError> {
        loop {
            let since = Instant::now();
            let waited = tokio::time::timeout(patience.tick(), bytes.next()).await;
            let came = match waited {
                Ok(None) => return Ok(None),
                Ok(Some(chunk)) => Some(chunk?),
                Err(_) => None,
            };
            let length = came.as_ref().map_or(0, Bytes::len);
            if !self.flows(length as u64, since, patience) {
                return Err(patience.stalled("what was asked for"));
            }
            if came.is_some() {
                return Ok(came);
            }
        }
    }

    /// So many bytes came after this wait. `false`: it has become a drip.
    pub fn flows(&mut self, bytes: u64, since: Instant, patience: &Patience) -> bool {
        self.bytes += bytes;
        self.waited += since.elapsed();
        if self.waited < patience.window {
            return true;
        }
        let flows = rate(self.bytes, self.waited) >= patience.least_rate as f64;
        *self = Self::default();
        flows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_behind_only_beside_enough_siblings_and_after_a_while() {
        let patience = Patience::default();
        let tempo = Tempo::default();
        let second = Duration::from_secs(1);
        tempo.finished(8_000_000, second);
        tempo.finished(8_000_000, second);
        assert!(
            !tempo.is_behind(1, 10 * second, &patience),
            "two say nothing"
        );
        tempo.finished(100, second);
        assert!(tempo.is_behind(1_000_000, 10 * second, &patience));
        assert!(
            !tempo.is_behind(1_000_000, 2 * second, &patience),
            "too early"
        );
        assert!(
            !tempo.is_behind(30_000_000, 10 * second, &patience),
            "slow, but not that slow"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_drip_is_told_from_a_flow() {
        let patience = Patience::default();
        for (bytes_a_second, flows) in [(100, false), (2_000, true)] {
            let mut drip = Drip::default();
            let mut verdict = true;
            for _ in 0..31 {
                let since = Instant::now();
                tokio::time::sleep(Duration::from_secs(1)).await;
                verdict &= drip.flows(bytes_a_second, since, &patience);
            }
            assert_eq!(verdict, flows, "{bytes_a_second}");
        }
    }
}

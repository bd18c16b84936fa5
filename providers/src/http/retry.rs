//! When to ask again, and which hosts asked us to wait. The only place that
//! decides either.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::Answer;
use crate::error::{Cure, ErrorKind, ProviderError};

/// Tries after the first for what a try or two should settle, such as a name
/// that can't be resolved.
const BRIEF_RETRIES: u32 = 2;

/// The longest that a host is left alone at its own word; also what keeps
/// clock arithmetic in range.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 3600);

/// How often to ask again, and how long to wait in between.
#[derive(Debug, Clone)]
pub struct RetryPolicy {
    /// Tries after the first.
    pub retries: u32,
    /// The first wait; each further one doubles.
    pub base: Duration,
    /// The longest wait of our own choosing.
    pub cap: Duration,
    /// The longest wait that a server may ask for; beyond it we give up.
    pub max_wait: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            retries: 5,
            base: Duration::from_millis(500),
            cap: Duration::from_secs(30),
            max_wait: Duration::from_secs(330),
        }
    }
}

impl RetryPolicy {
    /// How long to wait before trying again; `None` to take the outcome as it is.
    pub fn delay(&self, attempt: u32, outcome: &Result<Answer, ProviderError>) -> Option<Duration> {
        if attempt >= self.retries {
            return None;
        }
        match outcome {
            Ok(answer) if is_passing(answer.status) => match answer.wait_asked() {
                Some(wait) => (wait <= self.max_wait).then_some(wait),
                None => Some(self.backoff(attempt)),
            },
            Ok(_) => None,
            Err(error) => match error.cure() {
                Cure::None => None,
                Cure::Brief if attempt >= BRIEF_RETRIES => None,
                Cure::Brief | Cure::Time => Some(self.backoff(attempt)),
            },
        }
    }

    /// The wait of our own choosing: doubling, with up to a half taken off at
    /// random so that many workers don't come back at once.
    pub fn backoff(&self, attempt: u32) -> Duration {
        let full = self.base.saturating_mul(1 << attempt.min(16)).min(self.cap);
        full.mul_f64(1.0 - jitter() / 2.0)
    }
}

/// Statuses that may be gone the next time: what hubs and the CDNs before them
/// answer under load.
pub(super) fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504 | 520..=524)
}

/// Whether a quota is used up: a limit that names no end.
pub(super) fn is_used_up(outcome: &Result<Answer, ProviderError>) -> bool {
    let ends_nowhere = |answer: &Answer| answer.status == 429 && answer.wait_asked().is_none();
    outcome.as_ref().is_ok_and(ends_nowhere)
}

impl Answer {
    /// The wait that a 429 or 503 asks for: `RateLimit: …;r=0;t=N`
    /// (draft-ietf-httpapi-ratelimit-headers) plus a second, else `Retry-After`
    /// in seconds or as a date.
    pub fn wait_asked(&self) -> Option<Duration> {
        if !matches!(self.status, 429 | 503) {
            return None;
        }
        self.rate_limit_reset().or_else(|| self.retry_after())
    }

    /// The longest reset among the policies that have nothing left.
    fn rate_limit_reset(&self) -> Option<Duration> {
        let seconds = self
            .header("ratelimit")?
            .split(',')
            .filter_map(|policy| {
                let mut parameters = policy.split(';').map(str::trim);
                parameters.clone().find(|part| *part == "r=0")?;
                let reset = parameters.find_map(|part| part.strip_prefix("t="))?;
                reset.parse::<u64>().ok()
            })
            .max()?;
        Some(Duration::from_secs(seconds.saturating_add(1)))
    }

    fn retry_after(&self) -> Option<Duration> {
        let text = self.header("retry-after")?.trim();
        if let Ok(seconds) = text.parse::<u64>() {
            return Some(Duration::from_secs(seconds));
        }
        let date = httpdate::parse_http_date(text).ok()?;
        Some(
            date.duration_since(std::time::SystemTime::now())
                .unwrap_or_default(),
        )
    }
}

/// A number in `0.0..1.0`, different each time. Not for secrets.
fn jitter() -> f64 {
    use std::hash::{BuildHasher, RandomState};
    let random = RandomState::new().hash_one(0u8) >> 11;
    random as f64 / (1u64 << 53) as f64
}

/// Waits that hosts asked for. The service shares them between workers.
#[async_trait]
pub trait HostPauses: fmt::Debug + Send + Sync {
    /// How long this host is still to be left alone.
    async fn remaining(&self, host: &str) -> Option<Duration>;
    /// Leaves this host alone from now on, for `wait`.
    async fn pause(&self, host: &str, wait: Duration);
}

/// [`HostPauses`] within one process.
#[derive(Debug, Default)]
pub struct Pauses(Mutex<HashMap<String, Instant>>);

#[async_trait]
impl HostPauses for Pauses {
    async fn remaining(&self, host: &str) -> Option<Duration> {
        let pauses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let until = pauses.get(host)?;
        let left = until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    async fn pause(&self, host: &str, wait: Duration) {
        let mut pauses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        pauses.retain(|_, until| *until > now);
        let until = pauses.entry(host.to_owned()).or_insert(now);
        *until = (*until).max(now + wait.min(LONGEST_PAUSE));
    }
}

/// Waits until the host may be asked again, and a little longer, so that all
/// who waited don't come back in the same instant.
pub(super) async fn wait_for(
    pauses: &dyn HostPauses,
    host: &str,
    most: Duration,
) -> Result<(), ProviderError> {
    while let Some(left) = pauses.remaining(host).await {
        if left > most {
            return Err(told_to_wait(host, left));
        }
        let spread = (left / 10).min(Duration::from_secs(1));
        tokio::time::sleep(left + spread.mul_f64(jitter())).await;
    }
    Ok(())
}

/// The failure of a wait longer than we would sit out.
pub(super) fn told_to_wait(host: &str, wait: Duration) -> ProviderError {
    ProviderError::new(
        ErrorKind::RateLimited,
        format!(
            "{host} asks to be left alone for another {} s",
            wait.as_secs()
        ),
    )
    .retry_after(Some(wait))
    .hint("try again after that; a token of your own often has a larger allowance")
}

#[cfg(test)]
mod tests;

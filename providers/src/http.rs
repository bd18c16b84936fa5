//! The one place that speaks HTTP: guard, token reach, redirects, timeouts,
//! pacing and retry.

mod answer;
mod connect;
mod digests;
mod failure;
mod pace;
pub mod ranged;
mod request;
pub mod retry;
mod watch;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use reqwest::dns::Resolve;

pub use self::answer::{Answer, ContentRange};
use self::connect::{GuardedResolver, SystemResolver};
use self::pace::Pace;
pub use self::request::{Method, Request};
pub use self::retry::{HostPauses, Pauses, RetryPolicy};
pub use self::watch::LeastRate;
use self::watch::Watch;
use crate::auth::Token;
use crate::error::{ErrorKind, ProviderError};
use crate::net::{self, AddressGuard};
use crate::url::SafeUrl;

/// Redirects followed for one request (as browsers' order of magnitude, and
/// well above what the hubs use).
pub const MAX_REDIRECTS: usize = 10;

/// How the layer behaves. Built by the caller; nothing is read from the
/// environment, proxies included.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Networks that may be reached although they are not public.
    pub allow_nets: Vec<IpNet>,
    /// Endpoints the operator configured: their origins are allowed by themselves.
    pub endpoints: Vec<SafeUrl>,
    /// A proxy for everything. It then decides which addresses are reached.
    pub proxy: Option<SafeUrl>,
    /// `user:password` for the proxy, and for nobody else.
    pub proxy_login: Option<Token>,
    /// For a connection to stand.
    pub connect_timeout: Duration,
    /// From the request to the end of the answer's headers.
    pub header_timeout: Duration,
    /// For one read of a body to bring at least a byte.
    pub read_timeout: Duration,
    /// The slowest that a body may come.
    pub least_rate: LeastRate,
    /// When and how often to ask again.
    pub retry: RetryPolicy,
    /// Waits that hosts asked for, perhaps shared with other processes.
    pub pauses: Arc<dyn HostPauses>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            allow_nets: Vec::new(),
            endpoints: Vec::new(),
            proxy: None,
            proxy_login: None,
            connect_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(30),
            read_timeout: Duration::from_secs(15),
            least_rate: LeastRate::default(),
            retry: RetryPolicy::default(),
            pauses: Arc::new(Pauses::default()),
        }
    }
}

/// A client for hubs and hosts nobody trusts. Cheap to clone.
#[derive(Clone)]
pub struct Http {
    inner: Arc<Inner>,
}

struct Inner {
    settings: HttpSettings,
    guard: AddressGuard,
    pace: Pace,
    guarded: reqwest::Client,
    trusted: reqwest::Client,
}

impl Http {
    /// Builds the layer.
    ///
    /// # Errors
    /// [`ErrorKind::Upstream`] when the TLS set-up of this machine can't be used.
    pub fn new(settings: HttpSettings) -> Result<Self, ProviderError> {
        Self::resolving_by(settings, Arc::new(SystemResolver))
    }

    fn resolving_by(
        settings: HttpSettings,
        resolver: Arc<dyn Resolve>,
    ) -> Result<Self, ProviderError> {
        let guard = AddressGuard::new(settings.allow_nets.clone(), settings.endpoints.clone());
        let guarded = GuardedResolver {
            guard: guard.clone(),
            inner: resolver.clone(),
        };
        Ok(Self {
            inner: Arc::new(Inner {
                guarded: connect::client(&settings, Arc::new(guarded))?,
                trusted: connect::client(&settings, resolver)?,
                pace: Pace::default(),
                guard,
                settings,
            }),
        })
    }

    /// Asks, follows no redirect, and returns any answer whose status is not
    /// one to retry. The last try's answer is returned whatever its status,
    /// for the hub to name.
    ///
    /// # Errors
    /// [`ErrorKind::BlockedAddress`]; [`ErrorKind::RateLimited`] when the host
    /// asks for a longer wait than we would sit out; [`ErrorKind::Stalled`] or
    /// [`ErrorKind::Upstream`] when no answer came.
    pub async fn send(&self, request: &Request) -> Result<Answer, ProviderError> {
        let Inner { settings, pace, .. } = &*self.inner;
        let host = request.url.authority();
        let (most, tries) = if request.best_effort {
            (Duration::ZERO, 1)
        } else {
            (settings.retry.max_wait, u32::MAX)
        };
        let mut attempt = 0;
        let mut pushbacks = 0;
        loop {
            retry::wait_for(&*settings.pauses, &host, most).await?;
            pace.wait(&host).await;
            let mut outcome = self.once(request).await;
            self.heed(&host, &outcome).await?;
            count_pushbacks(&mut outcome, &mut pushbacks);
            let tries = if request.is_counted && retry::is_used_up(&outcome) {
                1
            } else {
                tries
            };
            let delay = settings.retry.delay(attempt, &outcome);
            let Some(delay) = delay.filter(|_| attempt + 1 < tries) else {
                return outcome;
            };
            match &outcome {
                Ok(answer) if answer.wait_asked().is_some() => {}
                Ok(answer) if answer.status == 429 => settings.pauses.pause(&host, delay).await,
                _ => tokio::time::sleep(delay).await,
            }
            tracing::debug!(%host, attempt, ?delay, "asking again");
            attempt += 1;
        }
    }

    /// Learns from an answer how the host wants to be asked.
    async fn heed(
        &self,
        host: &str,
        outcome: &Result<Answer, ProviderError>,
    ) -> Result<(), ProviderError> {
        let Inner { settings, pace, .. } = &*self.inner;
        let Ok(answer) = outcome else {
            return Ok(());
        };
        match answer.status {
            429 | 503 => pace.slower(host),
            200..400 => pace.faster(host),
            _ => {}
        }
        let Some(wait) = answer.wait_asked() else {
            return Ok(());
        };
        settings.pauses.pause(host, wait).await;
        if wait > settings.retry.max_wait {
            return Err(retry::told_to_wait(host, wait).status(answer.status));
        }
        Ok(())
    }

    /// Asks, and follows redirects hop by hop. Every hop is guarded; the
    /// token stays within its own origin.
    ///
    /// # Errors
    /// As [`Http::send`], and [`ErrorKind::Upstream`] for a loop, a chain
    /// over [`MAX_REDIRECTS`] or a step from https to http.
    pub async fn follow(&self, request: &Request) -> Result<Answer, ProviderError> {
        let mut request = request.clone();
        let mut visited = vec![request.url.clone()];
        let mut pushbacks = 0;
        loop {
            let mut answer = self.send(&request).await?;
            pushbacks += answer.pushbacks;
            answer.pushbacks = pushbacks;
            let Some(target) = answer.redirect()? else {
                return Ok(answer);
            };
            let host = request.url.authority();
            if visited.contains(&target) {
                return Err(lost(format!("{host} redirects in a circle")));
            }
            if visited.len() > MAX_REDIRECTS {
                return Err(lost(format!(
                    "{host} redirects for more than {MAX_REDIRECTS} steps"
                )));
            }
            visited.push(target.clone());
            request = request.redirected(target)?;
        }
    }

    async fn once(&self, request: &Request) -> Result<Answer, ProviderError> {
        let inner = &*self.inner;
        inner.guard.check_url(&request.url)?;
        let trusted = inner.guard.is_endpoint(&request.url);
        let client = if trusted {
            &inner.trusted
        } else {
            &inner.guarded
        };
        let sent = request.build(client).send();
        let response = tokio::time::timeout(inner.settings.header_timeout, sent)
            .await
            .map_err(|_| failure::silent(&request.url))?
            .map_err(|error| failure::no_answer(&request.url, &error))?;
        if let Some(peer) = response.remote_addr()
            && !trusted
            && inner.settings.proxy.is_none()
            && !inner.guard.permits(peer.ip())
        {
            return Err(net::blocked(&request.url, peer.ip()));
        }
        Ok(Answer::new(
            request.url.clone(),
            response,
            Watch::new(inner.settings.read_timeout, inner.settings.least_rate),
        ))
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("guard", &self.inner.guard)
            .finish_non_exhaustive()
    }
}

/// Tells an answer how often its host had said no before and with it.
fn count_pushbacks(outcome: &mut Result<Answer, ProviderError>, so_far: &mut u32) {
    if let Ok(answer) = outcome {
        *so_far += u32::from(matches!(answer.status, 429 | 503));
        answer.pushbacks = *so_far;
    }
}

fn lost(message: String) -> ProviderError {
    ProviderError::new(ErrorKind::Upstream, message)
        .hint("open the address in a browser; a login may be what it leads to")
}

#[cfg(test)]
mod tests;

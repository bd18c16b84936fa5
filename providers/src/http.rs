//! The one place that speaks HTTP: guard, token reach, redirects, timeouts,
//! pacing and retry.

mod answer;
mod digests;
pub mod ranged;
mod request;
pub mod retry;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;

pub use self::answer::{Answer, ContentRange};
pub use self::request::{Method, Request};
pub use self::retry::{HostPauses, Pauses, RetryPolicy};
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
    /// For a connection to stand.
    pub connect_timeout: Duration,
    /// From the request to the end of the answer's headers.
    pub header_timeout: Duration,
    /// For one read of a body to bring at least a byte.
    pub read_timeout: Duration,
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
            connect_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(30),
            read_timeout: Duration::from_secs(15),
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
    guarded: reqwest::Client,
    trusted: reqwest::Client,
}

impl Http {
    /// Builds the layer.
    ///
    /// # Errors
    /// [`ErrorKind::Upstream`] when the TLS set-up of this machine can't be used.
    pub fn new(settings: HttpSettings) -> Result<Self, ProviderError> {
        let guard = AddressGuard::new(settings.allow_nets.clone(), settings.endpoints.clone());
        let build = |builder: reqwest::ClientBuilder| {
            builder.build().map_err(|error| {
                ProviderError::new(
                    ErrorKind::Upstream,
                    format!("no HTTP client could be made: {error}"),
                )
                .hint("install the system's CA certificates (the package ca-certificates)")
            })
        };
        let guarded = base(&settings)?.dns_resolver(Arc::new(GuardedResolver(guard.clone())));
        Ok(Self {
            inner: Arc::new(Inner {
                guarded: build(guarded)?,
                trusted: build(base(&settings)?)?,
                guard,
                settings,
            }),
        })
    }

    /// Asks once per try, follows no redirect, and returns any answer whose
    /// status is not one to retry. The last try's answer is returned whatever
    /// its status, for the hub to name.
    ///
    /// # Errors
    /// [`ErrorKind::BlockedAddress`], [`ErrorKind::Stalled`], or
    /// [`ErrorKind::Upstream`] when no answer came.
    pub async fn send(&self, request: &Request) -> Result<Answer, ProviderError> {
        let settings = &self.inner.settings;
        let host = request.url.authority();
        let mut attempt = 0;
        loop {
            retry::wait_for(&*settings.pauses, &host, settings.retry.max_wait).await?;
            let outcome = self.once(request).await;
            let Some(delay) = settings.retry.delay(attempt, &outcome) else {
                return outcome;
            };
            if let Ok(answer) = &outcome
                && answer.status == 429
            {
                settings.pauses.pause(&host, delay).await;
            } else {
                tokio::time::sleep(delay).await;
            }
            tracing::debug!(%host, attempt, ?delay, "asking again");
            attempt += 1;
        }
    }

    /// Asks, and follows redirects hop by hop. Every hop is guarded; the
    /// token stays within its own origin.
    ///
    /// # Errors
    /// As [`Http::send`], and [`ErrorKind::Upstream`] for a loop, a chain
    /// over [`MAX_REDIRECTS`] or a step from https to http.
    pub async fn follow(&self, request: &Request) -> Result<Answer, ProviderError> {
        let mut request = request.clone();
        for _ in 0..=MAX_REDIRECTS {
            let answer = self.send(&request).await?;
            match answer.redirect()? {
                None => return Ok(answer),
                Some(target) => request = request.redirected(target)?,
            }
        }
        Err(ProviderError::new(
            ErrorKind::Upstream,
            format!(
                "{} redirects more than {MAX_REDIRECTS} times",
                request.url.authority()
            ),
        ))
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
            .map_err(|_| answer::silent(&request.url))?
            .map_err(|error| answer::no_answer(&request.url, &error))?;
        if let Some(peer) = response.remote_addr()
            && !trusted
            && inner.settings.proxy.is_none()
            && !inner.guard.permits(peer.ip())
        {
            return Err(net::blocked(&request.url, peer.ip()));
        }
        Ok(Answer::new(request.url.clone(), response))
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("guard", &self.inner.guard)
            .finish_non_exhaustive()
    }
}

fn base(settings: &HttpSettings) -> Result<reqwest::ClientBuilder, ProviderError> {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("modelferry/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .connect_timeout(settings.connect_timeout)
        .read_timeout(settings.read_timeout)
        .tcp_nodelay(true)
        .referer(false);
    let Some(proxy) = &settings.proxy else {
        return Ok(builder.no_proxy());
    };
    let proxy = reqwest::Proxy::all(proxy.as_url().clone()).map_err(|_| {
        ProviderError::new(
            ErrorKind::InvalidSource,
            format!("{proxy} can't be used as a proxy"),
        )
    })?;
    Ok(builder.proxy(proxy))
}

/// Resolves names and drops every address that may not be reached.
struct GuardedResolver(AddressGuard);

/// Shown by reqwest as the cause of the failed connection.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("no address of this name is public")]
pub(crate) struct NoPublicAddress;

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.0.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let known = !found.is_empty();
            let open: Vec<SocketAddr> = found
                .into_iter()
                .filter(|a| guard.permits(a.ip()))
                .collect();
            if open.is_empty() && known {
                return Err(NoPublicAddress.into());
            }
            Ok(Box::new(open.into_iter()) as Addrs)
        })
    }
}

//! Clients, and the names they resolve.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;

use super::HttpSettings;
use crate::auth::Token;
use crate::error::{ErrorKind, ProviderError};
use crate::net::AddressGuard;
use crate::url::SafeUrl;

/// A kept connection is closed by us before most servers close it (nginx
/// after 75 s, many balancers after 60 s): asking on a dying one costs a try.
const IDLE_TIMEOUT: Duration = Duration::from_secs(45);
const IDLE_PER_HOST: usize = 16;

/// A client whose names go through `resolver`, unless a proxy is configured:
/// then the proxy's own name is the only one resolved here, and the operator
/// chose it.
///
/// HTTP/1.1 alone is spoken. Bulk bodies want many connections to one host,
/// where HTTP/2 would put them all on one; and a head is then bounded by
/// hyper's read buffer (about 400 KiB) and its 100 header lines.
pub(super) fn client(
    settings: &HttpSettings,
    resolver: Arc<dyn Resolve>,
) -> Result<reqwest::Client, ProviderError> {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("modelferry/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .http1_only()
        .connect_timeout(settings.connect_timeout)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(IDLE_PER_HOST)
        .tcp_nodelay(true);
    let builder = match &settings.proxy {
        None => builder.no_proxy().dns_resolver(resolver),
        Some(proxy) => builder.proxy(through(proxy, settings.proxy_login.as_ref())?),
    };
    builder.build().map_err(|error| {
        ProviderError::new(
            ErrorKind::Upstream,
            format!("no HTTP client could be made: {error}"),
        )
        .hint("install the system's CA certificates (the package ca-certificates)")
    })
}

fn through(proxy: &SafeUrl, login: Option<&Token>) -> Result<reqwest::Proxy, ProviderError> {
    let through = reqwest::Proxy::all(proxy.as_url().clone()).map_err(|_| {
        ProviderError::new(
            ErrorKind::InvalidSource,
            format!("{proxy} can't be used as a proxy"),
        )
        .hint("write it like http://proxy.example:3128")
    })?;
    let Some(login) = login else {
        return Ok(through);
    };
    let (user, password) = login
        .expose()
        .split_once(':')
        .unwrap_or((login.expose(), ""));
    Ok(through.basic_auth(user, password))
}

/// A name that no address is known for, or that could not be asked about.
#[derive(Debug, thiserror::Error)]
#[error("its name can't be resolved")]
pub(super) struct UnknownName;

/// A name with addresses of which none may be reached.
#[derive(Debug, thiserror::Error)]
#[error("no address of this name is public")]
pub(super) struct NoPublicAddress;

/// The system's own resolver.
#[derive(Debug)]
pub(super) struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0))
                .await
                .map_err(|_| UnknownName)?;
            Ok(Box::new(found.collect::<Vec<_>>().into_iter()) as Addrs)
        })
    }
}

/// Resolves names and drops every address that may not be reached, so that
/// the address judged is the one connected to.
pub(super) struct GuardedResolver {
    pub(super) guard: AddressGuard,
    pub(super) inner: Arc<dyn Resolve>,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.guard.clone();
        let asked = self.inner.resolve(name);
        Box::pin(async move {
            let found: Vec<SocketAddr> = asked.await?.collect();
            if found.is_empty() {
                return Err(UnknownName.into());
            }
            let open: Vec<SocketAddr> = found
                .into_iter()
                .filter(|address| guard.permits(address.ip()))
                .collect();
            if open.is_empty() {
                return Err(NoPublicAddress.into());
            }
            Ok(Box::new(open.into_iter()) as Addrs)
        })
    }
}

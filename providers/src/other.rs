//! Any http(s) URL: one file.

mod confirm;
mod fetch;
mod github;
mod name;
mod resolve;
mod rewrite;
pub(crate) mod sniff;

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::http::{Method, ranged};
use crate::source::{Locator, quoted, trimmed};
use crate::url::UrlError;
use crate::{
    Artifact, Auth, Body, ByteRange, ErrorKind, Http, Origin, Plan, Provider, ProviderError,
    ProviderKind, Reference, SafeUrl, SourceError, Validator,
};

const EXAMPLE: &str = "https://example.com/model.safetensors";

/// How to ask for a URL's content again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherOrigin {
    /// Where it is, as the user wrote it: every request starts there.
    pub url: SafeUrl,
    /// What the content was when it was resolved.
    pub validator: Option<Validator>,
}

impl OtherOrigin {
    pub(crate) fn grant(&self) -> String {
        format!("other/{}", self.url.as_url())
    }
}

/// Sites with ways of their own that the provider knows. The defaults are the
/// real ones; `None` leaves a site's ways unused.
#[derive(Debug, Clone)]
pub struct Services {
    /// Where release downloads are.
    pub github: Option<SafeUrl>,
    /// Where their digests are asked for.
    pub github_api: Option<SafeUrl>,
    /// Where large files ask to be confirmed.
    pub drive: Option<SafeUrl>,
}

impl Default for Services {
    fn default() -> Self {
        let site = |text: &str| SafeUrl::parse(text).ok();
        Self {
            github: site("https://github.com"),
            github_api: site("https://api.github.com"),
            drive: site("https://drive.google.com"),
        }
    }
}

/// The provider of last resort: whatever http(s) URL no hub claims.
pub struct Other {
    http: Http,
    services: Services,
}

impl Other {
    /// Over the shared HTTP layer.
    pub fn new(http: Http) -> Self {
        Self::with_services(http, Services::default())
    }

    /// With other sites in the place of the well-known ones, such as a GitHub
    /// Enterprise server.
    pub fn with_services(http: Http, services: Services) -> Self {
        Self { http, services }
    }
}

impl fmt::Debug for Other {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Other").finish_non_exhaustive()
    }
}

#[async_trait]
impl Provider for Other {
    fn kind(&self) -> ProviderKind {
        ProviderKind::Other
    }

    fn parse(&self, source: &str) -> Option<Result<Reference, SourceError>> {
        let source = source.trim();
        let (scheme, _) = source.split_once(':')?;
        match scheme.to_ascii_lowercase().as_str() {
            "http" | "https" => Some(read(source)),
            "ftp" | "ftps" | "sftp" | "file" | "data" | "javascript" | "gopher" | "s3" | "gs"
            | "az" | "ssh" | "git" | "magnet" => Some(Err(SourceError::unsupported(
                format!("{} is no web address", quoted(source)),
                EXAMPLE,
            ))),
            _ => None,
        }
    }

    async fn resolve(&self, of: &Reference, auth: &Auth) -> Result<Plan, ProviderError> {
        match &of.locator {
            Locator::Other { url } => resolve::plan(self, url, of, auth).await,
            _ => Err(not_ours()),
        }
    }

    async fn may_read(&self, file: &Artifact, auth: &Auth) -> Result<(), ProviderError> {
        let origin = origin(file)?;
        let whole = ByteRange::whole();
        let answer = fetch::get(self, &origin.url, Method::Head, &whole, auth).await?;
        match answer.status {
            200..300 => return Ok(()),
            401 | 429 => return Err(fetch::refused(answer).await),
            // Links are signed for GET alone, and some servers know no HEAD.
            _ => {}
        }
        let first = ByteRange {
            end: Some(1),
            ..whole
        };
        let answer = fetch::get(self, &origin.url, Method::Get, &first, auth).await?;
        match answer.status {
            200..300 => Ok(()),
            416 if answer.unsatisfied_total() == Some(0) => Ok(()),
            _ => Err(fetch::refused(answer).await),
        }
    }

    async fn is_current(
        &self,
        plan: &Plan,
        of: &Reference,
        auth: &Auth,
    ) -> Result<bool, ProviderError> {
        match &of.locator {
            Locator::Other { url } => {
                let told = resolve::is_current(self, url, plan, auth).await;
                crate::error::yes_or_open(told)
            }
            _ => Err(not_ours()),
        }
    }

    async fn open(
        &self,
        file: &Artifact,
        range: &ByteRange,
        auth: &Auth,
    ) -> Result<Body, ProviderError> {
        let origin = origin(file)?;
        let asked = ByteRange {
            validator: range.validator.clone().or_else(|| origin.validator.clone()),
            ..range.clone()
        };
        let mut answer = fetch::get(self, &origin.url, Method::Get, &asked, auth).await?;
        if !answer.is_success() && answer.status != 416 {
            return Err(fetch::refused(answer).await);
        }
        // Before its length and validator are: a login page is no changed file.
        fetch::refuse_markup(&mut answer, &origin.url).await?;
        ranged::body(answer, &asked, file.size.exact()).map_err(|mut error| {
            // The length was this URL's own word, not a hub's.
            if error.kind == ErrorKind::SizeMismatch {
                error.kind = ErrorKind::SourceChanged;
            }
            error
        })
    }
}

fn read(source: &str) -> Result<Reference, SourceError> {
    let malformed = |message: String| SourceError::malformed(message, EXAMPLE);
    let url = SafeUrl::parse(trimmed(source)?).map_err(|error| match error {
        UrlError::UserInfo => malformed(format!(
            "{} carries a user name or password; store them with `modelferry credentials set \
             HOST` and leave them out here",
            quoted(source)
        )),
        error => malformed(format!("{} can't be fetched: {error}", quoted(source))),
    })?;
    if !source.to_ascii_lowercase().contains("://") {
        return Err(malformed(format!("{} lacks its `//`", quoted(source))));
    }
    rewrite::check(&url)?;
    Ok(Reference::new(Locator::Other { url }))
}

fn origin(file: &Artifact) -> Result<&OtherOrigin, ProviderError> {
    match &file.origin {
        Origin::Other(origin) => Ok(origin),
        _ => Err(not_ours()),
    }
}

fn not_ours() -> ProviderError {
    ProviderError::new(
        ErrorKind::InvalidSource,
        "this belongs to another provider than the one for plain URLs",
    )
}

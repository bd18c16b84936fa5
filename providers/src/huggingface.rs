//! Hugging Face: models, datasets and spaces, at a commit.
//!
//! The way of the data: [`parse`] text ▸ [`repo::HfRef`] ▸ [`resolve`] (pin,
//! [`tree`], [`select`]) ▸ plan; [`open`] an artifact through the hub's
//! redirect, whose signed [`links`] are kept in memory until they expire.

mod card;
mod current;
mod errors;
mod hub;
mod links;
mod listing;
mod locate;
mod open;
mod parse;
mod refs;
mod repo;
mod resolve;
mod scan;
mod select;
mod tree;
mod wire;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use self::hub::Hub;
use self::links::Links;
pub use self::listing::HfListing;
pub use self::repo::{Commit, HfNameError, HfOrigin, HfRef, RepoId, RepoPath, RepoType, Revision};
use crate::{
    Artifact, Auth, Body, ByteRange, ErrorKind, Http, Locator, Origin, Plan, Provider,
    ProviderError, ProviderKind, Reference, SafeUrl, SourceError,
};

/// The Hugging Face provider.
pub struct HuggingFace {
    endpoint: SafeUrl,
    http: Http,
    links: Arc<Links>,
}

impl HuggingFace {
    /// For one endpoint: the hub itself or a mirror of it.
    pub fn new(endpoint: SafeUrl, http: Http) -> Self {
        Self {
            endpoint,
            http,
            links: Arc::default(),
        }
    }

    fn hub<'a>(&'a self, auth: &'a Auth) -> Hub<'a> {
        Hub {
            endpoint: &self.endpoint,
            http: &self.http,
            token: auth.hub(ProviderKind::HuggingFace),
        }
    }
}

impl fmt::Debug for HuggingFace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HuggingFace")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Provider for HuggingFace {
    fn kind(&self) -> ProviderKind {
        ProviderKind::HuggingFace
    }

    fn parse(&self, source: &str) -> Option<Result<Reference, SourceError>> {
        let parsed = parse::parse(source, &self.endpoint)?;
        Some(parsed.map(|of| Reference::new(Locator::HuggingFace(of))))
    }

    async fn resolve(&self, of: &Reference, auth: &Auth) -> Result<Plan, ProviderError> {
        let Locator::HuggingFace(asked) = &of.locator else {
            return Err(not_ours());
        };
        resolve::resolve(&self.hub(auth), asked, &of.selection).await
    }

    async fn may_read(&self, file: &Artifact, auth: &Auth) -> Result<(), ProviderError> {
        open::may_read(&self.hub(auth), file, origin_of(file)?).await
    }

    async fn is_current(
        &self,
        plan: &Plan,
        of: &Reference,
        auth: &Auth,
    ) -> Result<bool, ProviderError> {
        let Locator::HuggingFace(asked) = &of.locator else {
            return Err(not_ours());
        };
        let told = current::is_current(&self.hub(auth), plan, asked).await;
        crate::error::yes_or_open(told)
    }

    async fn open(
        &self,
        file: &Artifact,
        range: &ByteRange,
        auth: &Auth,
    ) -> Result<Body, ProviderError> {
        open::open(&self.hub(auth), &self.links, file, origin_of(file)?, range).await
    }
}

fn origin_of(file: &Artifact) -> Result<&HfOrigin, ProviderError> {
    match &file.origin {
        Origin::HuggingFace(origin) => Ok(origin),
        _ => Err(not_ours()),
    }
}

fn not_ours() -> ProviderError {
    ProviderError::new(
        ErrorKind::InvalidSource,
        "this belongs to another provider than Hugging Face",
    )
}

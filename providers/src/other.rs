//! Any http(s) URL: one file.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    Artifact, Auth, Body, ByteRange, Http, Plan, Provider, ProviderError, ProviderKind, Reference,
    SafeUrl, SourceError, Validator,
};

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

/// The provider of last resort: whatever http(s) URL no hub claims.
pub struct Other {
    http: Http,
}

impl Other {
    /// Over the shared HTTP layer.
    pub fn new(http: Http) -> Self {
        Self { http }
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

    fn parse(&self, _source: &str) -> Option<Result<Reference, SourceError>> {
        let _ = &self.http;
        None
    }

    async fn resolve(&self, _of: &Reference, _auth: &Auth) -> Result<Plan, ProviderError> {
        todo!()
    }

    async fn may_read(&self, _file: &Artifact, _auth: &Auth) -> Result<(), ProviderError> {
        todo!()
    }

    async fn open(
        &self,
        _file: &Artifact,
        _range: &ByteRange,
        _auth: &Auth,
    ) -> Result<Body, ProviderError> {
        todo!()
    }
}

//! Hugging Face: models, datasets and spaces, at a commit.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    Artifact, Auth, Body, ByteRange, Http, Plan, Provider, ProviderError, ProviderKind, Reference,
    SafeUrl, SourceError,
};

/// What sort of repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RepoType {
    /// A model.
    Model,
    /// A dataset.
    Dataset,
    /// A space.
    Space,
}

/// A repository, a folder or a file of it, as a source named it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HfRef {
    /// What sort of repository.
    pub repo_type: RepoType,
    /// `org/name`, or a root name such as `gpt2`.
    pub repo: String,
    /// A branch, tag, commit or `refs/pr/N`; `None` means `main`.
    pub revision: Option<String>,
    /// A folder or file within; empty for all.
    pub path: String,
}

/// How to ask for a file of a repository again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HfOrigin {
    /// What sort of repository.
    pub repo_type: RepoType,
    /// Its id.
    pub repo: String,
    /// The commit, 40 hexadecimal digits.
    pub commit: String,
    /// The path as the hub spells it.
    pub path: String,
}

impl HfOrigin {
    pub(crate) fn grant(&self) -> String {
        format!("huggingface/{:?}/{}", self.repo_type, self.repo)
    }
}

/// The Hugging Face provider.
pub struct HuggingFace {
    endpoint: SafeUrl,
    http: Http,
}

impl HuggingFace {
    /// For one endpoint: the hub itself or a mirror of it.
    pub fn new(endpoint: SafeUrl, http: Http) -> Self {
        Self { endpoint, http }
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

//! Civitai: models, versions and their files.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    Artifact, Auth, Body, ByteRange, Http, Plan, Provider, ProviderError, ProviderKind, Reference,
    SafeUrl, SourceError,
};

/// A model, version, file or hash, as a source named it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CivitaiRef {
    /// The model's id.
    pub model: Option<u32>,
    /// The version's id; `None` means the newest published one.
    pub version: Option<u32>,
    /// One file's id.
    pub file: Option<u32>,
    /// A hash of any kind the hub knows, in upper case.
    pub hash: Option<String>,
    /// Which of the version's files.
    pub filter: FileFilter,
    /// The sister domain that the source named, asked when the endpoint answers 404.
    pub host: Option<String>,
}

/// `?type=&format=&size=&fp=&quantType=` of a download URL.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FileFilter {
    /// `Model`, `Pruned Model`, `VAE`, …
    pub file_type: Option<String>,
    /// `SafeTensor`, `PickleTensor`, `GGUF`, …
    pub format: Option<String>,
    /// `full` or `pruned`.
    pub size: Option<String>,
    /// `fp16`, `fp32`, …
    pub fp: Option<String>,
    /// `Q4_K_M`, …
    pub quant_type: Option<String>,
}

/// How to ask for a file of a version again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CivitaiOrigin {
    /// The version's id.
    pub version: u32,
    /// The file's id, where the hub gave one.
    pub file: Option<u32>,
    /// The file's own download URL, for when the hub can't find it by id.
    pub download_url: Option<SafeUrl>,
}

impl CivitaiOrigin {
    pub(crate) fn grant(&self) -> String {
        format!("civitai/{}", self.version)
    }
}

/// The Civitai provider.
pub struct Civitai {
    endpoint: SafeUrl,
    http: Http,
}

impl Civitai {
    /// For one endpoint: the hub itself or a stand-in for it.
    pub fn new(endpoint: SafeUrl, http: Http) -> Self {
        Self { endpoint, http }
    }
}

impl fmt::Debug for Civitai {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Civitai")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Provider for Civitai {
    fn kind(&self) -> ProviderKind {
        ProviderKind::Civitai
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

//! Resolves Hugging Face, Civitai and plain URLs to pinned, downloadable files.
//!
//! A [`Provider`] claims a source text ([`Provider::parse`]), pins it
//! ([`Provider::resolve`]), proves that a token may read it
//! ([`Provider::may_read`]) and hands out byte ranges of its files
//! ([`Provider::open`]). The caller owns everything after that: storage,
//! verification, records.
//!
//! The way of the data: [`source`] text ▸ [`Reference`] ▸ [`Plan`] of
//! [`Artifact`]s ▸ [`Body`]. The crate reads no files, no environment and no
//! database; what it needs arrives in [`Settings`] and [`Auth`].

pub mod artifact;
pub mod auth;
mod civitai;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod digest;
pub mod error;
pub mod glob;
pub mod http;
mod huggingface;
pub mod listing;
pub mod net;
mod other;
pub mod path;
pub mod picture;
pub mod source;
mod time;
pub mod url;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

pub use crate::artifact::{
    Artifact, Body, ByteRange, HubScan, LeftOut, Origin, Place, Plan, ScanVerdict, Size, Validator,
    Warning,
};
pub use crate::auth::{Auth, Token};
pub use crate::civitai::{
    BadFilter, BadHash, BadId, Civitai, CivitaiId, CivitaiListing, CivitaiOrigin, CivitaiRef,
    CivitaiTarget, FileFilter, FileFormat, FileSize, FileType, HashKind, ModelHash, ShortText,
    Sidecar, SisterHost,
};
pub use crate::digest::{Digests, GitSha1, HeaderDigest, Sha256};
pub use crate::error::{ErrorKind, ProviderError};
pub use crate::http::Http;
pub use crate::huggingface::{
    Commit, HfListing, HfNameError, HfOrigin, HfRef, HuggingFace, RepoId, RepoPath, RepoType,
    Revision,
};
use crate::listing::Catalog;
pub use crate::other::{Other, OtherOrigin, Services};
pub use crate::path::RelPath;
pub use crate::picture::{Picture, PictureFormat};
pub use crate::source::{Locator, Reference, Selection, SourceError};
pub use crate::url::SafeUrl;

/// Who resolved a source. Spelled as the public records spell it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum ProviderKind {
    /// huggingface.co or the endpoint configured in its place.
    HuggingFace,
    /// civitai.com, its sister domains, or the endpoint configured in its place.
    Civitai,
    /// Any other http(s) URL.
    Other,
}

impl ProviderKind {
    /// The name on records and in paths: `huggingface`, `civitai` or `other`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HuggingFace => "huggingface",
            Self::Civitai => "civitai",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for ProviderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One hub, or the open web: what it takes to import from it.
///
/// Every promise below is a test in [`conformance`], which each
/// implementation passes.
#[async_trait]
pub trait Provider: fmt::Debug + Send + Sync + 'static {
    /// Which provider this is.
    fn kind(&self) -> ProviderKind;

    /// Reads a source text, without any network traffic.
    ///
    /// `None`: not mine. `Some(Err)`: mine, but malformed, with an example of
    /// the right form. A text accepted here has no user info, no `..` and no
    /// control characters left in it, and a token found in it has been moved
    /// to [`Reference::token`].
    fn parse(&self, source: &str) -> Option<Result<Reference, SourceError>>;

    /// Pins a reference: the plan names a revision that never moves, and every
    /// file the selection asks for, with size and hashes where known.
    ///
    /// Access is proven before the plan is returned: a gated repository is an
    /// error here, not at the first byte.
    async fn resolve(&self, of: &Reference, auth: &Auth) -> Result<Plan, ProviderError>;

    /// Proves that `auth` may read `file` now. Moves no body.
    ///
    /// One call answers for every artifact with the same [`Origin::grant`].
    async fn may_read(&self, file: &Artifact, auth: &Auth) -> Result<(), ProviderError>;

    /// Whether `plan`, made of this very reference earlier, is still what it
    /// comes to, and `auth` may read all of it now: told by as few requests as
    /// the hub allows, and without a body.
    ///
    /// `false` means that this was not to be told so: [`Provider::resolve`]
    /// says what there is now, or why it is refused. What a hub's scanners say
    /// of the files is not looked at.
    ///
    /// # Errors
    /// [`ErrorKind::RateLimited`], where asking on would be wrong.
    async fn is_current(
        &self,
        plan: &Plan,
        of: &Reference,
        auth: &Auth,
    ) -> Result<bool, ProviderError>;

    /// Opens `file` at `range`, through a fresh signed link when one is needed.
    ///
    /// The body says which offset it starts at *as answered*; a server that
    /// ignores ranges answers from zero. When `range` carries a validator and
    /// the content is no longer the one it names, this fails with
    /// [`ErrorKind::SourceChanged`].
    async fn open(
        &self,
        file: &Artifact,
        range: &ByteRange,
        auth: &Auth,
    ) -> Result<Body, ProviderError>;
}

/// Where the hubs are. The defaults are the real ones.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Hugging Face or a mirror of it, without a trailing slash.
    pub huggingface_endpoint: SafeUrl,
    /// Civitai or a stand-in for it, without a trailing slash.
    pub civitai_endpoint: SafeUrl,
}

/// Every provider, hubs first: the first that claims a source owns it.
#[derive(Clone)]
pub struct Providers {
    all: Vec<Arc<dyn Provider>>,
    catalogs: Vec<Arc<dyn Catalog>>,
    http: Http,
}

impl Providers {
    /// The three providers over one HTTP layer.
    pub fn new(settings: &Settings, http: &Http) -> Self {
        let civitai = Arc::new(Civitai::new(
            settings.civitai_endpoint.clone(),
            http.clone(),
        ));
        let huggingface = Arc::new(HuggingFace::new(
            settings.huggingface_endpoint.clone(),
            http.clone(),
        ));
        Self {
            // Civitai first, since what it claims without a scheme (64 digits of a hash,
            // `civitai.com/models`, a bare number) could be read as a repository.
            all: vec![
                civitai.clone(),
                huggingface.clone(),
                Arc::new(Other::new(http.clone())),
            ],
            catalogs: vec![civitai, huggingface],
            http: http.clone(),
        }
    }

    /// Fetches a picture that a model's card names. No token goes along.
    ///
    /// # Errors
    /// What the server says, or that it is no picture of at most [`picture::MOST`] bytes.
    pub async fn picture(&self, at: &SafeUrl) -> Result<Picture, ProviderError> {
        picture::fetch(&self.http, at).await
    }

    /// Reads a source text by the first provider that claims it.
    ///
    /// # Errors
    /// [`SourceError`] when nobody claims it, or its owner finds it malformed.
    pub fn parse(&self, source: &str) -> Result<Reference, SourceError> {
        let text = source::trimmed(source)?;
        self.all
            .iter()
            .find_map(|provider| provider.parse(text))
            .unwrap_or_else(|| Err(SourceError::unclaimed(text)))
    }

    /// The provider of that kind.
    pub fn of(&self, kind: ProviderKind) -> &dyn Provider {
        // `new` puts one of each kind in; the last is the fallback of last resort.
        self.all
            .iter()
            .find(|provider| provider.kind() == kind)
            .unwrap_or(&self.all[self.all.len() - 1])
            .as_ref()
    }
}

impl fmt::Debug for Providers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Providers").field(&self.all).finish()
    }
}

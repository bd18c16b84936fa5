//! The hub's metadata, asked for at one of its addresses.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::errors::{self, Asked};
use super::hash::ModelHash;
use super::id::CivitaiId;
use super::reference::SisterHost;
use super::wire::{Mini, Model, ModelPage, Version};
use crate::auth::Token;
use crate::error::{ErrorKind, ProviderError};
use crate::http::{Http, Request};
use crate::url::SafeUrl;

/// The most that an answer may hold. The largest recorded has 216 KB; a model
/// with hundreds of versions has a few MB.
const MOST_READ: usize = 32 * 1024 * 1024;

/// One address of the hub, and the token that may go there.
pub(super) struct Api<'a> {
    pub http: &'a Http,
    pub base: SafeUrl,
    pub token: Option<&'a Token>,
    /// Set at a sister domain.
    pub sister: Option<SisterHost>,
}

impl Api<'_> {
    /// `host` or `host:port`, for messages.
    pub fn host(&self) -> String {
        self.base.authority()
    }

    /// The page of a model, or of a version whose model is not known.
    pub fn page(&self, model: Option<CivitaiId>, version: Option<CivitaiId>) -> String {
        let url = match (model, version) {
            (Some(model), _) => self
                .base
                .with_segments(["models".to_owned(), model.to_string()]),
            (None, Some(version)) => self
                .base
                .with_segments(["model-versions".to_owned(), version.to_string()]),
            (None, None) => self.base.clone(),
        };
        match (model, version) {
            (Some(_), Some(version)) => format!("{url}?modelVersionId={version}"),
            _ => url.to_string(),
        }
    }

    /// What a failure says of a request.
    pub fn asked(&self, what: impl Into<String>, page: String) -> Asked {
        Asked {
            what: what.into(),
            page,
            with_token: self.token.is_some(),
            takes_token: self.sister.is_none_or(SisterHost::takes_token),
        }
    }

    /// A model with its versions; `None` when there is none to see.
    pub async fn model(&self, id: CivitaiId) -> Result<Option<Model>, ProviderError> {
        let asked = self.asked(format!("model {id}"), self.page(Some(id), None));
        let model: Option<Model> = self.get(&["models", &id.to_string()], "", &asked).await?;
        match &model {
            Some(found) if found.id.is_some_and(|found| found != id) => Err(self.mixed_up(&asked)),
            _ => Ok(model),
        }
    }

    /// A version with its files. The hub also answers 404 for one whose
    /// browsing level is not set yet.
    pub async fn version(&self, id: CivitaiId) -> Result<Option<Version>, ProviderError> {
        let asked = self.asked(format!("version {id}"), self.page(None, Some(id)));
        let version: Option<Version> = self
            .get(&["model-versions", &id.to_string()], "", &asked)
            .await?;
        match &version {
            Some(found) if found.id.is_some_and(|found| found != id) => Err(self.mixed_up(&asked)),
            _ => Ok(version),
        }
    }

    /// The short form of a version, which also says whether a login is needed.
    pub async fn mini(
        &self,
        id: CivitaiId,
        file: Option<CivitaiId>,
    ) -> Result<Option<Mini>, ProviderError> {
        let asked = self.asked(format!("version {id}"), self.page(None, Some(id)));
        let query = file
            .map(|file| format!("modelFileId={file}"))
            .unwrap_or_default();
        self.get(&["model-versions", "mini", &id.to_string()], &query, &asked)
            .await
    }

    /// The oldest published version with a file of this hash, of any kind.
    pub async fn by_hash(&self, hash: &ModelHash) -> Result<Option<Version>, ProviderError> {
        let asked = self.asked(format!("file of hash {hash}"), self.page(None, None));
        self.get(&["model-versions", "by-hash", hash.hex()], "", &asked)
            .await
    }

    /// One page of a search.
    pub async fn search(&self, query: &str) -> Result<ModelPage, ProviderError> {
        let asked = self.asked("list of models", self.page(None, None));
        let page = self.get(&["models"], query, &asked).await?;
        page.ok_or_else(|| {
            ProviderError::new(
                ErrorKind::NotFound,
                format!("{} has no such list of models", self.host()),
            )
            .status(404)
        })
    }

    async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &str,
        asked: &Asked,
    ) -> Result<Option<T>, ProviderError> {
        let url = self
            .base
            .with_segments(["api", "v1"].iter().chain(path))
            .with_query(query);
        let answer = self
            .http
            .follow(&Request::get(url).bearer(self.token))
            .await?;
        if answer.status == 404 {
            return Ok(None);
        }
        let is_page = answer
            .media_type()
            .is_some_and(|media| media.contains("html"));
        if !answer.is_success() || is_page {
            return Err(errors::refusal(answer, asked).await);
        }
        let keys: Map<String, Value> = answer.json(MOST_READ).await?;
        T::deserialize(Value::Object(keys))
            .map(Some)
            .map_err(|error| {
                ProviderError::new(
                    ErrorKind::Upstream,
                    format!("{} answered with what we can't read: {error}", self.host()),
                )
            })
    }

    fn mixed_up(&self, asked: &Asked) -> ProviderError {
        ProviderError::new(
            ErrorKind::Upstream,
            format!(
                "{} answered with another id than was asked for: {}",
                self.host(),
                asked.what
            ),
        )
        .hint("try again later")
    }
}

//! Lists of repositories: which endpoint answers each, and what an entry tells.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::form_urlencoded;

use super::hub::Hub;
use super::repo::{Commit, RepoId, RepoType};
use super::tree::next_query;
use super::{HuggingFace, not_ours, parse};
use crate::error::{ErrorKind, ProviderError};
use crate::http::{Answer, Request};
use crate::listing::{Catalog, Cursor, Listed, Listing, Page};
use crate::time::unix_seconds;
use crate::url::SafeUrl;
use crate::{Auth, ProviderKind, SourceError};

/// Entries of one page: the most the hub gives.
const PAGE: &str = "1000";
/// The only keys asked for: a whole entry names every file of its repository.
const KEYS: [&str; 7] = [
    "sha",
    "lastModified",
    "disabled",
    "gated",
    "pipeline_tag",
    "tags",
    "usedStorage",
];

/// A list on the hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HfListing {
    /// Repositories of one type that fit every filter.
    Repositories {
        /// Models, datasets or spaces.
        repo_type: RepoType,
        /// Whose they are.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        author: Option<String>,
        /// What their name holds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        search: Option<String>,
        /// Tags that they have.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tags: Vec<String>,
    },
    /// What somebody put together.
    Collection {
        /// `owner/title-id`.
        slug: String,
    },
}

#[async_trait]
impl Catalog for HuggingFace {
    fn hub(&self) -> ProviderKind {
        ProviderKind::HuggingFace
    }

    fn parse_listing(&self, source: &str) -> Option<Result<Listing, SourceError>> {
        let parsed = parse::parse_listing(source, &self.endpoint)?;
        Some(parsed.map(Listing::HuggingFace))
    }

    async fn page(
        &self,
        of: &Listing,
        at: Option<&Cursor>,
        auth: &Auth,
    ) -> Result<Page, ProviderError> {
        let Listing::HuggingFace(listing) = of else {
            return Err(not_ours());
        };
        let hub = self.hub(auth);
        match listing {
            HfListing::Repositories { repo_type, .. } => {
                repositories(&hub, *repo_type, &query(listing), at).await
            }
            HfListing::Collection { slug } => collection(&hub, slug).await,
        }
    }
}

fn query(listing: &HfListing) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("limit", PAGE);
    if let HfListing::Repositories {
        author,
        search,
        tags,
        ..
    } = listing
    {
        let pairs = [("author", author), ("search", search)];
        for (key, value) in pairs {
            value.iter().for_each(|value| {
                query.append_pair(key, value);
            });
        }
        query.extend_pairs(tags.iter().map(|tag| ("filter", tag)));
    }
    query.extend_pairs(KEYS.map(|key| ("expand[]", key)));
    query.finish()
}

async fn repositories(
    hub: &Hub<'_>,
    repo_type: RepoType,
    first: &str,
    at: Option<&Cursor>,
) -> Result<Page, ProviderError> {
    let list = hub.endpoint.with_segments(["api", repo_type.plural()]);
    let query = at.map_or(first, |cursor| &cursor.0);
    let answer = ask(hub, list.with_query(query)).await?;
    let next = next_query(&list, &answer)?.map(Cursor);
    let items: Vec<Item> = hub.json(answer).await?;
    Ok(Page {
        entries: items
            .into_iter()
            .filter_map(|item| item.listed(repo_type))
            .collect(),
        next,
    })
}

/// A collection comes whole. What is no repository in it (papers) is passed over.
async fn collection(hub: &Hub<'_>, slug: &str) -> Result<Page, ProviderError> {
    let url = hub
        .endpoint
        .with_segments(["api", "collections"].into_iter().chain(slug.split('/')));
    let answer = ask(hub, url).await?;
    let collection: Collection = hub.json(answer).await?;
    let entries = collection.items.into_iter().filter_map(|item| {
        let repo_type = match item.kind.as_deref()? {
            "model" => RepoType::Model,
            "dataset" => RepoType::Dataset,
            "space" => RepoType::Space,
            _ => return None,
        };
        item.listed(repo_type)
    });
    Ok(Page {
        entries: entries.collect(),
        next: None,
    })
}

async fn ask(hub: &Hub<'_>, url: SafeUrl) -> Result<Answer, ProviderError> {
    let request = Request::get(url.clone()).bearer(hub.token);
    let answer = hub.ask(request, |_| Ok(())).await?;
    let host = hub.endpoint.authority();
    let (kind, message, hint) = match answer.status {
        200..=299 => return Ok(answer),
        404 => (
            ErrorKind::NotFound,
            format!("{host} has no such list"),
            format!("open {} in a browser to see", url.with_query("")),
        ),
        401 | 403 => (
            ErrorKind::AuthRequired,
            format!("{host} does not show this list to this token"),
            "check HF_TOKEN, or store one: modelferry credentials set huggingface".to_owned(),
        ),
        status => (
            ErrorKind::Upstream,
            format!("{host} answered {status} to a list"),
            "try again later".to_owned(),
        ),
    };
    Err(ProviderError::new(kind, message)
        .status(answer.status)
        .hint(hint))
}

#[derive(Deserialize)]
struct Collection {
    #[serde(default)]
    items: Vec<Item>,
}

/// One entry, read leniently.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    id: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    sha: Option<String>,
    last_modified: Option<String>,
    disabled: Option<bool>,
    #[serde(rename = "pipeline_tag")]
    pipeline_tag: Option<String>,
    tags: Option<Vec<Value>>,
    used_storage: Option<Value>,
}

impl Item {
    /// `None` for an entry that can't be imported: no name, a name that is
    /// none, or taken down.
    fn listed(self, repo_type: RepoType) -> Option<Listed> {
        if self.disabled == Some(true) {
            return None;
        }
        let repo = RepoId::parse(&self.id?).ok()?;
        let source = match repo_type {
            RepoType::Model => repo.as_str().to_owned(),
            other => format!("hf://{}/{repo}", other.plural()),
        };
        let tags = self.tags.unwrap_or_default();
        // `base_model:quantized:org/name` says how; the plain one beside it says from what.
        let base_model = tags
            .iter()
            .filter_map(|tag| tag.as_str()?.strip_prefix("base_model:"))
            .find(|base| !base.contains(':'));
        Some(Listed {
            subject: source.clone(),
            source,
            name: repo.as_str().to_owned(),
            revision: self.sha.filter(|sha| Commit::parse(sha).is_ok()),
            updated: self.last_modified.as_deref().and_then(unix_seconds),
            model_type: self.pipeline_tag,
            base_model: base_model.map(str::to_owned),
            size: self.used_storage.as_ref().and_then(Value::as_u64),
            is_at_most: true,
        })
    }
}

//! Lists of models: a creator's, a tag's, a search, with the site's filters.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::form_urlencoded;

use super::api::Api;
use super::id::CivitaiId;
use super::lookup::{no_versions, published};
use super::reference::{CivitaiRef, CivitaiTarget, SisterHost};
use super::wire::{File, Model, Version};
use super::{Civitai, not_ours, nothing_there, parse, plan};
use crate::listing::{Catalog, Cursor, Listed, Listing, ListingKind, Page};
use crate::time::unix_seconds;
use crate::{Auth, ProviderError, ProviderKind, SourceError};

/// Models of one page: the most the hub gives.
const PAGE: &str = "100";

/// Filters of the hub's search that keep their meaning from page to page.
pub(super) const FILTERS: &[&str] = &[
    "baseModels",
    "nsfw",
    "period",
    "query",
    "sort",
    "supportsGeneration",
    "tag",
    "types",
    "username",
];

/// A list on the hub: its search, narrowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CivitaiListing {
    /// Filters by the hub's own names, each with its values.
    pub(super) filters: BTreeMap<String, Vec<String>>,
}

impl CivitaiListing {
    /// By the filter that narrows it most.
    pub(crate) fn kind(&self) -> ListingKind {
        let has = |key: &str| self.filters.contains_key(key);
        match () {
            () if has("query") => ListingKind::Search,
            () if has("username") => ListingKind::Creator,
            () if has("tag") => ListingKind::Tag,
            () => ListingKind::Search,
        }
    }

    fn query(&self, at: Option<&Cursor>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("limit", PAGE);
        // Newest first, unless the list says otherwise, so that what is new is seen early.
        if !self.filters.contains_key("sort") {
            query.append_pair("sort", "Newest");
        }
        if !self.filters.contains_key("nsfw") {
            query.append_pair("nsfw", "true");
        }
        for (key, values) in &self.filters {
            query.extend_pairs(values.iter().map(|value| (key, value)));
        }
        if let Some(cursor) = at {
            query.append_pair("cursor", &cursor.0);
        }
        query.finish()
    }
}

#[async_trait]
impl Catalog for Civitai {
    fn hub(&self) -> ProviderKind {
        ProviderKind::Civitai
    }

    fn parse_listing(&self, source: &str) -> Option<Result<Listing, SourceError>> {
        let parsed = parse::parse_listing(source, &self.endpoint)?;
        Some(parsed.map(Listing::Civitai))
    }

    async fn page(
        &self,
        of: &Listing,
        at: Option<&Cursor>,
        auth: &Auth,
    ) -> Result<Page, ProviderError> {
        let listing = match of {
            Listing::Civitai(listing) => listing,
            Listing::CivitaiVersions { model } => return self.versions(*model, auth).await,
            Listing::HuggingFace(_) => return Err(not_ours(of.provider())),
        };
        let api: Api<'_> = self.hub(auth.civitai.as_ref());
        let found = api.search(&listing.query(at)).await?;
        let next = found.metadata.next_cursor.as_ref().and_then(cursor);
        Ok(Page {
            entries: found.items.iter().filter_map(listed).collect(),
            next,
        })
    }
}

/// Recorded as text (`41291|348916|4468`) and, for text searches, as a number.
fn cursor(value: &Value) -> Option<Cursor> {
    match value {
        Value::String(text) if !text.is_empty() => Some(Cursor(text.clone())),
        Value::Number(number) => Some(Cursor(number.to_string())),
        _ => None,
    }
}

impl Civitai {
    /// A model comes with all of its versions. One that the hub itself does
    /// not show is looked for where mature models are.
    async fn versions(&self, id: CivitaiId, auth: &Auth) -> Result<Page, ProviderError> {
        let token = auth.civitai.as_ref();
        let hub = self.hub(token);
        let (mut api, mut model) = (self.hub(token), hub.model(id).await?);
        if model.is_none()
            && let Some(sister) = self.sister(SisterHost::Red, token)
        {
            // What it lacks or refuses says nothing new.
            model = sister.model(id).await.unwrap_or_default();
            api = sister;
        }
        let Some(model) = model else {
            return Err(nothing_there(
                &hub,
                &CivitaiRef::new(CivitaiTarget::Model(id)),
            ));
        };
        let versions = published(model.model_versions.iter());
        let entries: Vec<Listed> = versions
            .filter_map(|version| at_version(&model, version))
            .map(|listed| Listed {
                subject: listed.source.clone(),
                ..listed
            })
            .collect();
        if entries.is_empty() {
            return Err(no_versions(&api, id, &model));
        }
        Ok(Page {
            entries,
            next: None,
        })
    }
}

/// A model at its newest published version; `None` for one without any.
fn listed(model: &Model) -> Option<Listed> {
    at_version(model, published(model.model_versions.iter()).next()?)
}

fn at_version(model: &Model, version: &Version) -> Option<Listed> {
    let (id, version_id) = (model.id?, version.id?);
    Some(Listed {
        source: source(id, version_id),
        subject: format!("civitai:{id}"),
        name: name(model, version),
        revision: Some(version_id.to_string()),
        updated: version.published_at.as_deref().and_then(unix_seconds),
        model_type: model.kind.clone(),
        base_model: version.base_model.clone(),
        size: primary(version).and_then(|file| plan::size(file).approximate()),
        is_at_most: false,
    })
}

fn source(model: CivitaiId, version: CivitaiId) -> String {
    format!("civitai:{model}@{version}")
}

fn name(model: &Model, version: &Version) -> String {
    [model.name.as_deref(), version.name.as_deref()]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" ")
}

fn primary(version: &Version) -> Option<&File> {
    version
        .files
        .iter()
        .find(|file| file.primary)
        .or(version.files.first())
}

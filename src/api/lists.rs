//! `GET /v1/models` and `GET /v1/assets`: what imports made, page by page.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use chrono::SecondsFormat;
use modelferry_providers::ProviderKind;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::auth::Caller;
use super::page::Page;
use super::problem::{Problem, ProblemBody};
use super::uploads::search;
use crate::inspect::Facts;
use crate::records::{EntityFilter, ListedEntity};
use crate::upload::Kind;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct EntitiesQuery {
    /// Only those resolved by this provider.
    #[param(value_type = Option<String>)]
    provider: Option<ProviderKind>,
    /// Only those with this text in their name or id, whatever its case.
    text: Option<String>,
    /// Entries on a page, 1 to 100.
    page_size: Option<u32>,
    /// Where an earlier page ended.
    pagination_token: Option<String>,
}

/// A page of models.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ModelsBody {
    /// The newest first.
    models: Vec<EntityBody>,
    /// Asks for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_pagination_token: Option<String>,
}

/// A page of assets.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AssetsBody {
    /// The newest first.
    assets: Vec<EntityBody>,
    /// Asks for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_pagination_token: Option<String>,
}

/// A model or asset as a list shows it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct EntityBody {
    id: String,
    #[schema(value_type = String)]
    kind: Kind,
    name: String,
    owner_id: String,
    /// The upload that made it.
    upload_id: String,
    created_at: String,
    #[schema(value_type = Option<String>)]
    provider: Option<ProviderKind>,
    /// The source in its shortest true form.
    reference: Option<String>,
    /// What it was pinned to.
    revision: Option<String>,
    /// How many files it has.
    file_count: u64,
    /// Their bytes.
    size: u64,
    /// What the headers of its files say together.
    #[serde(skip_serializing_if = "Facts::is_empty")]
    #[schema(value_type = Option<Object>)]
    facts: Facts,
}

/// Models, the newest first.
#[utoipa::path(
    get, path = "/v1/models", params(EntitiesQuery),
    responses((status = 200, body = ModelsBody), (status = "4XX", body = ProblemBody))
)]
pub(super) async fn models(
    State(api): State<Api>,
    caller: Caller,
    query: Result<Query<EntitiesQuery>, QueryRejection>,
) -> Result<Json<ModelsBody>, Problem> {
    let Query(query) = query?;
    let (models, next_pagination_token) = list(&api, &caller, query, true).await?;
    Ok(Json(ModelsBody {
        models,
        next_pagination_token,
    }))
}

/// Assets, the newest first.
#[utoipa::path(
    get, path = "/v1/assets", params(EntitiesQuery),
    responses((status = 200, body = AssetsBody), (status = "4XX", body = ProblemBody))
)]
pub(super) async fn assets(
    State(api): State<Api>,
    caller: Caller,
    query: Result<Query<EntitiesQuery>, QueryRejection>,
) -> Result<Json<AssetsBody>, Problem> {
    let Query(query) = query?;
    let (assets, next_pagination_token) = list(&api, &caller, query, false).await?;
    Ok(Json(AssetsBody {
        assets,
        next_pagination_token,
    }))
}

async fn list(
    api: &Api,
    caller: &Caller,
    query: EntitiesQuery,
    models: bool,
) -> Result<(Vec<EntityBody>, Option<String>), Problem> {
    let page = Page::of(query.page_size)?;
    let filter = EntityFilter {
        models,
        provider: query.provider,
        text: search(query.text)?,
        after: query.pagination_token.as_deref().map(place).transpose()?,
        limit: page.limit(),
    };
    let listed = api.ferry().records.entities(&caller.owner, &filter).await?;
    let (listed, next) = page.cut(listed, |last| {
        let row = &last.entity;
        format!("{}.{}", row.created_at.timestamp_millis(), row.id)
    });
    Ok((listed.into_iter().map(EntityBody::from).collect(), next))
}

/// Where a page ended: the time and id of its last entry.
fn place(token: &str) -> Result<(i64, String), Problem> {
    let parts = token.split_once('.');
    parts
        .and_then(|(at, id)| Some((at.parse().ok()?, id.to_owned())))
        .ok_or_else(|| {
            Problem::bad(
                "this is no paginationToken",
                "send the nextPaginationToken of the page before, as it was",
            )
        })
}

impl From<ListedEntity> for EntityBody {
    fn from(listed: ListedEntity) -> Self {
        let row = listed.entity;
        Self {
            id: row.id,
            kind: row.kind,
            name: row.name,
            owner_id: row.owner,
            upload_id: row.upload,
            created_at: row.created_at.to_rfc3339_opts(SecondsFormat::Millis, true),
            provider: listed.provider,
            reference: listed.reference,
            revision: listed.revision,
            file_count: listed.files,
            size: listed.size,
            facts: listed.facts,
        }
    }
}

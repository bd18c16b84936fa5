//! `/v1/webhooks`: what deliveries are signed with, and what became of them.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::auth::Caller;
use super::page::Page;
use super::problem::{Problem, ProblemBody};
use crate::error::{Code, Error};
use crate::records::{DeliveryFilter, DeliveryRow, DeliveryStatus};
use crate::upload::rfc3339;
use crate::webhook::{Secrets, ShownSecret};

/// What an owner's deliveries are signed with.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SecretBody {
    /// `whsec_` and base64, as the Standard Webhooks libraries take it.
    secret: String,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// Until when an earlier one signs too.
    #[schema(format = DateTime)]
    previous_until: Option<String>,
}

impl From<ShownSecret> for SecretBody {
    fn from(shown: ShownSecret) -> Self {
        Self {
            secret: shown.secret.expose().to_owned(),
            created_at: rfc3339(&shown.created_at),
            previous_until: shown.previous_until.as_ref().map(rfc3339),
        }
    }
}

fn secrets(api: &Api) -> Secrets {
    Secrets::new(api.ferry().records.clone(), api.ferry().vault.clone())
}

/// The secret that this owner's webhooks are signed with; made when it is first asked for.
#[utoipa::path(
    get, path = "/v1/webhooks/secret",
    responses((status = 200, body = SecretBody), (status = "4XX", body = ProblemBody))
)]
pub(super) async fn secret(
    State(api): State<Api>,
    caller: Caller,
) -> Result<Json<SecretBody>, Problem> {
    Ok(Json(secrets(&api).of(&caller.owner).await?.into()))
}

/// Makes a new secret. The one before signs beside it for 24 hours.
#[utoipa::path(
    post, path = "/v1/webhooks/secret/rotate",
    responses((status = 200, body = SecretBody), (status = "4XX", body = ProblemBody))
)]
pub(super) async fn rotate(
    State(api): State<Api>,
    caller: Caller,
) -> Result<Json<SecretBody>, Problem> {
    Ok(Json(secrets(&api).rotate(&caller.owner).await?.into()))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct DeliveriesQuery {
    /// Only those that stand here.
    status: Option<DeliveryStatus>,
    /// Deliveries on a page, 1 to 100.
    page_size: Option<u32>,
    /// Where an earlier page ended.
    pagination_token: Option<String>,
}

/// A page of deliveries.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeliveriesBody {
    /// The newest first. Those that ended are kept for 7 days.
    deliveries: Vec<DeliveryBody>,
    /// Asks for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_pagination_token: Option<String>,
}

/// One delivery.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OneDeliveryBody {
    delivery: DeliveryBody,
}

/// What is told once, however many tries it takes.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeliveryBody {
    /// The `webhook-id`, the same at every try.
    id: String,
    /// Such as `upload.imported`.
    #[serde(rename = "type")]
    kind: String,
    /// Where to, without any query.
    url: String,
    /// Where it stands.
    status: DeliveryStatus,
    /// Tries so far.
    attempts: u32,
    /// When it is tried next, while it waits.
    #[schema(format = DateTime)]
    next_attempt_at: Option<String>,
    /// When it happened.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was delivered or given up.
    #[schema(format = DateTime)]
    ended_at: Option<String>,
    /// Why the last try failed.
    last_error: Option<String>,
    /// The upload that it is about.
    upload_id: Option<String>,
}

impl From<DeliveryRow> for DeliveryBody {
    fn from(row: DeliveryRow) -> Self {
        let waits = row.status == DeliveryStatus::Waiting;
        let shown = |at: &DateTime<Utc>| rfc3339(at);
        Self {
            id: row.id,
            kind: row.kind,
            url: row.url.to_string(),
            status: row.status,
            attempts: row.attempts,
            next_attempt_at: waits.then(|| shown(&row.run_at)),
            created_at: shown(&row.created_at),
            ended_at: row.ended_at.as_ref().map(shown),
            last_error: row.last_error,
            upload_id: row.upload_id,
        }
    }
}

/// What this owner's receivers were sent, or are to be sent.
#[utoipa::path(
    get, path = "/v1/webhooks/deliveries", params(DeliveriesQuery),
    responses((status = 200, body = DeliveriesBody), (status = "4XX", body = ProblemBody))
)]
pub(super) async fn deliveries(
    State(api): State<Api>,
    caller: Caller,
    query: Result<Query<DeliveriesQuery>, QueryRejection>,
) -> Result<Json<DeliveriesBody>, Problem> {
    let Query(query) = query?;
    let page = Page::of(query.page_size)?;
    let filter = DeliveryFilter {
        status: query.status,
        after: query.pagination_token,
        limit: page.limit(),
    };
    let rows = api
        .ferry()
        .records
        .deliveries(&caller.owner, &filter)
        .await?;
    let (rows, next) = page.cut(rows, |row| row.id.clone());
    Ok(Json(DeliveriesBody {
        deliveries: rows.into_iter().map(DeliveryBody::from).collect(),
        next_pagination_token: next,
    }))
}

/// Sends a delivery that ended once more.
#[utoipa::path(
    post, path = "/v1/webhooks/deliveries/{id}/retry", params(("id" = String, Path)),
    responses((status = 200, body = OneDeliveryBody), (status = 409, body = ProblemBody), (status = "4XX", body = ProblemBody))
)]
pub(super) async fn retry(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<OneDeliveryBody>, Problem> {
    let row = api.ferry().records.redeliver(&caller.owner, &id).await?;
    let row = row.ok_or_else(|| {
        let error = Error::new(
            Code::InvalidRequest,
            "the delivery waits to be sent already",
        );
        Problem::with_status(409, error.hint("nextAttemptAt says when"))
    })?;
    Ok(Json(OneDeliveryBody {
        delivery: row.into(),
    }))
}

//! `dryRun`: what an import would do.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::problem::Problem;
use crate::plan::ShownPlan;
use crate::request::ImportRequest;

/// The plan of a dry run.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PlanBody {
    /// Always 0: it costs nothing here.
    creative_units_cost: u32,
    #[serde(flatten)]
    plan: ShownPlan,
}

/// The plan, under the status that the documented API answers estimates with.
pub(super) async fn answer(api: &Api, request: &ImportRequest) -> Result<Response, Problem> {
    let closing = &api.settings().closing;
    let plan = api.ferry().show_plan(request, closing).await;
    let body = PlanBody {
        creative_units_cost: 0,
        plan: plan.map_err(Problem::of_source)?,
    };
    let status = StatusCode::from_u16(269).unwrap_or(StatusCode::OK);
    Ok((status, axum::Json(body)).into_response())
}

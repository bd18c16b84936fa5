//! `dryRun`: what an import would do.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use modelferry_providers::{GitSha1, ProviderKind, Sha256, Warning};
use serde::Serialize;

use super::Api;
use super::problem::Problem;
use crate::request::ImportRequest;
use crate::upload::Kind;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PlanBody<'a> {
    creative_units_cost: u32,
    provider: ProviderKind,
    reference: &'a str,
    revision: &'a str,
    kind: Option<Kind>,
    artifacts: Vec<PlannedFile<'a>>,
    total_bytes: Option<u64>,
    transfer_bytes: Option<u64>,
    warnings: &'a [Warning],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PlannedFile<'a> {
    path: &'a str,
    size: Option<u64>,
    sha256: Option<Sha256>,
    git_sha1: Option<GitSha1>,
    present: bool,
}

/// The plan, under the status that the documented API answers estimates with.
pub(super) async fn answer(api: &Api, request: &ImportRequest) -> Result<Response, Problem> {
    let ferry = api.ferry().for_request(request).await?;
    let plan = ferry.pin(request).await.map_err(Problem::of_source)?;
    let mut artifacts = Vec::with_capacity(plan.artifacts.len());
    for artifact in &plan.artifacts {
        artifacts.push(PlannedFile {
            path: artifact.path.as_str(),
            size: artifact.size.approximate(),
            sha256: artifact.digests.sha256,
            git_sha1: artifact.digests.git_sha1,
            present: ferry.held_blob(artifact).await?.is_some(),
        });
    }
    let body = PlanBody {
        creative_units_cost: 0,
        provider: plan.provider,
        reference: &plan.reference,
        revision: &plan.revision,
        kind: request.expected_kind(&plan),
        total_bytes: sum(artifacts.iter()),
        transfer_bytes: sum(artifacts.iter().filter(|file| !file.present)),
        artifacts,
        warnings: &plan.warnings,
    };
    let status = StatusCode::from_u16(269).unwrap_or(StatusCode::OK);
    Ok((status, axum::Json(body)).into_response())
}

fn sum<'f>(files: impl Iterator<Item = &'f PlannedFile<'f>>) -> Option<u64> {
    files
        .map(|file| file.size)
        .try_fold(0u64, |sum, size| sum.checked_add(size?))
}

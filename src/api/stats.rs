//! `GET /v1/stats`: what an owner's imports came to.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use chrono::{DateTime, Duration, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::auth::Caller;
use super::problem::{Problem, ProblemBody};
use crate::records::{FailureStats, HeldStats, Span, Stats, StatsField, StepStats};

/// The span unless asked otherwise.
const DAYS: i64 = 30;
/// Seconds a step, unless asked otherwise.
const DAY: u32 = 86_400;
/// Steps of one answer.
const MOST_STEPS: i64 = 1000;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct StatsQuery {
    /// Where the span begins, in RFC 3339; 30 days ago unless given.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<DateTime<Utc>>,
    /// Seconds that one step lasts, counted from `since`: 60 to 2,678,400; a
    /// day unless given.
    step: Option<u32>,
    /// Which of `uploads`, `steps`, `failures` and `held` to add up, with commas
    /// between; all unless given.
    fields: Option<String>,
}

/// What an owner's imports came to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StatsAnswer {
    stats: StatsBody,
}

/// What was not asked for is absent.
#[derive(Debug, Serialize, ToSchema)]
struct StatsBody {
    /// Where the span begins.
    since: String,
    /// Where it ends.
    until: String,
    /// Seconds a step.
    step: u32,
    /// Uploads by status, of all time.
    #[serde(skip_serializing_if = "Option::is_none")]
    uploads: Option<BTreeMap<&'static str, u64>>,
    /// What ended in each step, by provider; steps of nothing are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<Vec<StepBody>>,
    /// Failures within the span, the most frequent code first.
    #[serde(skip_serializing_if = "Option::is_none")]
    failures: Option<Vec<FailureBody>>,
    /// What there is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<HeldBody>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct StepBody {
    /// Where the step begins.
    at: String,
    /// Absent where an upload ended before it was known.
    provider: Option<String>,
    /// Uploads that ended well.
    finished: u64,
    /// Uploads that failed.
    failed: u64,
    /// Bytes that came over the wire.
    bytes_transferred: u64,
    /// Bytes that were here already.
    bytes_reused: u64,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct FailureBody {
    code: String,
    count: u64,
    last_at: String,
}

/// What there is now.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct HeldBody {
    models: u64,
    assets: u64,
    files: u64,
    /// Bytes of all files.
    bytes: u64,
    /// Bytes of their distinct contents: what they take up.
    stored_bytes: u64,
}

/// Adds up uploads, bytes and failures.
#[utoipa::path(
    get, path = "/v1/stats", params(StatsQuery),
    responses((status = 200, body = StatsAnswer), (status = "4XX", body = ProblemBody))
)]
pub(super) async fn stats(
    State(api): State<Api>,
    caller: Caller,
    query: Result<Query<StatsQuery>, QueryRejection>,
) -> Result<Json<StatsAnswer>, Problem> {
    let Query(query) = query?;
    let until = Utc::now();
    let since = query.since.unwrap_or_else(|| until - Duration::days(DAYS));
    let step = query.step.unwrap_or(DAY);
    let steps = (until - since).num_seconds() / i64::from(step.max(1));
    if !(60..=31 * DAY).contains(&step) || !(0..MOST_STEPS).contains(&steps) {
        return Err(Problem::bad(
            format!(
                "step is 60 to {} seconds, and since at most {MOST_STEPS} steps ago",
                31 * DAY
            ),
            "leave both out for the last 30 days by day",
        ));
    }
    let span = Span {
        since: since.timestamp_millis(),
        step: i64::from(step) * 1000,
    };
    let fields = fields(query.fields.as_deref())?;
    let records = &api.ferry().records;
    let found = records.stats(&caller.owner, span, &fields).await?;
    Ok(Json(StatsAnswer {
        stats: StatsBody::new(since, until, step, found),
    }))
}

fn fields(words: Option<&str>) -> Result<Vec<StatsField>, Problem> {
    let Some(words) = words else {
        return Ok(StatsField::ALL.to_vec());
    };
    let read = words.split(',').map(|word| word.trim().parse());
    read.collect::<Result<_, _>>()
        .map_err(|error| Problem::bad(format!("fields: {error}"), "leave it out for all of them"))
}

impl StatsBody {
    fn new(since: DateTime<Utc>, until: DateTime<Utc>, step: u32, found: Stats) -> Self {
        let begin = |nth: i64| since + Duration::seconds(nth * i64::from(step));
        Self {
            since: written(since),
            until: written(until),
            step,
            uploads: found.uploads.map(|uploads| {
                let named = uploads
                    .into_iter()
                    .map(|(status, count)| (status.as_str(), count));
                named.collect()
            }),
            steps: found.steps.map(|steps| {
                let shown = steps
                    .into_iter()
                    .map(|one| StepBody::new(begin(one.step), one));
                shown.collect()
            }),
            failures: found
                .failures
                .map(|failures| failures.into_iter().map(FailureBody::from).collect()),
            held: found.held.map(HeldBody::from),
        }
    }
}

impl StepBody {
    fn new(at: DateTime<Utc>, one: StepStats) -> Self {
        Self {
            at: written(at),
            provider: Some(one.provider).filter(|provider| !provider.is_empty()),
            finished: one.finished,
            failed: one.failed,
            bytes_transferred: one.bytes_transferred,
            bytes_reused: one.bytes_reused,
        }
    }
}

impl From<FailureStats> for FailureBody {
    fn from(of: FailureStats) -> Self {
        Self {
            code: of.code,
            count: of.count,
            last_at: written(of.last_at),
        }
    }
}

impl From<HeldStats> for HeldBody {
    fn from(held: HeldStats) -> Self {
        Self {
            models: held.models,
            assets: held.assets,
            files: held.files,
            bytes: held.bytes,
            stored_bytes: held.stored_bytes,
        }
    }
}

fn written(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

//! Syncs and their runs as programs see them, on the command line and in the API.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::source::{Reader, SourceKind};
use super::spec::{Prune, Spec};
use super::{Filter, Schedule, shown};
use crate::error::Error;
use crate::records::{Difference, RunCause, RunCounts, RunRow, RunStatus, SavedError, SyncRow};
use crate::upload::Kind;

/// How many runs to come are told.
const TOLD: usize = 5;

/// A moment, in RFC 3339 with milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, format = DateTime)]
pub struct Time(pub DateTime<Utc>);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

/// A sync.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShownSync {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub owner_id: String,
    /// Who asked for it.
    pub author_id: String,
    /// What its owner calls it.
    pub name: String,
    /// What it follows. Of a plain URL, no query is shown.
    pub source: String,
    /// What sort of source that is.
    pub listing: Option<SourceKind>,
    /// When: a cron expression.
    pub cron: String,
    /// The same in words.
    pub schedule: String,
    /// The zone in which that is meant.
    pub timezone: String,
    /// What is taken of the source.
    pub filters: Filter,
    /// The kind its sources must be of.
    #[schema(value_type = Option<String>)]
    pub kind: Option<Kind>,
    /// The branch or tag it follows.
    pub revision: Option<String>,
    /// Who is told of each run. Its query is not shown.
    pub webhook_url: Option<String>,
    /// The name of the stored credential that is used.
    pub credential: Option<String>,
    /// How much of what is gone upstream a run may remove here.
    pub prune: Option<Prune>,
    /// Whether its schedule is out of force.
    pub paused: bool,
    /// When it is due next.
    pub next_run_at: Option<Time>,
    /// When it is due then, at most five times.
    pub next_runs: Vec<Time>,
    /// When it was made.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
    /// Its last run.
    pub last_run: Option<ShownRun>,
}

/// One run of a sync.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShownRun {
    /// Its id; a dry run has none, since it is not recorded.
    pub id: Option<String>,
    /// The sync it is of.
    pub sync_id: String,
    /// What set it off.
    pub cause: RunCause,
    /// How it stands.
    pub status: RunStatus,
    /// When it began, or was asked for.
    pub started_at: Time,
    /// When it ended.
    pub ended_at: Option<Time>,
    /// What it came to so far.
    pub counts: RunCounts,
    /// Why it failed.
    pub error: Option<SavedError>,
    /// What it found, source by source.
    pub difference: Difference,
}

impl ShownSync {
    /// Of a record and the newest of its runs.
    ///
    /// # Errors
    /// When a later version wrote the record.
    pub fn new(
        sync: &SyncRow,
        last_run: Option<RunRow>,
        reader: Reader<'_>,
    ) -> Result<Self, Error> {
        let spec = Spec::of(sync)?;
        // An earlier version may have taken what this one refuses.
        let source = reader.read(&spec.source).ok().map(|(source, _)| source);
        let schedule = Schedule::parse(&sync.cron, &sync.time_zone).ok();
        Ok(Self {
            id: sync.id.clone(),
            owner_id: sync.owner_id.clone(),
            author_id: spec.author.clone(),
            name: sync.name.clone(),
            source: match &source {
                Some(source) => source.shown(&spec.source),
                None => shown(&spec.source),
            },
            listing: source.map(|source| source.kind()),
            cron: sync.cron.clone(),
            schedule: schedule
                .as_ref()
                .map(Schedule::in_words)
                .unwrap_or_default(),
            timezone: sync.time_zone.clone(),
            filters: spec.filters,
            kind: spec.kind,
            revision: spec.revision,
            webhook_url: spec.webhook_url.as_deref().map(shown),
            credential: spec.credential,
            prune: spec.prune,
            paused: sync.is_paused,
            next_run_at: sync.next_run_at.map(Time),
            next_runs: next_runs(sync, schedule.as_ref()),
            created_at: Time(sync.created_at),
            updated_at: Time(sync.updated_at),
            last_run: last_run.map(ShownRun::from),
        })
    }
}

/// The next run as it is recorded, and those of the schedule after it.
fn next_runs(sync: &SyncRow, schedule: Option<&Schedule>) -> Vec<Time> {
    let (Some(first), Some(schedule)) = (sync.next_run_at, schedule) else {
        return Vec::new();
    };
    let after = |at: &DateTime<Utc>| schedule.next_after((*at).max(Utc::now()));
    let runs = std::iter::successors(Some(first), after);
    runs.take(TOLD).map(Time).collect()
}

impl From<RunRow> for ShownRun {
    fn from(run: RunRow) -> Self {
        Self {
            id: Some(run.id),
            sync_id: run.sync_id,
            cause: run.cause,
            status: run.status,
            started_at: Time(run.started_at),
            ended_at: run.ended_at.map(Time),
            counts: run.counts,
            error: run.error.as_ref().map(SavedError::from),
            difference: run.difference,
        }
    }
}

impl ShownRun {
    /// What a run would come to.
    pub fn foreseen(
        sync: &SyncRow,
        since: DateTime<Utc>,
        (counts, difference): (RunCounts, Difference),
    ) -> Self {
        Self {
            id: None,
            sync_id: sync.id.clone(),
            cause: RunCause::Request,
            status: RunStatus::Done,
            started_at: Time(since),
            ended_at: Some(Time(Utc::now())),
            counts,
            error: None,
            difference,
        }
    }
}

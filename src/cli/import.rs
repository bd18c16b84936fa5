//! `import`

use std::sync::Arc;
use std::time::{Duration, Instant};

use modelferry_providers::{HubScan, Plan, Sha256};
use serde::Serialize;

use super::bars::Bars;
use super::output::{Output, ShownError, count, printable, safe_source, size};
use super::session::Session;
use super::{Exit, ImportArgs};
use crate::config::Config;
use crate::entity::library_folder;
use crate::error::{Error, Stop};
use crate::inspect::Facts;
use crate::progress::{Observer, Unwatched};
use crate::records::ArtifactRow;
use crate::request::Wanted;
use crate::upload::{ArtifactStatus, Upload, Verification};
use crate::worker::{Ended, Errand, Outcome, Terms};

/// One file of a record, for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ShownArtifact {
    pub path: String,
    size: Option<u64>,
    sha256: Option<Sha256>,
    status: ArtifactStatus,
    bytes_transferred: u64,
    reused: bool,
    verification: Option<Verification>,
    repaired: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scan: Option<HubScan>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facts: Option<Facts>,
}

#[derive(Serialize)]
pub(super) struct ShownImport<'a> {
    /// Its place in a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    source: &'a str,
    upload: Option<&'a Upload>,
    artifacts: Vec<ShownArtifact>,
    outcome: Outcome,
    error: Option<ShownError<'a>>,
}

/// What came of one source, for programs; `line` is its place in a list.
pub(super) fn shown_import<'a>(
    source: &'a str,
    ended: &'a Ended,
    line: Option<usize>,
) -> ShownImport<'a> {
    ShownImport {
        line,
        source,
        upload: ended.detail.as_ref().map(|detail| &detail.upload),
        artifacts: files_of(ended),
        outcome: ended.outcome,
        error: ended.error.as_ref().map(ShownError::from),
    }
}

fn files_of(ended: &Ended) -> Vec<ShownArtifact> {
    let plan = ended
        .detail
        .as_ref()
        .and_then(|detail| detail.plan.as_ref());
    shown_artifacts(&ended.artifacts, plan)
}

pub(super) async fn run(
    output: &Output,
    config: &Config,
    args: &ImportArgs,
) -> Result<Exit, Error> {
    let session = Session::open(config).await?;
    let mut exit = Exit::Done;
    for source in &args.sources.sources {
        let started = Instant::now();
        let observer = observer(output, source);
        let wanted = args.sources.choice.wanted();
        let ended = match one(&session, observer, source, &wanted, args.force).await {
            Ok(ended) => ended,
            Err(Stop::Failed(error)) => Ended::refused(error),
            Err(Stop::Interrupted | Stop::LeaseLost) => {
                output.note("interrupted; run the same command again to go on from here");
                exit = Exit::Interrupted;
                break;
            }
        };
        if ended.outcome == Outcome::Failed {
            exit = Exit::Failed;
        }
        report(output, config, source, &ended, started);
    }
    session.close().await;
    Ok(exit)
}

/// Draws a source's files where bars are wanted.
pub(super) fn observer(output: &Output, source: &str) -> Arc<dyn Observer> {
    if output.shows_bars {
        Arc::new(Bars::new(&output.bars, &safe_source(source)))
    } else {
        Arc::new(Unwatched)
    }
}

/// Imports one source, or goes on with it, or finds that nothing changed.
pub(super) async fn one(
    session: &Session,
    observer: Arc<dyn Observer>,
    source: &str,
    wanted: &Wanted,
    force: bool,
) -> Result<Ended, Stop> {
    let request = wanted.of(&session.ferry.providers, source)?;
    let errand = Errand {
        request: &request,
        shown: &safe_source(source),
        force,
        observer,
        cancel: &session.cancel,
        terms: Terms::default(),
    };
    session.worker.import(&session.ferry, errand).await
}

pub(super) fn report(
    output: &Output,
    config: &Config,
    source: &str,
    ended: &Ended,
    started: Instant,
) {
    let source = safe_source(source);
    if output.json {
        output.json_line(&shown_import(&source, ended, None));
    }
    if let Some(error) = &ended.error {
        output.error(error);
        return;
    }
    if !output.json {
        print(output, config, &source, ended, started);
    }
}

fn print(output: &Output, config: &Config, source: &str, ended: &Ended, started: Instant) {
    let Some(detail) = &ended.detail else {
        return;
    };
    let word = ended.outcome.as_str();
    output.line(&format!("{word}  {}", printable(source)));
    output.line(&format!("  {}", moved(ended, started.elapsed())));
    output.line(&format!("  upload    {}", detail.upload.id));
    if let Some(entity) = &detail.upload.entity_id {
        output.line(&format!("  entity    {entity}"));
    }
    if let Some(plan) = &detail.plan {
        match config.storage.folder() {
            Some(root) => {
                let folder = library_folder(root, plan);
                output.line(&format!("  files in  {}", folder.display()));
            }
            None => output.line(&format!("  files in  {}", config.storage)),
        }
        for warning in &plan.warnings {
            output.note(&format!("warning: {}", warning.message));
        }
    }
    let files = files_of(ended);
    for file in &files {
        if let Some(warning) = file.warning() {
            output.note(&format!("warning: {warning}"));
        }
    }
    for file in &files {
        output.line(&format!("  {}", file.summary()));
    }
}

/// `5 files, 192.00 MiB in 1.6 s (120.00 MiB/s)`
fn moved(ended: &Ended, took: Duration) -> String {
    let files = count(ended.artifacts.len(), "file");
    let moved = ended.bytes_moved();
    if moved == 0 {
        return format!("{files}, all here already");
    }
    let rate = moved as f64 / took.as_secs_f64().max(0.001);
    format!(
        "{files}, {} in {:.1} s ({}/s)",
        size(Some(moved)),
        took.as_secs_f64(),
        size(Some(rate as u64))
    )
}

/// The files of a record, with what its plan says of each.
pub(super) fn shown_artifacts(rows: &[ArtifactRow], plan: Option<&Plan>) -> Vec<ShownArtifact> {
    let scan = |row: &ArtifactRow| {
        let artifact = plan?.artifacts.get(row.position as usize)?;
        artifact.scan.clone()
    };
    rows.iter()
        .map(|row| ShownArtifact {
            path: row.path.clone(),
            size: row.size,
            sha256: row.sha256,
            status: row.status,
            bytes_transferred: row.bytes_transferred,
            reused: row.reused,
            verification: row.verification,
            repaired: row.repaired,
            reason: row.reason.clone(),
            scan: scan(row),
            facts: row.facts.clone(),
        })
        .collect()
}

impl ShownArtifact {
    /// Why it was left out, if it was.
    pub fn warning(&self) -> Option<String> {
        let reason = self.reason.as_deref()?;
        Some(format!("{} was left out: {reason}", self.path))
    }

    /// One line for people.
    pub fn summary(&self) -> String {
        let checked = self.verification.map_or("", Verification::as_str);
        let hash = self.sha256.map_or_else(
            || "-".to_owned(),
            |hash| hash.to_string().chars().take(12).collect(),
        );
        let note = match (self.status, self.reused, self.repaired) {
            (ArtifactStatus::Refused, ..) => "  refused",
            (_, true, _) => "  reused",
            (_, false, true) => "  repaired",
            (_, false, false) => "",
        };
        format!(
            "{:>11}  {hash:12}  {checked:13}  {}{note}",
            size(self.size),
            printable(&self.path)
        )
    }
}

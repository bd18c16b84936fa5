//! `uploads list|show|cancel|retry`

use std::time::Instant;

use serde::Serialize;

use super::import::{ShownArtifact, observer, report, shown_artifacts};
use super::output::{Output, ShownError, facts_line, printable, provenance_line, scan_line, size};
use super::session::Session;
use super::{Exit, ListArgs, session};
use crate::config::Config;
use crate::entity::{Provenance, whole_facts};
use crate::error::{Code, Error, Stop};
use crate::inspect::Facts;
use crate::records::{ArtifactRow, Filter, Records, UploadDetail};
use crate::request::LOCAL_OWNER;
use crate::upload::Upload;
use crate::worker::{Ended, Errand, Outcome, Terms};

pub(super) async fn list(output: &Output, config: &Config, args: &ListArgs) -> Result<Exit, Error> {
    let records = session::open_records(config).await?;
    let filter = Filter {
        statuses: args.status.into_iter().collect(),
        source: args.source,
        limit: args.limit,
        ..Filter::default()
    };
    for upload in records.list(LOCAL_OWNER, &filter).await? {
        if output.json {
            output.json_line(&upload);
        } else {
            output.line(&summary(&upload));
        }
    }
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct ShownUpload<'a> {
    upload: &'a Upload,
    artifacts: Vec<ShownArtifact>,
    revision: Option<&'a str>,
    #[serde(skip_serializing_if = "Facts::is_empty")]
    facts: &'a Facts,
    /// Where each file came from, in the files' order.
    provenance: Vec<ShownProvenance<'a>>,
    error: Option<ShownError<'a>>,
}

#[derive(Serialize)]
struct ShownProvenance<'a> {
    path: &'a str,
    #[serde(flatten)]
    from: Provenance,
}

async fn provenance<'a>(
    records: &Records,
    detail: &UploadDetail,
    rows: &'a [ArtifactRow],
) -> Result<Vec<ShownProvenance<'a>>, Error> {
    let Some(plan) = &detail.plan else {
        return Ok(Vec::new());
    };
    let stored_at = records.stored_at(&detail.upload.id).await?;
    let of = |row: &'a ArtifactRow| {
        let at = stored_at.get(&row.position).copied();
        let from = Provenance::of(&detail.request, plan, row, at)?;
        Some(ShownProvenance {
            path: &row.path,
            from,
        })
    };
    Ok(rows.iter().filter_map(of).collect())
}

pub(super) async fn show(output: &Output, config: &Config, id: &str) -> Result<Exit, Error> {
    let records = session::open_records(config).await?;
    let detail = records.get(LOCAL_OWNER, id).await?;
    let rows = records.artifacts(id).await?;
    let artifacts = shown_artifacts(&rows, detail.plan.as_ref());
    let provenance = provenance(&records, &detail, &rows).await?;
    let facts = whole_facts(&rows);
    let revision = detail.plan.as_ref().map(|plan| plan.revision.as_str());
    if output.json {
        output.json_line(&ShownUpload {
            upload: &detail.upload,
            artifacts,
            revision,
            facts: &facts,
            provenance,
            error: detail.error.as_ref().map(ShownError::from),
        });
        return Ok(Exit::Done);
    }
    output.line(&summary(&detail.upload));
    if let Some(plan) = &detail.plan {
        output.line(&format!(
            "  source    {} at {}",
            printable(&plan.reference),
            plan.revision
        ));
        output.line(&format!("  page      {}", printable(&plan.page)));
    }
    if let Some(entity) = &detail.upload.entity_id {
        output.line(&format!("  entity    {entity}"));
    }
    if !facts.is_empty() {
        output.line(&format!("  facts     {}", printable(&facts_line(&facts))));
    }
    for file in &artifacts {
        output.line(&format!("  {}", file.summary()));
        for known in provenance.iter().filter(|known| known.path == file.path) {
            let line = provenance_line(&known.from);
            output.line(&format!("{:44}{}", "", printable(&line)));
        }
        if let Some(scan) = file.scan.as_ref().and_then(scan_line) {
            output.line(&format!("{:44}{}", "", printable(&scan)));
        }
        if let Some(facts) = &file.facts {
            output.line(&format!("{:44}{}", "", printable(&facts_line(facts))));
        }
    }
    for warning in artifacts.iter().filter_map(ShownArtifact::warning) {
        output.line(&format!("  warning   {}", printable(&warning)));
    }
    if let Some(error) = &detail.error {
        output.line(&format!(
            "  error     {} [{}]",
            printable(&error.message),
            error.code
        ));
        output.line(&format!(
            "  hint      {}",
            printable(error.hint.as_deref().unwrap_or("none"))
        ));
    }
    Ok(Exit::Done)
}

pub(super) async fn cancel(output: &Output, config: &Config, id: &str) -> Result<Exit, Error> {
    let records = session::open_records(config).await?;
    if !records.cancel(LOCAL_OWNER, id).await? {
        let detail = records.get(LOCAL_OWNER, id).await?;
        return Ok(refused(output, &over(&detail.upload, "cancelled")));
    }
    let upload = records.get(LOCAL_OWNER, id).await?.upload;
    if output.json {
        output.json_line(&upload);
    } else {
        output.line(&format!("cancelled {}", upload.id));
    }
    records.close().await;
    Ok(Exit::Done)
}

pub(super) async fn retry(output: &Output, config: &Config, id: &str) -> Result<Exit, Error> {
    let session = Session::open(config).await?;
    let started = Instant::now();
    let records = &session.ferry.records;
    let detail = records.get(LOCAL_OWNER, id).await?;
    if !records.retry(&detail).await? {
        return Ok(refused(output, &over(&detail.upload, "retried")));
    }
    let name = detail.upload.file_name.clone();
    let errand = Errand {
        request: &detail.request,
        shown: &name,
        force: false,
        observer: observer(output, &name),
        cancel: &session.cancel,
        terms: Terms::default(),
    };
    let worked = session
        .worker
        .carry_out(&session.ferry, &errand, &detail.upload, None)
        .await;
    let ended = match worked {
        Ok(ended) => ended,
        Err(Stop::Failed(error)) => Ended::refused(error),
        Err(Stop::Interrupted | Stop::LeaseLost) => {
            output.note("interrupted; import the same source again to go on from here");
            return Ok(Exit::Interrupted);
        }
    };
    drop(errand);
    report(output, config, &name, &ended, started);
    session.close().await;
    Ok(match ended.outcome {
        Outcome::Failed => Exit::Failed,
        _ => Exit::Done,
    })
}

/// The record stands where this can't be done to it.
fn over(upload: &Upload, done: &str) -> Error {
    Error::new(
        Code::InvalidRequest,
        format!("{} is {}: it can't be {done}", upload.id, upload.status),
    )
    .hint("only what is under way can be cancelled, and only what failed can be retried")
}

fn refused(output: &Output, error: &Error) -> Exit {
    if output.json {
        output.json_line(&serde_json::json!({ "error": ShownError::from(error) }));
    }
    output.error(error);
    Exit::Failed
}

pub(super) fn summary(upload: &Upload) -> String {
    let bytes = upload.file_size.and_then(|bytes| u64::try_from(bytes).ok());
    let created = upload.created_at.format("%Y-%m-%d %H:%MZ");
    format!(
        "{}  {:10}  {:6}  {:>10}  {created}  {}",
        upload.id,
        upload.status.as_str(),
        upload.kind.as_str(),
        size(bytes),
        printable(&upload.file_name),
    )
}

//! `uploads list` and `uploads show`

use serde::Serialize;

use super::import::{ShownArtifact, shown_artifacts};
use super::output::{Output, ShownError, facts_line, printable, scan_line, size};
use super::{Exit, ListArgs, session};
use crate::config::Config;
use crate::entity::whole_facts;
use crate::error::Error;
use crate::inspect::Facts;
use crate::records::Filter;
use crate::request::LOCAL_OWNER;
use crate::upload::Upload;

pub(super) async fn list(output: &Output, config: &Config, args: &ListArgs) -> Result<Exit, Error> {
    let records = session::open_records(config).await?;
    let filter = Filter {
        status: args.status,
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
    error: Option<ShownError<'a>>,
}

pub(super) async fn show(output: &Output, config: &Config, id: &str) -> Result<Exit, Error> {
    let records = session::open_records(config).await?;
    let detail = records.get(LOCAL_OWNER, id).await?;
    let rows = records.artifacts(id).await?;
    let artifacts = shown_artifacts(&rows, detail.plan.as_ref());
    let facts = whole_facts(&rows);
    let revision = detail.plan.as_ref().map(|plan| plan.revision.as_str());
    if output.json {
        output.json_line(&ShownUpload {
            upload: &detail.upload,
            artifacts,
            revision,
            facts: &facts,
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

fn summary(upload: &Upload) -> String {
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

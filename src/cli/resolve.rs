//! `resolve`, and `import --dry-run`

use serde::Serialize;

use super::output::{
    Output, ShownError, count, facts_line, printable, safe_source, scan_line, size,
};
use super::session::Session;
use super::{Exit, SourceArgs};
use crate::config::Config;
use crate::error::Error;
use crate::plan::ShownPlan;

#[derive(Serialize)]
struct Line<'a> {
    source: &'a str,
    #[serde(flatten)]
    plan: &'a ShownPlan,
}

pub(super) async fn run(
    output: &Output,
    config: &Config,
    args: &SourceArgs,
) -> Result<Exit, Error> {
    let session = Session::open(config).await?;
    let mut exit = Exit::Done;
    for source in &args.sources {
        let resolved = tokio::select! {
            resolved = resolve(output, &session, source, args) => resolved,
            () = session.cancel.cancelled() => return Ok(Exit::Interrupted),
        };
        if let Err(error) = resolved {
            if output.json {
                let source = safe_source(source);
                output.json_line(
                    &serde_json::json!({ "source": source, "error": ShownError::from(&error) }),
                );
            }
            output.error(&error);
            exit = Exit::Failed;
        }
    }
    session.close().await;
    Ok(exit)
}

async fn resolve(
    output: &Output,
    session: &Session,
    source: &str,
    args: &SourceArgs,
) -> Result<(), Error> {
    let ferry = &session.ferry;
    let request = args.choice.wanted().of(&ferry.providers, source)?;
    let plan = ferry.show_plan(&request, &session.cancel).await?;
    if output.json {
        output.json_line(&Line {
            source: &safe_source(source),
            plan: &plan,
        });
    } else {
        print(output, &plan);
    }
    Ok(())
}

fn print(output: &Output, shown: &ShownPlan) {
    output.line(&format!(
        "{} ({}) at {}",
        printable(&shown.reference),
        shown.provider,
        shown.revision
    ));
    output.line(&format!("  {}", printable(&shown.page)));
    if !shown.facts.is_empty() {
        output.line(&format!("  {}", printable(&facts_line(&shown.facts))));
    }
    for file in &shown.artifacts {
        let hash = match (file.sha256, file.git_sha1, file.header) {
            (Some(sha256), _, _) => format!("sha256 {sha256}"),
            (None, Some(git), _) => format!("git    {git}"),
            (None, None, Some(header)) => format!("{header} by a header of the server"),
            (None, None, None) => "no hash stated".to_owned(),
        };
        let held = if file.present { "  already here" } else { "" };
        output.line(&format!(
            "  {:>11}  {}  {hash}{held}",
            size(file.size),
            printable(&file.path)
        ));
        if let Some(scan) = file.scan.as_ref().and_then(scan_line) {
            output.line(&format!("{:15}{}", "", printable(&scan)));
        }
        if let Some(facts) = &file.facts {
            output.line(&format!("{:15}{}", "", printable(&facts_line(facts))));
        }
        if let Some(refused) = &file.refused {
            let (code, message) = (refused.code, printable(&refused.message));
            output.line(&format!("{:15}refused: {message} [{code}]", ""));
        }
    }
    for file in &shown.left_out {
        output.line(&format!(
            "  {:>11}  {}  left out: {}",
            size(file.size),
            printable(&file.path),
            printable(&file.reason)
        ));
    }
    let files = count(shown.artifacts.len(), "file");
    output.line(&format!(
        "  {files}, {}; {} to transfer",
        size(shown.total_bytes),
        size(shown.transfer_bytes)
    ));
    for warning in &shown.warnings {
        output.line(&format!("  warning: {}", printable(&warning.message)));
    }
}

//! `resolve`, and `import --dry-run`

use std::collections::HashMap;

use modelferry_providers::digest::HeaderAlgorithm;
use modelferry_providers::{GitSha1, HubScan, Plan, ProviderKind, Sha256, Warning};
use serde::Serialize;

use super::output::{Output, ShownError, count, facts_line, printable, scan_line, size};
use super::session::Session;
use super::{Exit, SourceArgs, request};
use crate::config::Config;
use crate::error::Error;
use crate::import::Verdict;
use crate::inspect::Facts;
use crate::upload::Kind;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownPlan<'a> {
    source: &'a str,
    provider: ProviderKind,
    reference: &'a str,
    revision: &'a str,
    kind: Option<Kind>,
    artifacts: Vec<ShownFile<'a>>,
    left_out: Vec<ShownLeftOut<'a>>,
    #[serde(skip_serializing_if = "Facts::is_empty")]
    facts: Facts,
    total_bytes: Option<u64>,
    transfer_bytes: Option<u64>,
    warnings: &'a [Warning],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownFile<'a> {
    path: &'a str,
    size: Option<u64>,
    sha256: Option<Sha256>,
    git_sha1: Option<GitSha1>,
    present: bool,
    /// For a person; programs have no use for a server's own word.
    #[serde(skip)]
    header: Option<HeaderAlgorithm>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scan: Option<&'a HubScan>,
    #[serde(skip_serializing_if = "Option::is_none")]
    facts: Option<&'a Facts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<ShownError<'a>>,
}

#[derive(Serialize)]
struct ShownLeftOut<'a> {
    path: &'a str,
    size: Option<u64>,
    reason: &'a str,
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
                let source = crate::cli::output::safe_source(source);
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
    let request = request(ferry, source, &args.choice)?;
    let ferry = &ferry.for_request(&request).await?;
    let plan = ferry.pin(&request).await?;
    let verdicts = ferry.preview(&plan, &request, &session.cancel).await?;
    let mut files = Vec::with_capacity(plan.artifacts.len());
    for (index, artifact) in (0u32..).zip(&plan.artifacts) {
        let (facts, refused) = match verdicts.get(&index) {
            Some(Verdict::Fit(finding)) => (Some(&finding.facts), None),
            Some(Verdict::Refused(error)) => (None, Some(ShownError::from(error))),
            Some(Verdict::Undecided) | None => (None, None),
        };
        files.push(ShownFile {
            path: artifact.path.as_str(),
            size: artifact.size.approximate(),
            sha256: artifact.digests.sha256,
            git_sha1: artifact.digests.git_sha1,
            present: ferry.held_blob(artifact).await?.is_some(),
            header: artifact.digests.header.as_ref().map(|d| d.algorithm),
            scan: artifact.scan.as_ref(),
            facts: facts.filter(|facts| !facts.is_empty()),
            refused,
        });
    }
    let left_out = plan.left_out.iter().map(|file| ShownLeftOut {
        path: file.path.as_str(),
        size: file.size.approximate(),
        reason: &file.reason,
    });
    let shown = ShownPlan {
        source: &super::output::safe_source(source),
        provider: plan.provider,
        reference: &plan.reference,
        revision: &plan.revision,
        kind: request.expected_kind(&plan),
        total_bytes: sum(files.iter()),
        transfer_bytes: sum(files.iter().filter(|file| !file.present)),
        artifacts: files,
        left_out: left_out.collect(),
        facts: whole_facts(&plan, &verdicts),
        warnings: &plan.warnings,
    };
    if output.json {
        output.json_line(&shown);
    } else {
        print(output, &shown, &plan);
    }
    Ok(())
}

/// What the headers that were looked into say together.
fn whole_facts(plan: &Plan, verdicts: &HashMap<u32, Verdict>) -> Facts {
    let found = (0u32..).zip(&plan.artifacts);
    Facts::combine(
        found.filter_map(|(index, artifact)| match verdicts.get(&index)? {
            Verdict::Fit(finding) => Some((artifact.path.as_str(), &finding.facts)),
            Verdict::Refused(_) | Verdict::Undecided => None,
        }),
    )
}

fn print(output: &Output, shown: &ShownPlan<'_>, plan: &Plan) {
    output.line(&format!(
        "{} ({}) at {}",
        printable(shown.reference),
        shown.provider,
        shown.revision
    ));
    output.line(&format!("  {}", printable(&plan.page)));
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
            printable(file.path)
        ));
        if let Some(scan) = file.scan.and_then(scan_line) {
            output.line(&format!("{:15}{}", "", printable(&scan)));
        }
        if let Some(facts) = file.facts {
            output.line(&format!("{:15}{}", "", printable(&facts_line(facts))));
        }
        if let Some(refused) = &file.refused {
            let (code, message) = (refused.code, printable(refused.message));
            output.line(&format!("{:15}refused: {message} [{code}]", ""));
        }
    }
    for file in &shown.left_out {
        output.line(&format!(
            "  {:>11}  {}  left out: {}",
            size(file.size),
            printable(file.path),
            printable(file.reason)
        ));
    }
    let files = count(shown.artifacts.len(), "file");
    output.line(&format!(
        "  {files}, {}; {} to transfer",
        size(shown.total_bytes),
        size(shown.transfer_bytes)
    ));
    for warning in shown.warnings {
        output.line(&format!("  warning: {}", printable(&warning.message)));
    }
}

fn sum<'f>(files: impl Iterator<Item = &'f ShownFile<'f>>) -> Option<u64> {
    files
        .map(|file| file.size)
        .try_fold(0u64, |sum, size| sum.checked_add(size?))
}

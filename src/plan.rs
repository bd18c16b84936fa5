//! What an import would do, without doing it: the one shape in which the
//! command line and the API show it.

use std::collections::HashMap;

use modelferry_providers::digest::HeaderAlgorithm;
use modelferry_providers::{Artifact, GitSha1, HubScan, Plan, ProviderKind, Sha256, Warning};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use crate::error::Error;
use crate::import::{Ferry, Verdict};
use crate::inspect::Facts;
use crate::request::ImportRequest;
use crate::upload::Kind;

/// A source pinned, its files looked into by their headers, and held against
/// what the storage has.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShownPlan {
    /// Who resolved it.
    #[schema(value_type = String)]
    pub provider: ProviderKind,
    /// The source in its shortest true form.
    pub reference: String,
    /// What never moves: a commit, a version, or a validator of the URL.
    pub revision: String,
    /// What a person calls it.
    pub name: String,
    /// A page about it.
    pub page: String,
    /// The kind its content is held against; absent where the content tells.
    #[schema(value_type = Option<String>)]
    pub kind: Option<Kind>,
    /// What would be imported, in the source's order.
    pub artifacts: Vec<ShownFile>,
    /// What would not, where somebody should know why.
    pub left_out: Vec<ShownLeftOut>,
    /// What the headers say of the whole.
    #[serde(skip_serializing_if = "Facts::is_empty")]
    #[schema(value_type = Option<Object>)]
    pub facts: Facts,
    /// Bytes of all files; absent while one is unknown.
    pub total_bytes: Option<u64>,
    /// Bytes that would be fetched.
    pub transfer_bytes: Option<u64>,
    /// What a person should know before going on.
    #[schema(value_type = Vec<Object>)]
    pub warnings: Vec<Warning>,
}

/// One file of a plan.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShownFile {
    /// Its path below the entity's root.
    pub path: String,
    /// Its length, as far as it is known.
    pub size: Option<u64>,
    /// What its content must hash to.
    #[schema(value_type = Option<String>)]
    pub sha256: Option<Sha256>,
    /// The hub's git blob id.
    #[schema(value_type = Option<String>)]
    pub git_sha1: Option<GitSha1>,
    /// Whether the storage already holds it.
    pub present: bool,
    /// For a person; programs have no use for a server's own word.
    #[serde(skip)]
    pub header: Option<HeaderAlgorithm>,
    /// What the hub's own scanners found in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub scan: Option<HubScan>,
    /// What its headers say it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub facts: Option<Facts>,
    /// Why the gate would refuse it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<ShownRefusal>,
}

/// Why a file would be refused.
#[derive(Debug, Serialize, ToSchema)]
pub struct ShownRefusal {
    /// One of the documented codes.
    pub code: &'static str,
    /// What is wrong with it.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

/// A file of the source that is not imported.
#[derive(Debug, Serialize, ToSchema)]
pub struct ShownLeftOut {
    /// Where it would have gone.
    pub path: String,
    /// How long it is.
    pub size: Option<u64>,
    /// Why, in plain words.
    pub reason: String,
}

impl Ferry {
    /// What an import of this would do. Fetches headers of files, no file.
    ///
    /// # Errors
    /// As [`Ferry::pin`]; and when the records can't be read.
    pub async fn show_plan(
        &self,
        request: &ImportRequest,
        cancel: &CancellationToken,
    ) -> Result<ShownPlan, Error> {
        let ferry = self.for_request(request).await?;
        let plan = ferry.pin(request).await?;
        let verdicts = ferry.preview(&plan, request, cancel).await?;
        let mut artifacts = Vec::with_capacity(plan.artifacts.len());
        for (index, artifact) in (0u32..).zip(&plan.artifacts) {
            let present = ferry.held_blob(artifact).await?.is_some();
            artifacts.push(ShownFile::new(artifact, verdicts.get(&index), present));
        }
        let facts = whole_facts(&plan, &verdicts);
        let left_out = plan.left_out.iter().map(|file| ShownLeftOut {
            path: file.path.as_str().to_owned(),
            size: file.size.approximate(),
            reason: file.reason.clone(),
        });
        Ok(ShownPlan {
            kind: request.expected_kind(&plan),
            left_out: left_out.collect(),
            total_bytes: sum(artifacts.iter()),
            transfer_bytes: sum(artifacts.iter().filter(|file| !file.present)),
            artifacts,
            facts,
            provider: plan.provider,
            reference: plan.reference,
            revision: plan.revision,
            name: plan.name,
            page: plan.page,
            warnings: plan.warnings,
        })
    }
}

impl ShownFile {
    fn new(artifact: &Artifact, verdict: Option<&Verdict>, present: bool) -> Self {
        let (facts, refused) = match verdict {
            Some(Verdict::Fit(finding)) => (Some(&finding.facts), None),
            Some(Verdict::Refused(error)) => (None, Some(ShownRefusal::from(error))),
            Some(Verdict::Undecided) | None => (None, None),
        };
        Self {
            path: artifact.path.as_str().to_owned(),
            size: artifact.size.approximate(),
            sha256: artifact.digests.sha256,
            git_sha1: artifact.digests.git_sha1,
            present,
            header: artifact.digests.header.as_ref().map(|d| d.algorithm),
            scan: artifact.scan.clone(),
            facts: facts.filter(|facts| !facts.is_empty()).cloned(),
            refused,
        }
    }
}

impl From<&Error> for ShownRefusal {
    fn from(error: &Error) -> Self {
        Self {
            code: error.code.as_str(),
            message: error.message.clone(),
            hint: error.hint.clone(),
        }
    }
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

fn sum<'f>(files: impl Iterator<Item = &'f ShownFile>) -> Option<u64> {
    files
        .map(|file| file.size)
        .try_fold(0u64, |sum, size| sum.checked_add(size?))
}

//! Whether a plan is still what its source comes to, by one request.
//!
//! The headers of one file at the *moving* revision tell both things at once.
//! The hub names the commit that the revision is at, and it does so only
//! where it hands the file out: a gated or private repository answers with its
//! refusal instead. A commit never changes, so one file speaks for all.

use super::hub::Hub;
use super::open::is_handed_out;
use super::parse;
use super::repo::{Commit, HfOrigin, HfRef, Revision};
use crate::artifact::{Artifact, Origin, Plan};
use crate::error::ProviderError;
use crate::http::{MAX_REDIRECTS, Request};

/// Asks at the name that the source has, since that may lead elsewhere today.
pub(super) async fn is_current(
    hub: &Hub<'_>,
    plan: &Plan,
    of: &HfRef,
) -> Result<bool, ProviderError> {
    let Some((origin, revision)) = pinned(hub, plan) else {
        return Ok(false);
    };
    let url = hub
        .page_of(of.repo_type, &of.repo, &["resolve", revision.as_str()])
        .with_segments(origin.path.segments());
    let mut request = Request::head(url).bearer(hub.token);
    for _ in 0..=MAX_REDIRECTS {
        let answer = hub.http.send(&request).await?;
        if let Some(commit) = answer.header("x-repo-commit") {
            return Ok(is_handed_out(&answer)? && Commit::parse(commit) == Ok(origin.commit));
        }
        // Only a renamed repository redirects without naming a commit.
        match answer.redirect()? {
            Some(target) if target.same_origin(hub.endpoint) => request.url = target,
            _ => return Ok(false),
        }
    }
    Ok(false)
}

/// The file to ask for and the revision to ask at. A file kept in LFS is
/// answered for by the hub itself, a small one behind a second address.
fn pinned<'a>(hub: &Hub<'_>, plan: &'a Plan) -> Option<(&'a HfOrigin, Revision)> {
    let in_lfs = |file: &&Artifact| file.digests.sha256.is_some();
    let file = plan.artifacts.iter().find(in_lfs);
    let Origin::HuggingFace(origin) = &file.or(plan.artifacts.first())?.origin else {
        return None;
    };
    let planned = parse::parse(&plan.reference, hub.endpoint)?.ok()?;
    Some((origin, planned.revision.unwrap_or_else(Revision::main)))
}

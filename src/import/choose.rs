//! Which of a source's files are wanted: safetensors rather than pickles of the
//! same weights, and no leftovers of a training run that the gate refuses.
//!
//! Pure: a list of files in, a choice out.

mod leftover;
mod twins;

#[cfg(test)]
mod tests;

use modelferry_providers::{Artifact, LeftOut, Locator, Plan, ProviderKind, Warning};

pub use self::leftover::leftover;
use self::twins::{File, twins};
use crate::inspect::{self, PicklePolicy};
use crate::request::ImportRequest;

/// Files named in the warning.
const NAMES_SHOWN: usize = 3;

/// Takes weights out of the plan that are pickles and are there as safetensors
/// too. Whoever says what to include gets just that.
pub fn prefer_safetensors(plan: &mut Plan, request: &ImportRequest, pickles: PicklePolicy) {
    let is_hub_model = plan.provider == ProviderKind::HuggingFace && !plan.is_asset;
    let is_told = !request.reference.selection.include.is_empty();
    if !is_hub_model || is_told || pickles == PicklePolicy::Allow {
        return;
    }
    let files: Vec<File<'_>> = plan
        .artifacts
        .iter()
        .map(|artifact| File {
            path: artifact.path.as_str(),
            size: artifact.size.approximate(),
        })
        .collect();
    let found: Vec<Option<String>> = twins(&files)
        .into_iter()
        .map(|twin| twin.map(str::to_owned))
        .collect();
    let mut found = found.into_iter();
    let mut wanted = Vec::with_capacity(plan.artifacts.len());
    for artifact in std::mem::take(&mut plan.artifacts) {
        match found.next().flatten() {
            None => wanted.push(artifact),
            Some(twin) => plan.left_out.push(LeftOut {
                reason: format!("a pickle, and the same weights are here as {twin}"),
                path: artifact.path,
                size: artifact.size,
            }),
        }
    }
    plan.artifacts = wanted;
    plan.warnings.extend(warning(&plan.left_out));
}

fn warning(left_out: &[LeftOut]) -> Option<Warning> {
    let names: Vec<&str> = left_out
        .iter()
        .take(NAMES_SHOWN)
        .map(|file| file.path.as_str())
        .collect();
    let more = match left_out.len() - names.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!(
        "{}{more} left out: the same weights are here as safetensors; --include '*' takes every file",
        names.join(", ")
    );
    (!left_out.is_empty()).then(|| Warning::new("prefers_safetensors", message))
}

/// Whether the gate's refusal of this file leaves it out and does not fail the
/// import: a leftover of a training run, not asked for by name, beside weights.
pub fn is_dispensable(plan: &Plan, request: &ImportRequest, artifact: &Artifact) -> bool {
    let path = artifact.path.as_str();
    let is_weights = |other: &Artifact| {
        let other = other.path.as_str();
        inspect::promises_weights(other) && leftover(other).is_none()
    };
    leftover(path).is_some() && !is_named(request, path) && plan.artifacts.iter().any(is_weights)
}

/// Whether the source or an include pattern is this very path.
fn is_named(request: &ImportRequest, path: &str) -> bool {
    let in_source = match &request.reference.locator {
        Locator::HuggingFace(of) => of.path.as_ref().is_some_and(|named| named.as_str() == path),
        Locator::Civitai(_) => false,
        Locator::Other { .. } | Locator::Multipart { .. } => true,
    };
    let include = &request.reference.selection.include;
    in_source || include.iter().any(|pattern| pattern == path)
}

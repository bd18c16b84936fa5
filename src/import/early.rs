//! Looking into a file before the bulk of it moves: its headers are fetched by
//! range, on demand, and judged by the same rules as the stored bytes will be.
//!
//! What fails here costs kilobytes. What can't be decided within the budget, or
//! at a server without ranges, is decided once it is stored.

mod remote;

use std::collections::HashMap;
use std::io::Cursor;

use futures_util::{StreamExt, TryStreamExt, stream};
use modelferry_providers::{Artifact, Auth, Plan, Sha256};
use tokio_util::sync::CancellationToken;

use self::remote::{Budget, Remote};
use super::Ferry;
use super::brought;
use super::choose::leftover;
use super::judge::refused;
use super::policy::Rules;
use crate::error::Error;
use crate::inspect::{self, Finding, InspectError, RefusalReason};
use crate::request::ImportRequest;
use crate::storage::StorageKey;

/// Files that are looked into at once.
pub(super) const SIDE_BY_SIDE: usize = 8;
/// A shorter file is fetched as fast as looked into.
const WORTH_IT: u64 = 2 * 1024 * 1024;
/// The most files of one import that are looked into.
const MOST_FILES: usize = 256;
/// Files whose name promises nothing of use are only looked into where there are as few.
const FEW: usize = 8;
/// Files of weights whose headers a preview shows; a repository's further shards say no more.
const SHOWN: usize = 24;
/// Small files beside the weights that say what the model is, in a preview.
const DESCRIPTIONS: usize = 8;

/// What a look at a file's headers told.
#[derive(Debug)]
pub struct Look {
    /// Whether it may come in, as far as its headers tell.
    pub verdict: Verdict,
    /// Bytes that the look moved.
    pub bytes: u64,
}

/// Whether a file may come in, as far as its headers tell.
#[derive(Debug)]
pub enum Verdict {
    /// Nothing speaks against it.
    Fit(Box<Finding>),
    /// It can't come in, whatever the rest of it holds.
    Refused(Error),
    /// The headers don't tell, or could not be had.
    Undecided,
}

/// Which files a preview looks into, by their place in the plan.
fn shown(plan: &Plan) -> Vec<(u32, &Artifact)> {
    let of = |wanted: fn(&str) -> bool| {
        let files = (0u32..).zip(&plan.artifacts);
        files.filter(move |(_, artifact)| wanted(artifact.path.as_str()))
    };
    let described = of(is_description).take(DESCRIPTIONS);
    let weights = of(|path| inspect::promises_weights(path) || leftover(path).is_some());
    described.chain(weights.take(SHOWN)).collect()
}

/// Which of the missing files are looked into, by their place in the plan.
pub(super) fn candidates<'p>(plan: &'p Plan, missing: &[u32]) -> Vec<(u32, &'p Artifact)> {
    let few = plan.artifacts.len() <= FEW;
    let is_worth_it = |artifact: &Artifact| {
        let path = artifact.path.as_str();
        if leftover(path).is_some() {
            // Often refused and always short: kept from being stored at all.
            return true;
        }
        let is_long = artifact
            .size
            .approximate()
            .is_none_or(|size| size >= WORTH_IT);
        is_long && (few || inspect::tells_early(path))
    };
    missing
        .iter()
        .filter_map(|index| Some((*index, plan.artifacts.get(*index as usize)?)))
        .filter(|(_, artifact)| is_worth_it(artifact) && !brought::is_brought(artifact))
        .take(MOST_FILES)
        .collect()
}

impl Ferry {
    /// What an import would find in the files of a plan, as far as their names
    /// and headers tell: by their place in the plan.
    ///
    /// # Errors
    /// When the storage can't be read.
    pub async fn preview(
        &self,
        plan: &Plan,
        request: &ImportRequest,
        cancel: &CancellationToken,
    ) -> Result<HashMap<u32, Verdict>, Error> {
        let rules = self.rules.for_request(request);
        let auth = self.tokens.for_request(request);
        let mut looks = Vec::new();
        for (index, artifact) in shown(plan) {
            let look = self.preview_one(&rules, artifact, &auth, cancel);
            looks.push(async move { Ok::<_, Error>((index, look.await?)) });
        }
        let looks = stream::iter(looks).buffer_unordered(SIDE_BY_SIDE);
        looks.try_collect().await
    }

    async fn preview_one(
        &self,
        rules: &Rules,
        artifact: &Artifact,
        auth: &Auth,
        cancel: &CancellationToken,
    ) -> Result<Verdict, Error> {
        if let Err(error) = rules.admit_unseen(artifact) {
            return Ok(Verdict::Refused(error));
        }
        let verdict = match self.held_blob(artifact).await? {
            _ if brought::is_brought(artifact) => Verdict::Undecided,
            Some((sha256, size)) => self.look_at_stored(rules, artifact, sha256, size).await?,
            None => self.look_early(rules, artifact, auth, cancel).await.verdict,
        };
        Ok(match verdict {
            Verdict::Fit(finding) => match rules.admit_format(artifact.path.as_str(), &finding) {
                Ok(()) => Verdict::Fit(finding),
                Err(error) => Verdict::Refused(error),
            },
            other => other,
        })
    }

    async fn look_at_stored(
        &self,
        rules: &Rules,
        artifact: &Artifact,
        sha256: Sha256,
        size: u64,
    ) -> Result<Verdict, Error> {
        let mut content = self.storage.open(&StorageKey::Blob(sha256)).await?;
        let (path, rules) = (artifact.path.as_str().to_owned(), rules.clone());
        let looked = tokio::task::spawn_blocking(move || {
            let found =
                inspect::inspect(&path, size, &mut content, rules.pickle, &rules.pickle_allow);
            match found {
                Ok(finding) => Verdict::Fit(Box::new(finding)),
                Err(InspectError::Refused(refusal)) => Verdict::Refused(refused(&path, refusal)),
                Err(InspectError::Io(_)) => Verdict::Undecided,
            }
        });
        looked
            .await
            .map_err(|error| Error::internal("looking into a file", error))
    }

    /// Judges a file that is not held by what its headers say.
    ///
    /// A failure to fetch them decides nothing: the transfer will meet it too,
    /// and has the means to deal with it. A refusal counts when a second look
    /// comes to the same, since nothing has verified these bytes.
    pub async fn look_early(
        &self,
        rules: &Rules,
        artifact: &Artifact,
        auth: &Auth,
        cancel: &CancellationToken,
    ) -> Look {
        let first = self.look_once(rules, artifact, auth, cancel).await;
        let Verdict::Refused(refusal) = &first.verdict else {
            return first;
        };
        let second = self.look_once(rules, artifact, auth, cancel).await;
        let is_borne_out = matches!(&second.verdict, Verdict::Refused(again) if again == refusal);
        Look {
            bytes: first.bytes + second.bytes,
            verdict: if is_borne_out {
                second.verdict
            } else {
                Verdict::Undecided
            },
        }
    }

    async fn look_once(
        &self,
        rules: &Rules,
        artifact: &Artifact,
        auth: &Auth,
        cancel: &CancellationToken,
    ) -> Look {
        let undecided = Look {
            verdict: Verdict::Undecided,
            bytes: 0,
        };
        let budget = Budget::for_length(artifact.size.approximate());
        let opened = Remote::open(&self.engine, artifact, auth, budget, cancel);
        let Ok(Some(remote)) = tokio::time::timeout(remote::longest(&self.engine), opened).await
        else {
            return undecided;
        };
        let (path, rules) = (artifact.path.as_str().to_owned(), rules.clone());
        let judged = tokio::task::spawn_blocking(move || judge(&path, remote, &rules)).await;
        judged.unwrap_or_else(|error| {
            tracing::error!(%error, "looking into a file early failed");
            undecided
        })
    }
}

/// The configuration of a model, a pipeline or an adapter, by its customary name.
fn is_description(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    matches!(
        name,
        "config.json" | "model_index.json" | "adapter_config.json"
    )
}

/// Reads ranges as the inspection asks for them. Blocks.
fn judge(path: &str, mut remote: Remote, rules: &Rules) -> Look {
    let verdict = judge_prefix(path, remote.prefix(), rules)
        .or_else(|| judge_whole(path, &mut remote, rules))
        .or_else(|| judge_prefix(path, remote.prefix(), rules));
    Look {
        verdict: verdict.unwrap_or(Verdict::Undecided),
        bytes: remote.fetched(),
    }
}

/// `None` where the reader could not see all that it asked for.
fn judge_whole(path: &str, remote: &mut Remote, rules: &Rules) -> Option<Verdict> {
    let total = remote.total()?;
    let found = inspect::inspect(path, total, remote, rules.pickle, &rules.pickle_allow);
    match found {
        _ if !remote.is_sound() => None,
        Ok(finding) => Some(Verdict::Fit(Box::new(finding))),
        Err(InspectError::Refused(refusal)) => Some(Verdict::Refused(refused(path, refusal))),
        Err(InspectError::Io(_)) => None,
    }
}

/// Judges the beginning alone. Only what no later byte can make good counts: a
/// program that has already done harm, and a web page.
fn judge_prefix(path: &str, prefix: &[u8], rules: &Rules) -> Option<Verdict> {
    let length = prefix.len() as u64;
    let mut content = Cursor::new(prefix);
    match inspect::inspect(
        path,
        length,
        &mut content,
        rules.pickle,
        &rules.pickle_allow,
    ) {
        Err(InspectError::Refused(refusal))
            if matches!(
                refusal.reason,
                RefusalReason::UnsafePickle | RefusalReason::HtmlInsteadOfFile
            ) =>
        {
            Some(Verdict::Refused(refused(path, refusal)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the beginning of these bytes is refused for, at every length.
    fn refusals(path: &str, bytes: &[u8]) -> Vec<usize> {
        let rules = Rules::default();
        (0..bytes.len())
            .filter(|length| judge_prefix(path, &bytes[..*length], &rules).is_some())
            .collect()
    }

    fn framed_pickle() -> Vec<u8> {
        // Protocol 4: a frame that holds all, and a reference by STACK_GLOBAL.
        let mut inside = b"\x8c\x0bcollections\x94\x8c\x0bOrderedDict\x94\x93\x94)R\x94".to_vec();
        for nth in 0..40u8 {
            inside.extend([b"\x8c\x01k\x94K".as_slice(), &[nth], b"s"].concat());
        }
        inside.push(b'.');
        let length = (inside.len() as u64).to_le_bytes();
        [b"\x80\x04\x95".as_slice(), &length, &inside].concat()
    }

    #[test]
    fn no_beginning_of_a_good_file_is_refused() {
        let torch = modelferry_fixtures::Content::pickle_torch_zip(1).to_vec();
        let safetensors = modelferry_fixtures::Content::safetensors(1, 2048).to_vec();
        let gguf = modelferry_fixtures::Content::gguf(1, 2048).to_vec();
        for (path, bytes) in [
            ("a.pkl", framed_pickle()),
            ("a.pt", torch),
            ("a.safetensors", safetensors),
            ("a.gguf", gguf),
        ] {
            assert_eq!(refusals(path, &bytes), Vec::<usize>::new(), "{path}");
        }
        let whole = framed_pickle();
        let mut content = Cursor::new(&whole);
        let rules = Rules::default();
        let found = inspect::inspect(
            "a.pkl",
            whole.len() as u64,
            &mut content,
            rules.pickle,
            &rules.pickle_allow,
        );
        assert!(found.is_ok(), "the pickle is a good one: {found:?}");
    }

    #[test]
    fn a_beginning_that_has_done_harm_is_refused_whatever_follows() {
        let mut bytes = modelferry_fixtures::Content::hostile_pickle().to_vec();
        let named = b"\x80\x02cos\nsystem\n".len();
        bytes.extend([0; 50]);
        let expected: Vec<usize> = (named..bytes.len()).collect();
        assert_eq!(refusals("a.pkl", &bytes), expected);
    }
}
